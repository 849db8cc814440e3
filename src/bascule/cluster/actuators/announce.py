"""Tells the neighbours where an address is now, again and again: cheap enough for every half second."""

from __future__ import annotations

import fcntl
import itertools
import socket
import struct
from pathlib import Path

from bascule.cluster.actuators import frames
from bascule.cluster.actuators.addresses import Ip, Link

_SIOCGIFHWADDR = 0x8927
_BIND_TO_DEVICE = 25
_DISCARD_PORT = 9
_NOWHERE = "192.0.2."  # TEST-NET-1 (RFC 5737): nobody has these addresses


class Announcer:
    """Says on one interface that an address is here.

    With CAP_NET_RAW it sends the frames that are made for this. Without it, IPv4 neighbours learn it from an ordinary
    ARP question that the kernel asks in the address's name; a neighbour that has heard of the address within the last
    second does not heed it. IPv6 neighbours then find out by themselves, after some seconds.

    Args:
        link: The interface.
        ip: The address.

    Raises:
        OSError: There is no such interface.
    """

    def __init__(self, link: Link, ip: Ip) -> None:
        self.link = link
        self._ip = ip
        self._turns = itertools.cycle(range(1, 255))
        self._frames: tuple[bytes, ...] = ()
        self._mac = b""
        self._line: socket.socket | None = None
        try:
            self._line = socket.socket(
                socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0
            )
            self._line.bind((link.name, 0))
        except PermissionError:
            return
        except OSError:
            self.close()
            raise

    @property
    def has_raw(self) -> bool:
        """Whether raw frames may be sent: CAP_NET_RAW was there."""
        return self._line is not None

    def send(self) -> None:
        """Say it once, to all at once.

        Raises:
            OSError: The interface is down or gone, or its queue is full.
        """
        if self._line is not None:
            for frame in self._current(self._line):
                self._line.send(frame)
        elif self._ip.version == 4:
            self._ask_in_its_name()

    def _current(self, line: socket.socket) -> tuple[bytes, ...]:
        """The frames, made anew when the interface has another link address: a bond's, after a failover."""
        asked = struct.pack("16s24x", self.link.name.encode())
        mac = fcntl.ioctl(line, _SIOCGIFHWADDR, asked)[18:24]
        if mac != self._mac:
            self._mac = mac
            self._frames = frames.announcements(mac, self._ip, is_router=self._is_router())
        return self._frames

    def _is_router(self) -> bool:
        if self._ip.version == 4:
            return False
        try:
            return Path(f"/proc/sys/net/ipv6/conf/{self.link.name}/forwarding").read_text().strip() == "1"
        except OSError:
            return False

    def _ask_in_its_name(self) -> None:
        flags = socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
        with socket.socket(socket.AF_INET, flags) as line:
            line.setsockopt(socket.SOL_SOCKET, _BIND_TO_DEVICE, self.link.name.encode() + b"\0")
            line.setsockopt(socket.SOL_SOCKET, socket.SO_DONTROUTE, 1)
            line.bind((str(self._ip), 0))
            # Another target each time: for one that is already being asked for, the kernel waits a second.
            line.sendto(b"", (f"{_NOWHERE}{next(self._turns)}", _DISCARD_PORT))

    def close(self) -> None:
        """Let go of the socket."""
        if self._line is not None:
            self._line.close()
            self._line = None
