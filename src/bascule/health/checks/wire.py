"""A connection that is over at its deadline, however slowly the other side drips: for checks that ask by socket."""

from __future__ import annotations

import socket
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from bascule.health.check import check_seconds, refuse

if TYPE_CHECKING:
    import ssl

MOST_LINE_BYTES = 8192


def check_address(where: str, host: object, port: object) -> None:
    """Refuse what is no address.

    Raises:
        InputError: The host is empty, or the port is outside 1 to 65535.
    """
    if not isinstance(host, str) or not host:
        raise refuse(f"{where}.host", host, "be a host name, an address or, with PostgreSQL, a socket's directory")
    if not isinstance(port, int) or isinstance(port, bool) or not 1 <= port <= 65535:
        raise refuse(f"{where}.port", port, "be a whole number from 1 to 65535")


def check_limit(where: str, timeout_s: float) -> None:
    """Refuse what is no time limit.

    Raises:
        InputError: It is not a finite number of seconds above zero.
    """
    check_seconds(f"{where}.timeout_s", timeout_s)


class Wire:
    """One connection, to be used in a `with`; everything done with it together takes at most `timeout_s`.

    Only looking up a name is not bounded by it: the system's resolver has a time limit of its own. The check's own
    `timeout_s` tells such a check as hung meanwhile.

    Raises:
        OSError: Nobody answers there; a TimeoutError when the time is over.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._until_s = time.monotonic() + timeout_s
        self._timeout_s = timeout_s
        self._socket = self._unix(host, port) if host.startswith("/") else self._tcp(host, port)
        self._unread = b""

    def __enter__(self) -> Self:
        """The connection itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._socket.close()

    def secure(self, context: ssl.SSLContext, name: str) -> None:
        """Go on over TLS."""
        self._socket.settimeout(self._left_s())
        self._socket = context.wrap_socket(self._socket, server_hostname=name)

    def send(self, data: bytes) -> None:
        """Send it all."""
        self._socket.settimeout(self._left_s())
        self._socket.sendall(data)

    def read(self, count: int) -> bytes:
        """Exactly so many bytes.

        Raises:
            ConnectionError: The other side closed before.
        """
        while len(self._unread) < count:
            self._fill()
        data, self._unread = self._unread[:count], self._unread[count:]
        return data

    def line(self) -> bytes:
        """Up to the next line feed, without it and the carriage return before it.

        Raises:
            ConnectionError: The other side closed before, or its line is longer than 8 KiB.
        """
        while b"\n" not in self._unread:
            if len(self._unread) > MOST_LINE_BYTES:
                raise ConnectionError(f"a line is longer than {MOST_LINE_BYTES} bytes")
            self._fill()
        line, _, self._unread = self._unread.partition(b"\n")
        return line.removesuffix(b"\r")

    def _fill(self) -> None:
        self._socket.settimeout(self._left_s())
        data = self._socket.recv(4096)
        if not data:
            raise ConnectionError("the connection was closed before an answer")
        self._unread += data

    def _left_s(self) -> float:
        left_s = self._until_s - time.monotonic()
        if left_s <= 0:
            raise TimeoutError(f"no answer within {self._timeout_s:g} s")
        return left_s

    def _unix(self, directory: str, port: int) -> socket.socket:
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        return self._connected(connection, f"{directory}/.s.PGSQL.{port}")

    def _tcp(self, host: str, port: int) -> socket.socket:
        problem: OSError | None = None
        for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
            try:
                return self._connected(socket.socket(family, kind, protocol), address)
            except OSError as error:
                problem = error
        raise problem or OSError(f"{host} has no address")

    def _connected(self, connection: socket.socket, address: object) -> socket.socket:
        try:
            connection.settimeout(self._left_s())
            connection.connect(address)  # type: ignore[arg-type] # whatever getaddrinfo gave for this family
        except BaseException:
            connection.close()
            raise
        return connection
