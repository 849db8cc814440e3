"""PostgreSQL, within a bound of time: every call ends with rows, with "not reachable", or with "undecided".

A small pool of our own rather than a general one, because a failover asks for what a pool for fair weather does not do:
it never hands out a connection whose end is known, it drops every idle connection as soon as one breaks, it tries again
at once instead of backing off for minutes, and it counts the wait for a connection into the caller's time.
"""

from __future__ import annotations

import asyncio
import os
import select
import socket
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import psycopg
from psycopg import AsyncConnection, errors
from psycopg.conninfo import make_conninfo
from psycopg.rows import DictRow, dict_row

from bascule.guard import Bulkhead, BulkheadFullError, Fixed, Retry
from taskmanagerpro.nearest import Nearest
from taskmanagerpro.settings import Address, Settings

CONNECT_S = 0.5
STATEMENT_S = 0.8
CONNECTIONS = 8
WAITING = 1000
LIFETIME_S = 30.0
REST_S = 0.1

NOT_DONE = (errors.ReadOnlySqlTransaction, errors.ObjectNotInPrerequisiteState, errors.UndefinedTable)
"""By these the server says that the statement had no effect: it is no primary (any more), or has no schema yet."""


class DatabaseUnavailableError(Exception):
    """The database could not be asked, or said that it did nothing. Trying again is safe."""


class UndecidedError(Exception):
    """The write was sent and no trustworthy answer came: it may be stored or not, now or later."""


def cut(connection: AsyncConnection[DictRow]) -> None:
    """End the connection under the call that waits on it, which then fails at once as if the server had gone.

    Cancelling that call instead would make psycopg send a cancel request; a PostgreSQL that waits for its synchronous
    standby answers that with success, though the write is not yet where it was promised to be.
    """
    if not connection.closed:
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)


def is_whole(connection: AsyncConnection[DictRow]) -> bool:
    """Whether an idle connection has nothing to read: a readable one brings its own end."""
    if connection.closed:
        return False
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN)
    return not poll.poll(0)


class Pooled:
    """A connection, the end of its life, and whether the server warned during the last statement."""

    def __init__(self, connection: AsyncConnection[DictRow], until_s: float) -> None:
        self.connection = connection
        self.until_s = until_s
        self.warning = ""
        connection.add_notice_handler(self._noticed)

    def _noticed(self, notice: errors.Diagnostic) -> None:
        if notice.severity_nonlocalized == "WARNING":
            self.warning = notice.message_primary or "warning"


class Database:
    """The primary, through whichever proxy answers first."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._nearest = Nearest(settings.database_hosts, rest_s=REST_S)
        self._idle: list[Pooled] = []
        self._slots = Bulkhead(CONNECTIONS, queue=WAITING, wait_s=STATEMENT_S)
        # A broken connection says nothing about the next one; more than one such is the failover itself.
        self._run_again = Retry(2, backoff=Fixed(0.0), on=UndecidedError)(self._run)

    async def read(self, statement: str, values: Sequence[Any] = (), *, within_s: float = STATEMENT_S) -> list[DictRow]:
        """The rows of a statement that changes nothing; a connection that broke under it is replaced, once.

        Raises:
            DatabaseUnavailableError: No answer within `within_s` seconds.
        """
        try:
            return await self._run_again(statement, values, time.monotonic() + within_s)
        except UndecidedError as error:
            raise DatabaseUnavailableError(str(error)) from error

    async def write(
        self, statement: str, values: Sequence[Any] = (), *, within_s: float = STATEMENT_S
    ) -> list[DictRow]:
        """The rows of one statement that changes something, committed as safely as the database promises.

        It is never sent twice.

        Raises:
            DatabaseUnavailableError: It was surely not done.
            UndecidedError: It may have been done.
        """
        return await self._run(statement, values, time.monotonic() + within_s)

    async def close(self) -> None:
        """Close every idle connection."""
        while self._idle:
            await self._idle.pop().connection.close()

    async def _run(self, statement: str, values: Sequence[Any], deadline_s: float) -> list[DictRow]:
        async with self._borrowed(deadline_s) as pooled:
            connection = pooled.connection
            pooled.warning = ""
            bound = asyncio.get_running_loop().call_later(deadline_s - time.monotonic(), cut, connection)
            try:
                cursor = await connection.execute(statement, values or None)
                rows = await cursor.fetchall() if cursor.description else []
            except NOT_DONE as error:
                raise DatabaseUnavailableError(str(error)) from error
            except psycopg.OperationalError as error:
                raise UndecidedError(str(error)) from error
            finally:
                bound.cancel()
            if pooled.warning:
                # "canceling wait for synchronous replication": committed here, perhaps nowhere else.
                raise UndecidedError(pooled.warning)
            return rows

    @asynccontextmanager
    async def _borrowed(self, deadline_s: float) -> AsyncIterator[Pooled]:
        """A live connection, put back unless anything at all went wrong with it."""
        try:
            async with self._slots.block():
                pooled = await self._take_idle() or await self._connect(deadline_s)
                try:
                    yield pooled
                except BaseException:
                    # What broke this one (a failover, as a rule) has broken the others as well.
                    await pooled.connection.close()
                    await self.close()
                    raise
                self._idle.append(pooled)
        except BulkheadFullError as error:
            raise DatabaseUnavailableError("every connection is in use") from error

    async def _take_idle(self) -> Pooled | None:
        """The idle connection used last, if one is whole. Old ones are closed: they may lead to a former primary."""
        while self._idle:
            pooled = self._idle.pop()
            if pooled.until_s > time.monotonic() and is_whole(pooled.connection):
                return pooled
            await pooled.connection.close()
        return None

    async def _connect(self, deadline_s: float) -> Pooled:
        problem = "every address failed a moment ago"
        for address in self._nearest.to_ask(time.monotonic()):
            left_s = min(CONNECT_S, deadline_s - time.monotonic())
            if left_s <= 0:
                break
            try:
                # libpq's own connect_timeout cannot go below two seconds.
                async with asyncio.timeout(left_s):
                    connection = await self._open(address)
            except (TimeoutError, psycopg.OperationalError) as error:
                problem = str(error).strip() or f"no answer within {left_s:.1f} s"
                self._nearest.failed(address, time.monotonic())
            else:
                self._nearest.answered(address)
                return Pooled(connection, time.monotonic() + LIFETIME_S)
        raise DatabaseUnavailableError(problem)

    async def _open(self, address: Address) -> AsyncConnection[DictRow]:
        host, port = address
        conninfo = make_conninfo(
            host=host,
            port=port,
            dbname=self._settings.database_name,
            user=self._settings.database_user,
            application_name=self._settings.instance,
            # A standby, or a primary that has been demoted, is refused while connecting.
            target_session_attrs="primary",
            sslmode="prefer",
            gssencmode="disable",
            keepalives_idle=1,
            keepalives_interval=1,
            keepalives_count=2,
            tcp_user_timeout=2000,
        )
        return await AsyncConnection.connect(conninfo, autocommit=True, row_factory=dict_row)
