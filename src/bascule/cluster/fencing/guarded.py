"""A write in the name of a lease reaches the database only while nobody with a newer lease has written.

    with guarded(term, connection):
        connection.execute("INSERT INTO reports ...")

A lease alone cannot promise that: its holder may be frozen after it looked at the clock and before it wrote. So the
database itself compares tokens, in the transaction of the write; see `fences_sql` for how.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack, ExitStack
from types import TracebackType
from typing import Any, Generic, Protocol, TypeVar

from bascule.cluster.fencing.fences_sql import (
    FENCES_SQL,
    Rows,
    Steps,
    check_name,
    claim_postgresql,
    claim_sqlite,
    demand_transaction,
    fence_sql,
)
from bascule.kernel.errors import FenceError, InputError

__all__ = ["FENCES_SQL", "Guarded", "Tokened", "fence_sql", "guarded"]

C = TypeVar("C")
_UNDEFINED_TABLE = "42P01"


class Tokened(Protocol):
    """Whatever knows its group's name and its fencing token, as a term does."""

    @property
    def group(self) -> str:
        """The group's name."""
        ...

    @property
    def token(self) -> int:
        """The fencing token."""
        ...


def guarded(token: int | Tokened, connection: C, *, name: str = "") -> Guarded[C]:
    """A block in one transaction that is refused, or rolled back, once a greater token has written.

    `with guarded(term, connection):` for `psycopg.Connection`, `sqlite3.Connection` and SQLAlchemy's `Connection`;
    `async with` for `psycopg.AsyncConnection` and SQLAlchemy's `AsyncConnection`. The block begins a transaction and
    commits it; where one is open already it joins in, and whoever began it ends it: then what was written before the
    block is guarded too, if the error of a refusal rolls all of it back.

    Writers of one term do not wait for each other in PostgreSQL. The first one of a new term waits for those of the
    old one. If such a writer is frozen within the block, that is until the server ends its session: set
    `idle_in_transaction_session_timeout`. In SQLite there is one writer at a time anyway.

    Args:
        token: A term, or the fencing token itself: 1 to 2**63 - 1.
        connection: To the database in which both the fences (`FENCES_SQL`) and what is written lie.
        name: The fence, where it is not the term's group: one name for everything that the lease protects.

    Raises:
        InputError: The token, the name or the connection cannot be used.

    Raises, within `with`:
        LeadershipLostError: A greater token has written; the block is not entered.
        FenceError: The table of fences is missing, or the block ended its own transaction.
    """
    number: object = token
    if not isinstance(token, int):
        number, name = token.token, name or token.group
    if isinstance(number, bool) or not isinstance(number, int) or not 0 < number < 2**63:
        raise InputError(f"{number!r} is no fencing token", hint="a whole number above 0, as a term has it")
    if not name:
        raise InputError("a bare token needs the name of its fence", hint='guarded(42, connection, name="reports")')
    return Guarded(check_name(name), number, connection)


class Guarded(Generic[C]):
    """What `guarded` returns: to be entered once, by `with` or by `async with`, as the connection is."""

    def __init__(self, name: str, token: int, connection: C) -> None:
        self._name = name
        self._token = token
        self._connection = connection
        self._sync = ExitStack()
        self._async = AsyncExitStack()
        self._face = _face(connection)
        self._is_entered = False

    def __enter__(self) -> C:
        self._enter()
        if self._face not in _SYNC:
            raise InputError("this connection is asynchronous", hint="async with guarded(...)")
        self._sync.enter_context(_SYNC[self._face](self._connection, self._name, self._token))
        return self._connection

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return self._sync.__exit__(kind, error, trace)

    async def __aenter__(self) -> C:
        self._enter()
        if self._face not in _ASYNC:
            raise InputError("this connection is not asynchronous", hint="with guarded(...)")
        await self._async.enter_async_context(_ASYNC[self._face](self._connection, self._name, self._token))
        return self._connection

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        return await self._async.__aexit__(kind, error, trace)

    def _enter(self) -> None:
        if self._is_entered:
            raise InputError("a guarded block is entered once", hint="call guarded anew for each block")
        self._is_entered = True


def _face(connection: object) -> str:
    """By the packages that its class comes from: none of them need be installed, nor is any imported here."""
    packages = {one.__module__.partition(".")[0] for one in type(connection).__mro__}
    if "sqlite3" in packages and hasattr(connection, "in_transaction"):
        return "sqlite3"
    if "psycopg" in packages and hasattr(connection, "transaction"):
        return "psycopg async" if inspect.iscoroutinefunction(getattr(connection, "execute", None)) else "psycopg"
    if "sqlalchemy" in packages and hasattr(connection, "exec_driver_sql"):
        return "sqlalchemy async" if hasattr(connection, "sync_connection") else "sqlalchemy"
    kind = f"{type(connection).__module__}.{type(connection).__qualname__}"
    hint = "a connection of psycopg, sqlite3 or SQLAlchemy; of a session, its connection()"
    raise InputError(f"a {kind} cannot be guarded", hint=hint)


