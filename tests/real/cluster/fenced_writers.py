"""Writers of several terms, what they were told, and the checker that finds a term that wrote after its successor."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import psycopg

from bascule.cluster.fencing.guarded import FENCES_SQL, guarded
from bascule.kernel.errors import LeadershipLostError

NAME = "reports"
Guard = Callable[[int, Any], AbstractContextManager[Any]]


@dataclass(frozen=True)
class Write:
    """One write that was acknowledged.

    Attributes:
        token: In whose term.
        sent_s: When its commit was sent, at the earliest.
        acked_s: When it was acknowledged.
        seen: The greatest token that its transaction saw written, after its own write.
    """

    token: int
    sent_s: float
    acked_s: float
    seen: int


def overtaken(history: list[Write]) -> list[tuple[Write, Write]]:
    """Writes of an older term that were accepted although a newer one's had been, each with one that shows it."""
    found: list[tuple[Write, Write]] = []
    for late in history:
        if late.seen > late.token:
            found.append((late, late))
        found += [(late, one) for one in history if one.token > late.token and one.acked_s < late.sent_s]
    return found


class Place(Protocol):
    """A database with fences and a table that is written to."""

    def connect(self) -> contextlib.closing[Any]:
        """A connection of one writer."""
        ...

    def is_waiting(self) -> bool:
        """Whether a writer waits for another one, as far as can be seen."""
        ...


class InPostgresql:
    def __init__(self, conninfo: str) -> None:
        self._conninfo = conninfo
        with psycopg.connect(conninfo, autocommit=True) as connection:
            connection.execute("DROP TABLE IF EXISTS bascule_fences, reports")
            connection.execute(FENCES_SQL)
            connection.execute("CREATE TABLE reports (token bigint NOT NULL)")

    def connect(self) -> contextlib.closing[Any]:
        return contextlib.closing(psycopg.connect(self._conninfo, autocommit=True, application_name="writer"))

    def is_waiting(self) -> bool:
        with psycopg.connect(self._conninfo) as connection:
            waiting = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE application_name = 'writer' AND wait_event_type = 'Lock'"
            )
            return waiting.fetchone() is not None


class InSqlite:
    def __init__(self, directory: Path) -> None:
        self._path = directory / "reports.db"
        with self.connect() as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute(FENCES_SQL)
            connection.execute("CREATE TABLE reports (token bigint NOT NULL)")

    def connect(self) -> contextlib.closing[Any]:
        connection = sqlite3.connect(self._path, timeout=0.05, isolation_level=None)
        return contextlib.closing(connection)

    def is_waiting(self) -> bool:
        return False  # whoever waits is told after 50 ms that the file is locked


def write(connection: Any, token: int, guard: Guard, pause: Callable[[], object] = lambda: None) -> Write | None:
    """Write in the name of a term, pausing between the check and the write; None when it was refused."""
    try:
        with guard(token, connection):
            pause()
            connection.execute(f"INSERT INTO reports SELECT {int(token)}")
            (seen,) = connection.execute("SELECT max(token) FROM reports").fetchone()
            sent_s = time.monotonic()
    except LeadershipLostError:
        return None
    except sqlite3.OperationalError as error:
        if "locked" not in str(error):
            raise
        return None
    return Write(token, sent_s, time.monotonic(), seen)


def fenced(token: int, connection: Any) -> AbstractContextManager[Any]:
    return guarded(token, connection, name=NAME)


@contextlib.contextmanager
def unguarded(token: int, connection: Any) -> Iterator[None]:
    """A mutant: it believes its own clock."""
    del token
    with _transaction(connection):
        yield


@contextlib.contextmanager
def looked_at(token: int, connection: Any) -> Iterator[None]:
    """A mutant: it compares tokens, and holds nothing while it writes."""
    claim = (
        "INSERT INTO bascule_fences VALUES ('reports', {0}) ON CONFLICT (name) DO UPDATE SET token = {0}"
        " WHERE bascule_fences.token < {0}"
    )
    connection.execute(claim.format(token))
    (there,) = connection.execute("SELECT token FROM bascule_fences").fetchone()
    if there > token:
        raise LeadershipLostError(f"{token} < {there}")
    with _transaction(connection):
        yield


@contextlib.contextmanager
def _transaction(connection: Any) -> Iterator[None]:
    connection.execute("BEGIN")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
