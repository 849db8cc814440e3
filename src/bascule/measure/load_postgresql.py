"""Writes unique numbers into PostgreSQL, each in a transaction of its own that returns the WAL timeline it went to."""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
import time
from typing import Any

import psycopg
from psycopg import AsyncConnection, sql

from bascule.kernel.errors import NotReadyError
from bascule.measure.flight import BACKOFF_S, Flight, refuse_at_the_limit
from bascule.measure.ledger import Ledger
from bascule.measure.plan import Plan, Target
from bascule.measure.route import Route
from bascule.measure.schedule import in_flight_bound

OPERATION = "insert"
_FLOOR_S = 2
_UNDECIDED_CLASSES = ("08", "57P", "40003")

Connection = AsyncConnection[Any]


async def connect(plan: Plan, target: Target) -> Connection:
    """A connection in autocommit; bound it with `asyncio.timeout`, since libpq's own limit has a floor of 2 s.

    The server itself ends a statement after twice the deadline: it does not notice that a client left while it waits
    for a lock, and connections given up on would pile up until it has no room for anybody. Of a commit that waits for
    its standby nothing but a cancel request could free it; there the pile is part of what an outage does to a server.

    Raises:
        psycopg.Error: There is none to be had.
    """
    limit_ms = math.ceil(max(plan.deadline_s * 2, 1.0) * 1000)
    return await AsyncConnection.connect(
        host=target.address,
        port=target.port,
        user=plan.user,
        dbname=plan.database,
        passfile=plan.passfile or None,
        connect_timeout=_FLOOR_S,
        application_name=f"bascule-{plan.client}",
        sslmode="prefer",
        gssencmode="disable",
        options=f"-c statement_timeout={limit_ms}",
        autocommit=True,
    )


async def make_table(plan: Plan, target: Target) -> None:
    """Make the table that is written to, if it is not there. It has no unique key, so duplicates show.

    Raises:
        psycopg.Error: It cannot be made.
    """
    connection = await connect(plan, target)
    try:
        await connection.execute(
            sql.SQL(
                "CREATE TABLE IF NOT EXISTS {}"
                " (client text NOT NULL, number bigint NOT NULL, written_at timestamptz NOT NULL DEFAULT now())"
            ).format(sql.Identifier(plan.table))
        )
    finally:
        await connection.close()


def cut(connection: Connection) -> None:
    """Cut a connection at once; whoever waits on it hears that it is lost. The server is asked nothing.

    A cancel request would be worse than useless: a write that waits for its synchronous standby would be acknowledged.
    """
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as wire:
            wire.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.Error):
        return  # it was lost already


