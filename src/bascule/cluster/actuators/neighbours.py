"""What the kernel itself finds out about neighbours: needs CAP_NET_ADMIN alone, where raw frames need CAP_NET_RAW too.

Source: `include/uapi/linux/neighbour.h`; arp(7).
"""

from __future__ import annotations

import errno
import socket
import struct

from bascule.cluster.actuators import netlink
from bascule.cluster.actuators.addresses import Ip
from bascule.cluster.actuators.netlink import Netlink, attribute

_NEWNEIGH, _DELNEIGH, _GETNEIGH = 28, 29, 30
_NEIGHBOUR = struct.Struct("=BxxxiHBB")
_DESTINATION, _LINK_ADDRESS, _INDEX = 1, 2, 8
_USE = 0x01
_ANSWERED = 0x02 | 0x04 | 0x08 | 0x10  # reachable, stale, delay, probe: each was reachable once


class Neighbour:
    """One address that may or may not be found behind one interface.

    Args:
        index: The interface.
        ip: The address; none of this machine's own.

    Raises:
        OSError: There is no rtnetlink.
    """

    def __init__(self, index: int, ip: Ip) -> None:
        self._index = index
        self._ip = ip
        self._family = socket.AF_INET if ip.version == 4 else socket.AF_INET6
        self._line = Netlink(socket.NETLINK_ROUTE)

    def ask(self) -> None:
        """Forget what was known, and have the kernel ask the network anew.

        Raises:
            OSError: The kernel refused.
        """
        self.forget()
        self._line.request(netlink.message(_NEWNEIGH, netlink.CREATE, self._body(_USE)))

    def forget(self) -> None:
        """Know nothing of it any more.

        Raises:
            OSError: The kernel refused.
        """
        try:
            self._line.request(netlink.message(_DELNEIGH, 0, self._body(0)))
        except OSError as error:
            if error.errno != errno.ENOENT:
                raise

    def answer(self) -> bytes | None:
        """The link address that answered; None when none has so far.

        Raises:
            OSError: The kernel refused.
        """
        asked = attribute(_INDEX, struct.pack("=I", self._index))
        for kind, body in self._line.dump(_GETNEIGH, _NEIGHBOUR.pack(self._family, 0, 0, 0, 0), asked):
            if kind != _NEWNEIGH:
                continue
            _, index, state, _, _ = _NEIGHBOUR.unpack_from(body)
            attributes = dict(netlink.each_attribute(body[_NEIGHBOUR.size :]))
            is_it = index == self._index and attributes.get(_DESTINATION) == self._ip.packed
            if is_it and state & _ANSWERED:
                return attributes.get(_LINK_ADDRESS)
        return None

    def close(self) -> None:
        """Let go of the line to the kernel."""
        self._line.close()

    def _body(self, flags: int) -> bytes:
        return _NEIGHBOUR.pack(self._family, self._index, 0, flags, 0) + attribute(_DESTINATION, self._ip.packed)
