"""Speaks rtnetlink: encoded requests, sent many at a time, each acknowledged by the kernel before `execute` returns.

The codecs are pyroute2's. Its sockets are not used: they want an event loop of their own inside the supervisor's.
Interface numbers are ours to choose (a namespace is empty when we come), so nothing has to be asked for.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Sequence
from typing import Any

from pyroute2.netlink.rtnl.fibmsg import fibmsg
from pyroute2.netlink.rtnl.ifaddrmsg import ifaddrmsg
from pyroute2.netlink.rtnl.ifinfmsg import ifinfmsg
from pyroute2.netlink.rtnl.ndmsg import ndmsg
from pyroute2.netlink.rtnl.rtmsg import rtmsg

LOOPBACK_INDEX = 1

_NEWLINK, _DELLINK, _SETLINK, _NEWADDR = 16, 17, 19, 20
_NEWROUTE, _DELROUTE, _NEWNEIGH, _NEWRULE, _DELRULE = 24, 25, 28, 32, 33
_REQUEST, _ACK, _REPLACE, _EXCLUSIVE, _CREATE = 0x1, 0x4, 0x100, 0x200, 0x400
_ERROR = 2
_UP = 1
_UNICAST, _BLACKHOLE = 1, 6
_TO_TABLE = 1
_BY_ATTRIBUTE = 252  # the header has one byte for a table; higher ones stand in an attribute
_LINK_SCOPE, _UNIVERSE_SCOPE = 253, 0
_STATIC = 4
_ONLINK = 4
_PERMANENT = 0x80
_IPV4 = socket.AF_INET
_HEADER = struct.Struct("=IHHII")
_BATCH = 64  # the acknowledgements of this many requests fit any socket's buffer
_TIMEOUT_S = 5.0


class Request:
    """One encoded request. `about` names it in an error; `tolerated` error numbers mean that it was done already."""

    def __init__(self, about: str, kind: int, flags: int, message: Any, tolerated: Sequence[int] = ()) -> None:  # noqa: ANN401 - pyroute2 ships no types
        self.about = about
        self.tolerated = frozenset(tolerated)
        message["header"] = {"type": kind, "flags": _REQUEST | _ACK | flags, "sequence_number": 0, "pid": 0}
        message.encode()
        self.data = bytearray(message.data)


def _link(index: int, attributes: list[Any], *, up: bool | None) -> Any:  # noqa: ANN401 - pyroute2 has no types
    message = ifinfmsg()
    message["index"] = index
    if up is not None:
        message["flags"], message["change"] = (_UP if up else 0), _UP
    message["attrs"] = attributes
    return message


def bridge(index: int, name: str, mac: str) -> Request:
    """Make a bridge, up, without spanning tree or multicast snooping: every frame passes from the first one on."""
    options = {"attrs": [["IFLA_BR_STP_STATE", 0], ["IFLA_BR_FORWARD_DELAY", 0], ["IFLA_BR_MCAST_SNOOPING", 0]]}
    information = {"attrs": [["IFLA_INFO_KIND", "bridge"], ["IFLA_INFO_DATA", options]]}
    attributes = [["IFLA_IFNAME", name], ["IFLA_ADDRESS", mac], ["IFLA_LINKINFO", information]]
    return Request(f"bridge {name}", _NEWLINK, _CREATE | _EXCLUSIVE, _link(index, attributes, up=True))


class End:
    """One end of a wire: its number and name, its MAC address, and the namespace that it is put into (None: here)."""

    def __init__(self, index: int, name: str, mac: str, namespace: int | None = None) -> None:
        self.index = index
        self.name = name
        self.mac = mac
        self.namespace = namespace


def wire(near: End, far: End, *, master: int | None = None, up: bool = True) -> Request:
    """Make a pair of joined interfaces; the near one is a port of the bridge `master`."""
    beyond = ifinfmsg()
    beyond["index"] = far.index
    beyond["attrs"] = [["IFLA_IFNAME", far.name], ["IFLA_ADDRESS", far.mac]]
    if far.namespace is not None:
        beyond["attrs"].append(["IFLA_NET_NS_FD", far.namespace])
    data = {"attrs": [["VETH_INFO_PEER", beyond]]}
    information = {"attrs": [["IFLA_INFO_KIND", "veth"], ["IFLA_INFO_DATA", data]]}
    attributes: list[Any] = [["IFLA_IFNAME", near.name], ["IFLA_ADDRESS", near.mac], ["IFLA_LINKINFO", information]]
    if master is not None:
        attributes.append(["IFLA_MASTER", master])
    message = _link(near.index, attributes, up=up)
    return Request(f"wire {near.name}-{far.name}", _NEWLINK, _CREATE | _EXCLUSIVE, message)


def switch(index: int, *, up: bool) -> Request:
    """Set an interface up or down."""
    return Request(f"interface {index} {'up' if up else 'down'}", _NEWLINK, 0, _link(index, [], up=up))


def unwire(index: int) -> Request:
    """Remove a pair of joined interfaces, by the near one; a pair that is gone already is no error."""
    return Request(f"no wire {index}", _DELLINK, 0, _link(index, [], up=None), tolerated=(19,))


def plug(index: int, master: int) -> Request:
    """Make an interface a port of this bridge and of no other."""
    return Request(f"interface {index} to {master}", _SETLINK, 0, _link(index, [["IFLA_MASTER", master]], up=None))


def unplug(index: int) -> Request:
    """Make an interface a port of no bridge."""
    return Request(f"interface {index} off", _SETLINK, 0, _link(index, [["IFLA_MASTER", 0]], up=None))


def address(index: int, ip: str, length: int) -> Request:
    """Give an interface an address."""
    message = ifaddrmsg()
    message["family"], message["prefixlen"], message["index"], message["scope"] = _IPV4, length, index, _UNIVERSE_SCOPE
    message["flags"] = _PERMANENT
    message["attrs"] = [["IFA_LOCAL", ip], ["IFA_ADDRESS", ip]]
    return Request(f"address {ip}/{length}", _NEWADDR, _CREATE | _REPLACE, message)


def _route(target: str, kind: int, table: int) -> Any:  # noqa: ANN401 - pyroute2 has no types
    ip, length = target.split("/")
    message = rtmsg()
    message["family"], message["dst_len"], message["proto"], message["type"] = _IPV4, int(length), _STATIC, kind
    message["table"] = min(table, _BY_ATTRIBUTE)
    message["attrs"] = [["RTA_TABLE", table]]
    if int(length):
        message["attrs"].append(["RTA_DST", ip])
    return message


def route(target: str, index: int, *, via: str = "", table: int = 254) -> Request:
    """Send packets for `target` (`10.88.1.0/24`) out of an interface, straight or by way of a router behind it."""
    message = _route(target, _UNICAST, table)
    message["scope"] = _UNIVERSE_SCOPE if via else _LINK_SCOPE
    message["attrs"].append(["RTA_OIF", index])
    if via:
        message["flags"] = _ONLINK
        message["attrs"].append(["RTA_GATEWAY", via])
    return Request(f"route {target}", _NEWROUTE, _CREATE | _REPLACE, message)


def blackhole(target: str, *, table: int) -> Request:
    """Let packets for `target` vanish without a word."""
    return Request(f"blackhole {target}", _NEWROUTE, _CREATE | _REPLACE, _route(target, _BLACKHOLE, table))


def unroute(target: str, *, table: int, silent: bool) -> Request:
    """Remove a route, or a blackhole when `silent`; one that is gone already is no error."""
    kind = _BLACKHOLE if silent else _UNICAST
    message = _route(target, kind, table)
    message["scope"] = 255
    return Request(f"no route {target}", _DELROUTE, 0, message, tolerated=(3,))


def rule(priority: int, table: int, *, source: str = "", through: str = "", remove: bool = False) -> Request:
    """Look up packets from `source` (all, if empty) in this table; or no longer. Done already is no error.

    Args:
        priority: Rules are tried from the lowest on.
        table: Where to look.
        source: One address.
        through: Only those that came in through the interface of this name.
        remove: No longer.
    """
    message = fibmsg()
    message["family"], message["table"], message["action"] = _IPV4, min(table, _BY_ATTRIBUTE), _TO_TABLE
    message["src_len"] = 32 if source else 0
    message["attrs"] = [["FRA_TABLE", table], ["FRA_PRIORITY", priority]]
    if source:
        message["attrs"].append(["FRA_SRC", source])
    if through:
        message["attrs"].append(["FRA_IIFNAME", through])
    about = f"{'no ' if remove else ''}rule from {source or 'all'}{f' through {through}' if through else ''}"
    if remove:
        return Request(about, _DELRULE, 0, message, tolerated=(2,))
    return Request(about, _NEWRULE, _CREATE | _EXCLUSIVE, message, tolerated=(17,))


def neighbour(index: int, ip: str, mac: str) -> Request:
    """Know for ever that `ip` answers at `mac`: nothing is asked on the wire."""
    message = ndmsg()
    message["family"], message["ifindex"], message["state"] = _IPV4, index, _PERMANENT
    message["attrs"] = [["NDA_DST", ip], ["NDA_LLADDR", mac]]
    return Request(f"neighbour {ip}", _NEWNEIGH, _CREATE | _REPLACE, message)


class Netlink:
    """A line to the kernel about the network namespace in which it was opened."""

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.settimeout(_TIMEOUT_S)
        self._socket.setsockopt(
            270, 10, 1
        )  # SOL_NETLINK, NETLINK_CAP_ACK: an acknowledgement does not repeat the request
        self._socket.bind((0, 0))
        self._sequence = 0

    def execute(self, requests: Sequence[Request]) -> None:
        """Carry out the requests in their order.

        Raises:
            OSError: The kernel refused one; those before it were carried out, those after it perhaps.
        """
        for start in range(0, len(requests), _BATCH):
            self._send(requests[start : start + _BATCH])

    def _send(self, requests: Sequence[Request]) -> None:
        waiting: dict[int, Request] = {}
        for request in requests:
            self._sequence += 1
            struct.pack_into("=I", request.data, 8, self._sequence)
            waiting[self._sequence] = request
        self._socket.send(b"".join(_aligned(request.data) for request in requests))
        refused: OSError | None = None
        while waiting:
            for sequence, number in _acknowledgements(self._socket.recv(65536)):
                if sequence not in waiting:
                    continue
                request = waiting.pop(sequence)
                if number and number not in request.tolerated and refused is None:
                    refused = OSError(number, f"{request.about}: {os.strerror(number)}")
        if refused:
            raise refused

    def close(self) -> None:
        """Let go of the line."""
        self._socket.close()


def _aligned(data: bytearray) -> bytes:
    return bytes(data) + bytes(-len(data) % 4)


def _acknowledgements(data: bytes) -> list[tuple[int, int]]:
    found: list[tuple[int, int]] = []
    offset = 0
    while offset + _HEADER.size <= len(data):
        length, kind, _, sequence, _ = _HEADER.unpack_from(data, offset)
        if kind == _ERROR:
            found.append((sequence, -struct.unpack_from("=i", data, offset + _HEADER.size)[0]))
        offset += max(length + 3 & ~3, _HEADER.size)
    return found