def has_gone(connection: Connection) -> bool:
    """Whether an idle connection was closed by the server, or has something unasked to say."""
    if connection.closed:
        return True
    poll = select.poll()
    poll.register(connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
    return bool(poll.poll(0))


def may_have_happened(error: psycopg.Error) -> bool:
    """Whether a write that ended with this error may be committed all the same.

    An error that the server reported rolled the statement back, except where it says that the connection or the wait
    for the commit was ended. An error without a code is a lost connection.
    """
    return error.sqlstate is None or error.sqlstate.startswith(_UNDECIDED_CLASSES)


class _Pool:
    """Connections to one target, at most so many."""

    def __init__(self, plan: Plan, target: Target) -> None:
        self._plan = plan
        self._target = target
        self._room = asyncio.Semaphore(plan.connections)
        self._idle: list[Connection] = []

    async def take(self) -> Connection:
        """An idle connection that still stands, or a new one; waits while all are in use.

        Raises:
            psycopg.Error: A new one is not to be had.
        """
        await self._room.acquire()
        try:
            while self._idle:
                connection = self._idle.pop()
                if not has_gone(connection):
                    return connection
                await connection.close()
            return await connect(self._plan, self._target)
        except BaseException:
            self._room.release()
            raise

    async def give(self, connection: Connection) -> None:
        """Take a connection back, or close it if it is broken."""
        if connection.closed:
            await connection.close()
        else:
            self._idle.append(connection)
        self._room.release()

    async def open_ahead(self) -> None:
        """Open every connection that there is room for.

        Raises:
            psycopg.Error: One of them is not to be had.
        """
        taken: list[Connection] = []
        try:
            for _ in range(self._plan.connections):
                taken.append(await self.take())  # noqa: PERF401 - one after the other, and kept if one fails
        finally:
            for connection in taken:
                await self.give(connection)

    async def clear(self) -> None:
        """Close every idle connection."""
        while self._idle:
            connection = self._idle.pop()
            cut(connection)
            await connection.close()


class PostgresqlLoad:
    """Carries operations out with its own connections, opened ahead."""

    def __init__(self, plan: Plan, ledger: Ledger) -> None:
        self._plan = plan
        self._ledger = ledger
        self._route = Route(len(plan.targets))
        self._pools = [_Pool(plan, target) for target in plan.targets]
        self._names = [str(target) for target in plan.targets]
        self._limit = in_flight_bound(plan.rate_per_s, plan.deadline_s)
        self._tasks: set[asyncio.Task[None]] = set()
        self._busy: dict[Flight, Connection] = {}
        self._insert = sql.SQL(
            "INSERT INTO {} (client, number) VALUES (%s, %s) RETURNING"
            " ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int,"
            " coalesce(host(inet_server_addr()) || ':' || inet_server_port(), '')"
        ).format(sql.Identifier(plan.table))

    async def ready(self) -> None:
        """Return once there is a table to write to, and the connections to a target stand.

        Raises:
            NotReadyError: Not within the plan's limit.
        """
        until_s = time.monotonic() + self._plan.ready_limit_s
        error = "no target tried"
        while time.monotonic() < until_s:
            place = self._route.choose(time.monotonic())
            try:
                async with asyncio.timeout(self._plan.ready_limit_s / 3):
                    await make_table(self._plan, self._plan.targets[place])
                    await self._pools[place].open_ahead()
            except (psycopg.Error, OSError) as failure:
                error = f"{self._names[place]}: {_first_line(failure)}"
                self._route.leave(place, time.monotonic())
                await asyncio.sleep(0.1)
            else:
                return
        raise NotReadyError(f"client {self._plan.client} reached no target: {error}")

    def offer(self, index: int, due_s: float) -> None:
        """Start operation `index`."""
        ledger = self._ledger
        number = self._plan.number_base + index
        if ledger.in_flight >= self._limit:
            refuse_at_the_limit(
                ledger, number=number, operation=OPERATION, writes=True, due_s=due_s, now_s=time.monotonic()
            )
            return
        ledger.in_flight += 1
        flight = Flight(
            number=number,
            operation=OPERATION,
            writes=True,
            due_s=due_s,
            deadline_s=due_s + self._plan.deadline_s,
            resends=self._plan.retries,
        )
        task = asyncio.get_running_loop().create_task(self._carry(flight))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _carry(self, flight: Flight) -> None:
        while True:
            now_s = time.monotonic()
            patience_s = flight.patience_s(now_s)
            place = flight.place = self._route.choose(now_s)
            if patience_s <= 0:
                flight.error = flight.error or "never sent: the deadline had passed"
                flight.give_up(self._ledger, now_s, self._names[place])
                return
            if await self._attempt(flight, place, patience_s):
                return
            if flight.resends <= 0:
                flight.give_up(self._ledger, time.monotonic(), self._names[place])
                return
            flight.resends -= 1
            if self._route.choose(time.monotonic()) == place:
                await asyncio.sleep(min(BACKOFF_S, max(0.0, (flight.deadline_s - time.monotonic()) / 2)))

    async def _attempt(self, flight: Flight, place: int, patience_s: float) -> bool:
        until_s = time.monotonic() + patience_s
        pool = self._pools[place]
        try:
            async with asyncio.timeout(patience_s):
                connection = await pool.take()
        except (psycopg.Error, OSError) as error:
            flight.failed_attempt(f"no connection: {_first_line(error)}", undecided=False)
            await self._leave(place)
            return False
        flight.timer = asyncio.get_running_loop().call_later(
            max(0.0, until_s - time.monotonic()), self._expired, flight, connection
        )
        flight.sent(time.monotonic())
        self._busy[flight] = connection
        try:
            await self._write(flight, connection, place)
        finally:
            del self._busy[flight]
            flight.stop_timer()
            await pool.give(connection)
        return flight.over

    async def _write(self, flight: Flight, connection: Connection, place: int) -> None:
        warnings: list[str] = []

        def hear(notice: psycopg.errors.Diagnostic) -> None:
            warnings.append(notice.message_primary or "")

        connection.add_notice_handler(hear)
        try:
            cursor = await connection.execute(self._insert, (self._plan.client, flight.number), prepare=True)
            row = await cursor.fetchone()
        except psycopg.Error as error:
            lost = flight.timer is None
            flight.failed_attempt(
                "timed out" if lost else _first_line(error), undecided=lost or may_have_happened(error)
            )
            if lost or connection.closed:
                await self._leave(place)
        else:
            if any("synchronous replication" in warning for warning in warnings):
                flight.failed_attempt(warnings[-1], undecided=True)
                return
            epoch, server = row or (0, "")
            flight.acknowledge(self._ledger, time.monotonic(), self._names[place], epoch=epoch, server=server)
        finally:
            if not connection.closed:
                connection.remove_notice_handler(hear)

    def _expired(self, flight: Flight, connection: Connection) -> None:
        flight.timer = None
        cut(connection)

    async def _leave(self, place: int) -> None:
        self._route.leave(place, time.monotonic())
        await self._pools[place].clear()

    async def close(self) -> None:
        """Cut what is left, and close every connection. No task is cancelled while it writes: see `cut`."""
        for flight, connection in tuple(self._busy.items()):
            flight.stop_timer()
            flight.resends = 0
            cut(connection)
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=_FLOOR_S)
        for pool in self._pools:
            await pool.clear()


def _first_line(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "timed out"
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
