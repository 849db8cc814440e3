"""Connections to whichever server is the primary: every wait is bounded, and no call is cancelled at the server.

Why not cancelled: psycopg answers the cancellation of a task with a cancel request, and waits for what comes of it.
A server that is frozen or cut off would hold the caller for seconds; and a commit that waits for its standby would be
told as done. So a call that nobody waits for any more is left to end by itself, on its own connection.
"""

from __future__ import annotations

import asyncio
import math
import os
import select
import socket
import stat
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import psycopg
from psycopg import AsyncClientCursor, AsyncConnection

from bascule.cluster.stores.postgresql_options import Address, Options
from bascule.kernel.errors import StoreError

T = TypeVar("T")
CERTIFICATE_REFUSED = "certificate verify failed"
CERTIFICATE_HINT = (
    "it expired, or nobody in ca_file signed it: `openssl s_client -starttls postgres -connect HOST:PORT` tells which"
)
Row = tuple[Any, ...]

MOST_LEFT = 3
_CONNECT_FLOOR_S = 2  # libpq's own limit is never lower; ours is asyncio's


class Session:
    """One connection, used by one call at a time.

    Attributes:
        place: The place of its server among the addresses.
    """

    def __init__(self, connection: AsyncConnection[Any], place: int, left: Left) -> None:
        self.place = place
        self._connection = connection
        self._left = left
        self._doubt = ""
        connection.add_notice_handler(self._hear)

    async def execute(self, message: str, parameters: dict[str, object] | None = None, *, back: int = 1) -> list[Row]:
        """The rows of the last statement of a message, or of the one that is `back` from the end.

        Raises:
            psycopg.Error: The server refused it, or the connection was lost.
            StoreError: It was carried out, but a standby's confirmation was waited for in vain.
        """
        self._doubt = ""
        async with AsyncClientCursor(self._connection) as cursor:
            await cursor.execute(message.encode(), parameters)
            await cursor.set_result(-back)
            rows: list[Row] = await cursor.fetchall() if cursor.description else []
        if self._doubt:
            raise StoreError(self._doubt)
        return rows

    async def carry(self, question: Callable[[Session], Awaitable[T]]) -> T:
        """What the question comes to; cancelled, it is left to end by itself, and the connection with it."""
        task = asyncio.ensure_future(question(self))
        try:
            return await asyncio.shield(task)
        except BaseException:
            if task.done():
                self.finish()
            else:
                self._left.take(self, task)
            raise

    async def notices(self, limit_s: float) -> list[str]:
        """What the server told on the channels that are listened to: at least one, or none within the limit."""
        heard = [one.payload async for one in self._connection.notifies(timeout=limit_s, stop_after=1)]
        return heard + [one.payload async for one in self._connection.notifies(timeout=0)] if heard else []

    def is_usable(self) -> bool:
        """Whether the connection stands, and the server has closed it neither, nor said anything unasked."""
        if self._connection.closed:
            return False
        poll = select.poll()
        poll.register(self._connection.fileno(), select.POLLIN | select.POLLHUP | select.POLLERR)
        return not poll.poll(0)

    def cut(self) -> None:
        """Whoever waits on the connection hears that it is lost."""
        try:
            with socket.socket(fileno=os.dup(self._connection.fileno())) as wire:
                wire.shutdown(socket.SHUT_RDWR)
        except (OSError, psycopg.Error):
            return  # it was lost already

    def finish(self) -> None:
        """Close the connection without waiting for anything."""
        self._connection.pgconn.finish()

    def _hear(self, notice: psycopg.errors.Diagnostic) -> None:
        """A cancelled wait for a standby is told as a success with a warning. Source: PostgreSQL's `syncrep.c`."""
        text = notice.message_primary or ""
        if notice.source_function == "SyncRepWaitForLSN" or "synchronous replication" in text:
            self._doubt = text


class Left:
    """Calls that nobody waits for any more, by their server.

    A backend that waits for its standby does not notice that its client has gone. So the calls that are left behind
    are counted, and a server that owes `MOST_LEFT` answers is asked nothing more: an outage of its standby, which may
    last, does not eat up the connections of everybody else.
    """

    def __init__(self) -> None:
        self._tasks: dict[asyncio.Future[Any], Session] = {}

    def take(self, session: Session, task: asyncio.Future[Any]) -> None:
        """Keep the call until it ends, then close its connection."""
        self._tasks[task] = session
        task.add_done_callback(self._ended)

    def is_full(self, place: int) -> bool:
        """Whether that server owes too many answers."""
        return Counter(session.place for session in self._tasks.values())[place] >= MOST_LEFT

    async def close(self, limit_s: float) -> None:
        """Cut all of them off."""
        tasks = list(self._tasks)
        for task in tasks:
            self._tasks[task].cut()
        if tasks:
            await asyncio.wait(tasks, timeout=limit_s)

    def _ended(self, task: asyncio.Future[Any]) -> None:
        self._tasks.pop(task).finish()
        if not task.cancelled():
            task.exception()  # nobody asks for it any more


