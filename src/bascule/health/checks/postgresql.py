"""PostgreSQL: does it accept connections (asked as pg_isready does), and does it answer a query."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Protocol

from bascule.health.check import Check, refuse
from bascule.health.checks.wire import Wire, check_address, check_limit

PROTOCOL_3_0 = 196608
CANNOT_CONNECT_NOW = "57P03"
MOST_ERROR_BYTES = 30_000


class Cursor(Protocol):
    """What is asked of a DB-API cursor."""

    def execute(self, operation: Any, /) -> Any:  # noqa: ANN401 - each driver's own type of statement
        """Run a statement."""
        ...

    def fetchone(self) -> Any:  # noqa: ANN401 - each driver's own type of row
        """The next row."""
        ...

    def close(self) -> Any:  # noqa: ANN401 - what it returns is not looked at
        """Let it go."""
        ...


class Connection(Protocol):
    """What is asked of a DB-API connection (PEP 249): psycopg, psycopg2, pg8000 and others have it."""

    def cursor(self) -> Cursor:
        """A new cursor."""
        ...

    def close(self) -> Any:  # noqa: ANN401 - what it returns is not looked at
        """End it; one of a pool goes back to its pool."""
        ...


def postgresql(
    host: str, port: int = 5432, *, user: str = "health", database: str = "postgres", timeout_s: float = 1.0
) -> Check:
    """Whether a PostgreSQL accepts connections there; needs no password and no driver.

    It sends a startup packet and looks at the first answer, as pg_isready does: a server that asks for a password or
    refuses the user is up; one that is starting, stopping or recovering (SQLSTATE 57P03) is not.
    Source: PostgreSQL's manual, "Message Formats", and `internal_ping` of libpq.

    Args:
        host: Name or address; a path that begins with a slash is the directory of its Unix socket.
        port: The port.
        user: The name that the server may write to its log; it need not exist.
        database: Likewise.
        timeout_s: For connecting and the answer together.

    Raises:
        InputError: A value is impossible.
    """
    check_address("postgresql", host, port)
    check_limit("postgresql", timeout_s)
    for name, value in (("user", user), ("database", database)):
        if not value or "\0" in value:
            raise refuse(f"postgresql.{name}", value, "be a name without a zero byte")
    pairs = f"user\0{user}\0database\0{database}\0application_name\0bascule health\0\0".encode()
    packet = struct.pack("!ii", 8 + len(pairs), PROTOCOL_3_0) + pairs

    def ask() -> None:
        with Wire(host, port, timeout_s) as wire:
            wire.send(packet)
            kind = wire.read(1)
            if kind == b"R":
                return
            (length,) = struct.unpack("!i", wire.read(4))
            if kind != b"E" or not 4 < length <= MOST_ERROR_BYTES:
                raise ConnectionError(f"what answers at port {port} is not PostgreSQL")
            fields = _fields(wire.read(length - 4))
        if fields.get("C", "") in {"", CANNOT_CONNECT_NOW}:
            raise ConnectionError(fields.get("M") or "it refuses connections")

    return Check(ask, "dependency")


def _fields(body: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse by their letter: C is the SQLSTATE, M the message."""
    parts = body.decode("utf-8", "replace").split("\0")
    return {part[0]: part[1:] for part in parts if part}


def postgresql_query(connect: Callable[[], Connection], *, writable: bool = False) -> Check:
    """Whether a PostgreSQL answers a query over a connection that you make; closes the connection in any case.

    Args:
        connect: Makes a connection, or takes one from a pool: whatever has `cursor()` and `close()`. Give it a time
            limit of its own (`connect_timeout`), so that a hung one ends some day.
        writable: Whether a server that takes no writes (a standby) fails.

    Raises:
        InputError: `connect` cannot be called.
    """
    if not callable(connect):
        raise refuse("postgresql_query.connect", connect, "be a function that makes a connection")

    def ask() -> None:
        connection = connect()
        try:
            cursor = connection.cursor()
            try:
                cursor.execute("SHOW transaction_read_only" if writable else "SELECT 1")
                row = cursor.fetchone()
            finally:
                cursor.close()
        finally:
            connection.close()
        if writable and row[0] != "off":
            raise ConnectionError("it takes no writes: a standby, or a server that is read-only")

    return Check(ask, "dependency")
