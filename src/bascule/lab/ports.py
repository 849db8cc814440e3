"""Local ports of a host: none left to connect from, and given back, in the host's own network alone."""

from __future__ import annotations

import contextlib
import errno
import socket
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct

from bascule.kernel.errors import LabError
from bascule.lab.fabric import Fabric

WINDOW = 32
"""So many ports remain to be chosen from, all taken for TCP: UDP, which has its own, can still choose."""
_DISCARD = 9
_LOWEST = 1024
_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


class Taken(Struct, frozen=True):
    """What a host had before, and the sockets that take the rest."""

    before: str
    sockets: tuple[socket.socket, ...]


class Ports:
    """The local ports of the hosts of one lab.

    Args:
        fabric: Whose hosts they are.
    """

    def __init__(self, fabric: Fabric) -> None:
        self._fabric = fabric
        self._taken: dict[str, Taken] = {}

    def are_taken(self, host: str) -> bool:
        """Whether the host's programs find no port now."""
        return host in self._taken

    def exhaust(self, host: str) -> None:
        """Leave the host no local port for a further outgoing TCP connection; those that are open stay open.

        Raises:
            LabError: No stretch of its ports is free enough to be taken, or the kernel forbids it.
        """
        if host in self._taken:
            return
        try:
            with self._fabric.inside(host):
                before = _RANGE.read_text(encoding="ascii")
                low, sockets = _take(before)
                try:
                    _RANGE.write_text(f"{low} {low + WINDOW - 1}", encoding="ascii")
                except BaseException:
                    _close(sockets)
                    raise
        except OSError as error:
            raise LabError(f"the local ports of {host} cannot be taken: {error}") from error
        self._taken[host] = Taken(before, sockets)

    def free(self, host: str) -> None:
        """Give the host the range that it had. One that has it is no error."""
        if host not in self._taken:
            return
        with self._fabric.inside(host):
            _RANGE.write_text(self._taken[host].before, encoding="ascii")
        self.forget(host)

    def forget(self, host: str) -> None:
        """Let go of the ports of a host whose network was replaced by a new one."""
        if host in self._taken:
            _close(self._taken.pop(host).sockets)

    def bind(self, line: socket.socket, host: str, address: str) -> None:
        """Bind a socket of the lab's own, which finds a port though the host's programs find none."""
        if host not in self._taken:
            line.bind((address, 0))
            return
        for port in range(int(self._taken[host].before.split()[0]) - 1, _LOWEST, -1):
            with contextlib.suppress(OSError):  # somebody has it: the next one
                line.bind((address, port))
                return
        raise LabError(f"host {host} has no port left")


def can_connect(line: socket.socket, address: str) -> bool:
    """Whether the kernel finds a local port for this non-blocking TCP socket of a host; nobody needs to answer."""
    return line.connect_ex((address, _DISCARD)) != errno.EADDRNOTAVAIL


def _take(before: str) -> tuple[int, tuple[socket.socket, ...]]:
    """Take the highest stretch of ports of which none is in use, not even by a connection that ends."""
    low, high = map(int, before.split())
    for start in range((high + 1 - WINDOW) & ~1, low - 1, -WINDOW):
        sockets: list[socket.socket] = []
        try:
            for line in _lines():
                sockets.append(line)
                line.bind(("", start + len(sockets) - 1))
        except OSError as error:
            _close(sockets)
            if error.errno != errno.EADDRINUSE:
                raise
        else:
            return start, tuple(sockets)
    raise OSError(errno.EADDRINUSE, f"no {WINDOW} ports in a row are free between {low} and {high}")


def _lines() -> Iterator[socket.socket]:
    for _ in range(WINDOW):
        yield socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)


def _close(sockets: tuple[socket.socket, ...] | list[socket.socket]) -> None:
    for line in sockets:
        line.close()
