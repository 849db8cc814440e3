"""Leases in a PostgreSQL table: for whoever has a PostgreSQL that is available, and no other consensus store.

The store is as safe as the server's failover. PostgreSQL alone is no consensus: a standby that is promoted while it
lacks an acknowledged swap gives the lease to a second holder, and its sequence may give a fencing token again. So:

- one server without standbys that are promoted: safe, and away while the server is away;
- with failover: `synchronous_standby_names` is set, and only a standby that is named there is promoted. With Patroni:
  `synchronous_mode: true` and `synchronous_mode_strict: true`. `replication = "synchronous"` refuses anything less.

Every swap commits with `synchronous_commit = on`, whatever the role's or the server's default: with synchronous
standbys the commit is on their disks, too. `remote_write` is not enough, since a standby's machine may fail with the
primary's; `remote_apply` adds nothing, since nobody asks a standby. A read comes back only when all it saw is on the
standbys as well, by a commit of its own.

`written_at` is for people. No decision is made by a database's wall clock, because it can jump: agents count the age
of what they see on monotonic clocks of their own.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator

from bascule.cluster.stores.port import KEY_LIMIT, Entry, check_limits
from bascule.cluster.stores.postgresql_link import Left, Link, Row, Session
from bascule.cluster.stores.postgresql_options import READ_LIMIT, Address, Options, Statements, check, schema
from bascule.kernel.errors import StoreError

__all__ = ["Options", "PostgresqlStore", "make", "schema"]


def make(options: Options, timeout_s: float) -> PostgresqlStore:
    """A store in that table; the first call connects.

    Args:
        options: Where it lies.
        timeout_s: The time limit of every call, in seconds.

    Raises:
        InputError: An option or the limit is impossible.
    """
    return PostgresqlStore(options, check(options, timeout_s), timeout_s)


class PostgresqlStore:
    """Registers in one table, linearizable as far as the server's failover is (see the module).

    A swap is one statement in a transaction of its own. Revisions come from one sequence, so they never come again,
    not even when a row was deleted by hand.

    Behind a pgbouncer: session mode, or transaction mode with `watch = "poll"`.

    Args:
        options: Where the table lies.
        addresses: All servers.
        timeout_s: The time limit of every call, in seconds; it holds for a frozen or unreachable server as well.
    """

    def __init__(self, options: Options, addresses: tuple[Address, ...], timeout_s: float) -> None:
        self._options = options
        self._addresses = addresses
        self._timeout_s = timeout_s
        self._statements = Statements(options, timeout_s)
        self._left = Left()
        self._main = self._link()
        self._ears: set[Link] = set()
        self._is_closed = False
        self.name = self._main.where

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment.

        Raises:
            StoreError: The server did not answer in time, refused, or is not synchronous and should be.
        """

        async def question(session: Session) -> list[Row]:
            rows = await session.execute(self._statements.read, {"prefix": prefix}, back=2)
            await self._demand_standbys(session)
            return rows

        rows = await self._main.ask(question)
        if len(rows) > READ_LIMIT:
            raise StoreError(f"more than {READ_LIMIT} registers below {prefix!r}", where=self.name)
        return tuple(self._entry(row) for row in rows)

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected` (0: if there is none), on the standbys as well.

        Raises:
            InputError: The key or the value breaks a limit.
            StoreError: It is not known whether it is written.
        """
        check_limits(key, value)
        if expected < 0 or expected >= 2**63:
            return None  # no register has such a revision

        async def question(session: Session) -> list[Row]:
            await self._demand_standbys(session)
            message = self._statements.update if expected else self._statements.insert
            rows = await session.execute(message, {"key": key, "value": value, "expected": expected})
            await self._demand_standbys(session)  # emptied meanwhile, it let every waiting commit through
            return rows

        rows = await self._main.ask(question)
        return int(rows[0][0]) if rows else None

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on, by a connection of its own.

        Raises:
            StoreError: The connection was lost or fell silent, and entries may have been missed.
        """
        ear = self._link()
        if self._is_closed:
            ear.close()
        self._ears.add(ear)
        changes = self._listen(ear, prefix) if self._options.watch == "listen" else self._poll(ear, prefix)
        last: dict[str, int] = {}
        try:
            async for keys in changes:
                for entry in await self._read_keys(ear, keys):
                    if entry.revision > last.get(entry.key, 0):
                        last[entry.key] = entry.revision
                        yield entry
        finally:
            await changes.aclose()
            self._ears.discard(ear)
            ear.close()

    async def promises(self) -> str:
        """In one sentence, what the server as it is configured now makes of an acknowledged swap.

        It begins with `kept`, `kept by this server alone` or `not kept`.

        Raises:
            StoreError: The server did not answer.
        """
        rows = await self._main.ask(lambda session: session.execute(self._statements.promises))
        fsync, full_page_writes, standbys = rows[0]
        if "off" in {fsync, full_page_writes}:
            name = "fsync" if fsync == "off" else "full_page_writes"
            return f"not kept: {name} is off, so a crash of the server's machine may lose or damage what was written"
        if not standbys:
            return (
                "kept by this server alone: synchronous_standby_names is empty, so the promotion of a standby may lose"
                " what was acknowledged and give a lease to a second holder"
            )
        return f"kept: on the disks of this server and of {standbys}; only a standby named there may be promoted"

    async def close(self) -> None:
        """Let go of all connections; later calls raise `StoreError`, and so do watches."""
        self._is_closed = True
        for link in (self._main, *self._ears):
            link.close()
        await self._left.close(self._timeout_s)

    def _link(self) -> Link:
        return Link(self._options, self._addresses, self._prepare, left=self._left, timeout_s=self._timeout_s)

    async def _prepare(self, session: Session) -> None:
        """See that there is a table."""
        if not (await session.execute(self._statements.is_made))[0][0]:
            await session.execute(self._statements.make)

    async def _demand_standbys(self, session: Session) -> None:
        if self._options.replication == "any":
            return
        if not (await session.execute(self._statements.standbys))[0][0]:
            hint = "set it, with Patroni synchronous_mode_strict too; or let replication be any"
            raise StoreError("synchronous_standby_names is empty", where=self.name, hint=hint)

    async def _read_keys(self, ear: Link, keys: list[str]) -> tuple[Entry, ...]:
        if not keys:
            return ()
        rows = await ear.ask(
            lambda session: session.execute(self._statements.read_keys, {"keys": keys}, back=2),
            anew=self._options.watch == "poll",
        )
        return tuple(self._entry(row) for row in rows)

    async def _listen(self, ear: Link, prefix: str) -> AsyncGenerator[list[str], None]:
        """The keys that were written, each time some were."""
        await ear.ask(lambda session: session.execute(self._statements.listen))
        while True:
            heard = await ear.notices(max(1.0, self._timeout_s))
            if not heard:  # a connection may be dead and look idle
                await ear.ask(lambda session: session.execute(self._statements.standbys), anew=False)
            yield sorted({key for key in heard if key.startswith(prefix) and len(key) <= KEY_LIMIT})

    async def _poll(self, ear: Link, prefix: str) -> AsyncGenerator[list[str], None]:
        """The same, by looking."""
        before = await self._revisions(ear, prefix)
        while True:
            await asyncio.sleep(self._options.interval.seconds)
            now = await self._revisions(ear, prefix)
            changed = [key for key, revision in now.items() if before.get(key) != revision]
            before = now
            yield changed

    async def _revisions(self, ear: Link, prefix: str) -> dict[str, int]:
        rows = await ear.ask(lambda session: session.execute(self._statements.revisions, {"prefix": prefix}))
        if len(rows) > READ_LIMIT:
            raise StoreError(f"more than {READ_LIMIT} registers below {prefix!r}", where=self.name)
        return {str(key): int(revision) for key, revision in rows}

    def _entry(self, row: Row) -> Entry:
        match row:
            case (str(key), bytes(value), int(revision)):
                return Entry(key=key, value=value, revision=revision)
        raise StoreError(f"a row of {self._options.table} is not what a store may hold", where=self.name)