class Link:
    """One connection to the primary, made when it is needed; calls wait for their turn.

    Args:
        options: How to connect.
        addresses: All servers.
        prepare: Carried out on every new connection.
        left: The calls that were left behind, of all links of a store.
        timeout_s: The time limit of a call in seconds: its turn, connecting and the answer together.
    """

    def __init__(
        self,
        options: Options,
        addresses: tuple[Address, ...],
        prepare: Callable[[Session], Awaitable[None]],
        *,
        left: Left,
        timeout_s: float,
    ) -> None:
        self._options = options
        self._addresses = addresses
        self._prepare = prepare
        self._left = left
        self._timeout_s = timeout_s
        self._first = 0
        self._turn = asyncio.Lock()
        self._session: Session | None = None
        self._is_closed = False

    @property
    def where(self) -> str:
        """For people: `postgresql at db1:5432, db2:5432`."""
        return f"postgresql at {', '.join(map(str, self._addresses))}"

    async def ask(self, question: Callable[[Session], Awaitable[T]], *, anew: bool = True) -> T:
        """What the question comes to on the primary. After any error the connection is given up.

        Args:
            question: What is done with the connection.
            anew: Whether a new connection will do; else the one of the last call must still stand.

        Raises:
            StoreError: No server was reached that takes writes, it refused, or the answer took too long.
        """
        until_s = asyncio.get_running_loop().time() + self._timeout_s
        try:
            async with asyncio.timeout_at(until_s), self._turn:
                if anew and not self._is_closed and not (self._session and self._session.is_usable()):
                    self._drop()
                    self._session = await self._connect(until_s)
                return await self._carry(question)
        except TimeoutError:
            hint = "is it frozen, cut off, or waiting for a standby?"
            raise StoreError(f"no answer within {self._timeout_s:g} s", where=self.where, hint=hint) from None
        except psycopg.Error as error:
            raise StoreError(first_line(error), where=self.where, hint=self._hint(error)) from error

    async def notices(self, limit_s: float) -> list[str]:
        """What was told on the connection of the last call; see `Session.notices`.

        Raises:
            StoreError: The connection was lost.
        """
        async with self._turn:
            try:
                return await self._standing().notices(limit_s)
            except psycopg.Error as error:
                raise StoreError(first_line(error), where=self.where) from error

    def close(self) -> None:
        """Let go of the connection; a call that is under way fails."""
        self._is_closed = True
        if self._session and self._turn.locked():
            self._session.cut()
        else:
            self._drop()

    def _drop(self) -> None:
        session, self._session = self._session, None
        if session:
            session.finish()

    def _standing(self) -> Session:
        if self._is_closed:
            self._drop()  # it was made while the store was closed
        if self._session is None:
            raise StoreError("the connection was closed", where=self.where)
        return self._session

    async def _carry(self, question: Callable[[Session], Awaitable[T]]) -> T:
        session = self._standing()
        try:
            return await session.carry(question)
        except BaseException as error:
            self._session = None
            if isinstance(error, asyncio.CancelledError):
                self._first = session.place + 1  # it may be frozen: another one is asked first the next time
            raise

    async def _connect(self, until_s: float) -> Session:
        """The first server that takes writes; each gets its share of the time that is left."""
        count = len(self._addresses)
        reasons: list[str] = []
        for step in range(count):
            place = (self._first + step) % count
            if self._left.is_full(place):
                reasons.append(f"{self._addresses[place]}: {MOST_LEFT} earlier calls have no answer yet")
                continue
            now_s = asyncio.get_running_loop().time()
            try:
                async with asyncio.timeout((until_s - now_s) / (count - step)):
                    session = await self._connect_to(place)
            except TimeoutError:
                reasons.append(f"{self._addresses[place]}: no answer")
            except psycopg.OperationalError as error:
                reasons.append(f"{self._addresses[place]}: {first_line(error)}")
            else:
                self._first = place
                return session
        what = f"no server takes writes: {'; '.join(reasons)}"
        raise StoreError(what, where=self.where, hint=CERTIFICATE_HINT if CERTIFICATE_REFUSED in what else "")

    async def _connect_to(self, place: int) -> Session:
        options, address = self._options, self._addresses[place]
        seconds = max(1, math.ceil(self._timeout_s))
        connection = await AsyncConnection.connect(
            host=address.host,
            port=address.port,
            dbname=options.database,
            user=options.user,
            passfile=_checked(options.passfile) or None,
            sslmode=options.tls,
            sslrootcert=options.ca_file or None,
            gssencmode="disable",
            target_session_attrs="read-write",
            connect_timeout=_CONNECT_FLOOR_S,
            keepalives=1,
            keepalives_idle=seconds,
            keepalives_interval=seconds,
            keepalives_count=3,
            tcp_user_timeout=math.ceil(self._timeout_s * 1000),
            application_name="bascule",
            autocommit=True,
            prepare_threshold=None,  # a pgbouncer may give every message another server
        )
        session = Session(connection, place, self._left)
        await session.carry(self._prepare)
        return session

    def _hint(self, error: psycopg.Error) -> str:
        if isinstance(error, psycopg.errors.InsufficientPrivilege):
            return f"let the owner of {self._options.table} run what `schema` of this store's module says"
        if isinstance(error, psycopg.errors.LockNotAvailable | psycopg.errors.QueryCanceled):
            return "another agent's write of the same register is not through; nothing was written"
        return ""


def first_line(error: BaseException) -> str:
    """What it says, without what psycopg adds in further lines."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:300]


def _checked(passfile: str) -> str:
    """The passfile's path; libpq would pass over one that others may read with no more than a line on stderr."""
    if passfile:
        try:
            mode = os.stat(passfile).st_mode  # noqa: PTH116 - the path stays the text that libpq is given
        except OSError as error:
            raise StoreError(error.strerror or "it cannot be read", where=passfile) from error
        if not stat.S_ISREG(mode) or mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise StoreError("others may read the passwords in it", where=passfile, hint="chmod 600")
    return passfile
