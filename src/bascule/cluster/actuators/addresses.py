"""Addresses of this machine's interfaces: which there are, one more, one less. Over rtnetlink, in microseconds each.

Source: `include/uapi/linux/if_addr.h` and `if_link.h`; rtnetlink(7).
"""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Address, IPv4Interface, IPv6Address, IPv6Interface, ip_address, ip_interface

from msgspec import Struct

from bascule.cluster.actuators import netlink
from bascule.cluster.actuators.netlink import Netlink, attribute

Ip = IPv4Address | IPv6Address
IpInterface = IPv4Interface | IPv6Interface

ETHERNET = 1
FOREVER = 0xFFFFFFFF

_NEWLINK, _GETLINK = 16, 18
_NEWADDR, _DELADDR, _GETADDR = 20, 21, 22
_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBI")
_IFLA_ADDRESS, _IFLA_IFNAME = 1, 3
_IFA_ADDRESS, _IFA_LOCAL, _IFA_CACHEINFO, _IFA_FLAGS = 1, 2, 6, 8
_UP, _WITHOUT_ARP, _HAS_CARRIER = 0x1, 0x80, 0x10000
_SECONDARY, _NODAD, _NOPREFIXROUTE = 0x01, 0x02, 0x200
_TENTATIVE, _DADFAILED = 0x40, 0x08


class Link(Struct, frozen=True, kw_only=True):
    """One interface.

    Attributes:
        index: Its number.
        name: Its name.
        mac: Its link address; empty when it has none.
        is_up: Somebody switched it on.
        has_carrier: There is something at the other end of the wire.
        resolves: Neighbours ask for addresses on it, by ARP or neighbour discovery.
    """

    index: int
    name: str
    mac: bytes
    is_up: bool
    has_carrier: bool
    resolves: bool


class Assigned(Struct, frozen=True, kw_only=True):
    """One address of one interface.

    Attributes:
        index: The interface's number.
        interface: The address with the length of its prefix.
        is_usable: It was not found to be a duplicate, and is not still being checked for that.
        is_secondary: There was another IPv4 address of the same subnet before it.
        lifetime_s: After how long the kernel removes it, in seconds; or `FOREVER`.
        body: All that the kernel says of it.
    """

    index: int
    interface: IpInterface
    is_usable: bool
    is_secondary: bool
    lifetime_s: int
    body: bytes