def _carry_out(steps: Steps, execute: Callable[[str], Rows]) -> None:
    try:
        with _told():
            text = next(steps)
            while True:
                text = steps.send(execute(text))
    except StopIteration:
        return


async def _carry_out_async(steps: Steps, execute: Callable[[str], Awaitable[Rows]]) -> None:
    try:
        with _told():
            text = next(steps)
            while True:
                text = steps.send(await execute(text))
    except StopIteration:
        return


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Say what to do where the table is missing. Whatever else a driver raises is its user's own to handle."""
    try:
        yield
    except Exception as error:
        origin = getattr(error, "orig", None) or error
        code = getattr(origin, "sqlstate", None) or getattr(origin, "pgcode", None)
        if code == _UNDEFINED_TABLE or str(origin) == "no such table: bascule_fences":
            hint = "run FENCES_SQL once, as the owner of the database"
            raise FenceError("the table bascule_fences is missing", hint=hint) from error
        raise


@contextlib.contextmanager
def _with_sqlite3(connection: Any, name: str, token: int) -> Iterator[None]:  # noqa: ANN401 - a sqlite3.Connection
    cursor = connection.cursor()
    cursor.row_factory = None  # the connection's own may make anything of a row
    is_ours = not connection.in_transaction
    if is_ours:
        cursor.execute("BEGIN IMMEDIATE")
    try:
        _carry_out(claim_sqlite(name, token), lambda text: cursor.execute(text).fetchall())
        yield
    except BaseException:
        if is_ours and connection.in_transaction:
            cursor.execute("ROLLBACK")
        raise
    if not connection.in_transaction:
        hint = "let it commit at its end; executescript() commits, too"
        raise FenceError("the block ended its own transaction, and what followed was not guarded", hint=hint)
    if is_ours:
        cursor.execute("COMMIT")


@contextlib.contextmanager
def _with_psycopg(connection: Any, name: str, token: int) -> Iterator[None]:  # noqa: ANN401 - a psycopg.Connection
    from psycopg.rows import tuple_row  # noqa: PLC0415 - who has such a connection has it imported

    def execute(text: str) -> Rows:
        rows: Rows = cursor.execute(text).fetchall()
        return rows

    with connection.transaction():
        with connection.cursor(row_factory=tuple_row) as cursor:
            _carry_out(claim_postgresql(name, token), execute)
        yield


@contextlib.asynccontextmanager
async def _with_psycopg_async(connection: Any, name: str, token: int) -> AsyncIterator[None]:  # noqa: ANN401 - a psycopg.AsyncConnection
    from psycopg.rows import tuple_row  # noqa: PLC0415 - who has such a connection has it imported

    async def execute(text: str) -> Rows:
        await cursor.execute(text)
        rows: Rows = await cursor.fetchall()
        return rows

    async with connection.transaction():
        async with connection.cursor(row_factory=tuple_row) as cursor:
            await _carry_out_async(claim_postgresql(name, token), execute)
        yield


def _steps_of_sqlalchemy(connection: Any, name: str, token: int) -> Steps:  # noqa: ANN401 - either of its connections
    dialect = connection.dialect.name
    if dialect == "sqlite":
        return claim_sqlite(name, token)
    if dialect != "postgresql":
        raise InputError(f"a connection to {dialect} cannot be guarded", hint="PostgreSQL or SQLite")
    return _claim_and_demand(name, token)


def _claim_and_demand(name: str, token: int) -> Steps:
    yield from claim_postgresql(name, token)
    yield from demand_transaction()


@contextlib.contextmanager
def _with_sqlalchemy(connection: Any, name: str, token: int) -> Iterator[None]:  # noqa: ANN401 - its Connection
    def execute(text: str) -> Rows:
        result = connection.exec_driver_sql(text)
        rows: Rows = result.fetchall() if result.returns_rows else ()
        return rows

    steps = _steps_of_sqlalchemy(connection, name, token)
    with contextlib.nullcontext() if connection.in_transaction() else connection.begin():
        _carry_out(steps, execute)
        yield


@contextlib.asynccontextmanager
async def _with_sqlalchemy_async(connection: Any, name: str, token: int) -> AsyncIterator[None]:  # noqa: ANN401 - its AsyncConnection
    async def execute(text: str) -> Rows:
        result = await connection.exec_driver_sql(text)
        rows: Rows = result.fetchall() if result.returns_rows else ()
        return rows

    steps = _steps_of_sqlalchemy(connection, name, token)
    async with contextlib.nullcontext() if connection.in_transaction() else connection.begin():
        await _carry_out_async(steps, execute)
        yield


_SYNC: dict[str, Callable[[Any, str, int], AbstractContextManager[None]]] = {
    "sqlite3": _with_sqlite3,
    "psycopg": _with_psycopg,
    "sqlalchemy": _with_sqlalchemy,
}
_ASYNC: dict[str, Callable[[Any, str, int], AbstractAsyncContextManager[None]]] = {
    "psycopg async": _with_psycopg_async,
    "sqlalchemy async": _with_sqlalchemy_async,
}