class Addresses:
    """What addresses there are in the network namespace of the thread that made this.

    Raises:
        OSError: There is no rtnetlink.
    """

    def __init__(self) -> None:
        self._line = Netlink(socket.NETLINK_ROUTE)

    def links(self) -> dict[int, Link]:
        """Every interface by its number.

        Raises:
            OSError: The kernel refused.
        """
        answers = self._line.dump(_GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0))
        found = (_link(body) for kind, body in answers if kind == _NEWLINK)
        return {link.index: link for link in found}

    def assigned(self, version: int, index: int = 0) -> list[Assigned]:
        """Every address of IPv4 or IPv6.

        Args:
            version: 4 or 6.
            index: The interface; 0 means all.

        Raises:
            OSError: The kernel refused, or there is no such interface (ENODEV).
        """
        answers = self._line.dump(_GETADDR, _ADDRESS.pack(_family(version), 0, 0, 0, index))
        found = (_assigned(body) for kind, body in answers if kind == _NEWADDR)
        return [one for one in found if one is not None and index in {0, one.index}]

    def add(self, index: int, interface: IpInterface, *, lifetime_s: int = FOREVER) -> None:
        """Give an interface an address, or one that it has already a new lifetime.

        An IPv6 address is usable at once, without the second in which the kernel looks for a duplicate, and is not
        chosen as the source of what this machine sends of its own accord. What else depends on an address never ends
        with its lifetime: the route to an IPv6 subnet stays with the other addresses of it; and the first IPv4 address
        of a subnet, with which the kernel would remove all others, gets no end once there are others.

        Args:
            index: The interface.
            interface: The address, and the length of its prefix.
            lifetime_s: After how long the kernel removes it, give or take two seconds.

        Raises:
            OSError: The kernel refused: EACCES where IPv6 is disabled, EPERM without CAP_NET_ADMIN.
        """
        near = [one for one in self.assigned(interface.version, index) if one.interface.network == interface.network]
        has_others = any(one.interface.ip != interface.ip for one in near)
        is_first = any(one.interface == interface and not one.is_secondary for one in near)
        flags, preferred_s = 0, lifetime_s
        if interface.version == 6:
            flags, preferred_s = _NODAD | (_NOPREFIXROUTE if has_others else 0), 0
        elif has_others and is_first:
            lifetime_s = preferred_s = FOREVER
        lifetime = attribute(_IFA_CACHEINFO, struct.pack("=IIII", preferred_s, lifetime_s, 0, 0))
        more = attribute(_IFA_FLAGS, struct.pack("=I", flags))
        asked = netlink.CREATE | netlink.REPLACE
        self._line.request(netlink.message(_NEWADDR, asked, _body(index, interface), lifetime, more))

    def remove(self, index: int, interface: IpInterface) -> None:
        """Take an address from an interface, and leave it all others.

        Raises:
            OSError: The kernel refused; EADDRNOTAVAIL or ENODEV when it was not there.
        """
        others = [one for one in self.assigned(interface.version, index) if one.interface.ip != interface.ip]
        self._line.request(netlink.message(_DELADDR, 0, _body(index, interface)))
        if interface.version == 4:
            self._restore(index, others)

    def _restore(self, index: int, others: list[Assigned]) -> None:
        """Give back what went too: with the first address of a subnet, the kernel may remove all others of it."""
        left = {one.interface for one in self.assigned(4, index)}
        for one in others:
            if one.interface not in left:
                self._line.request(netlink.message(_NEWADDR, netlink.CREATE | netlink.REPLACE, one.body))

    def close(self) -> None:
        """Let go of the line to the kernel."""
        self._line.close()


def _family(version: int) -> int:
    return socket.AF_INET if version == 4 else socket.AF_INET6


def _body(index: int, interface: IpInterface) -> bytes:
    fixed = _ADDRESS.pack(_family(interface.version), interface.network.prefixlen, 0, 0, index)
    packed = interface.ip.packed
    return fixed + attribute(_IFA_LOCAL, packed) + attribute(_IFA_ADDRESS, packed)


def _link(body: bytes) -> Link:
    _, kind, index, flags, _ = _LINK.unpack_from(body)
    attributes = dict(netlink.each_attribute(body[_LINK.size :]))
    return Link(
        index=index,
        name=attributes.get(_IFLA_IFNAME, b"").rstrip(b"\0").decode(errors="replace"),
        mac=attributes.get(_IFLA_ADDRESS, b"") if kind == ETHERNET else b"",
        is_up=bool(flags & _UP),
        has_carrier=bool(flags & _HAS_CARRIER),
        resolves=kind == ETHERNET and not flags & _WITHOUT_ARP,
    )


def _assigned(body: bytes) -> Assigned | None:
    _, length, flags, _, index = _ADDRESS.unpack_from(body)
    attributes = dict(netlink.each_attribute(body[_ADDRESS.size :]))
    # On a line between two points, IFA_ADDRESS is the other end.
    packed = attributes.get(_IFA_LOCAL) or attributes.get(_IFA_ADDRESS)
    if packed is None:
        return None
    if len(more := attributes.get(_IFA_FLAGS, b"")) == 4:
        flags = struct.unpack("=I", more)[0]
    lifetime_s = FOREVER
    if len(lifetimes := attributes.get(_IFA_CACHEINFO, b"")) == 16:
        lifetime_s = struct.unpack("=IIII", lifetimes)[1]
    return Assigned(
        index=index,
        interface=ip_interface((ip_address(packed), length)),
        is_usable=not flags & (_TENTATIVE | _DADFAILED),
        is_secondary=bool(flags & _SECONDARY),
        lifetime_s=lifetime_s,
        body=body,
    )
