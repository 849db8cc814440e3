"""Leases in a SQLite file: for several processes of one machine, without a server."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import TypeVar

from msgspec import Struct

from bascule.cluster.stores.port import Entry, check_limits
from bascule.cluster.stores.sqlite_file import LeaseFile
from bascule.cluster.stores.worker import Worker
from bascule.kernel.errors import InputError, StoreError
from bascule.kernel.quantities import Duration

T = TypeVar("T")


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="sqlite"):
    """Where the file lies, and how often it is looked at.

    Attributes:
        path: An absolute path on a disk of this machine. The file is made when it is absent, with mode 0600; its
            directory must be there, and writable: a journal is kept beside the file.
        interval: How often a watch looks for changes: 5 ms to 10 s.
    """

    path: str
    interval: Duration = Duration(0.05)


def make(options: Options, timeout_s: float) -> SqliteStore:
    """A store on that file, which the first call opens.

    Args:
        options: Where it lies.
        timeout_s: The time limit of every call, in seconds.

    Raises:
        InputError: An option or the limit is impossible.
    """
    if not options.path.startswith("/") or "\0" in options.path:
        raise InputError(f"{options.path[:200]!r} is not an absolute path", where="path")
    if not 0.005 <= options.interval.seconds <= 10:
        raise InputError(f"an interval of {options.interval} is impossible", where="interval", hint="5ms to 10s")
    if not 0 < timeout_s < math.inf:
        raise InputError(f"a time limit of {timeout_s} s is impossible", where="timeout_s")
    return SqliteStore(Path(options.path), interval_s=options.interval.seconds, timeout_s=timeout_s)


class SqliteStore:
    """Registers in one file, for as many processes of this machine as like; linearizable, for SQLite has one writer.

    A swap that was acknowledged is on the disk: it survives `kill -9` of any process and, as far as the disk keeps
    what it was told to sync, a power failure. The revision counts all writes of the file, so it never comes again,
    not even when a row was deleted by hand; of a file that was removed it goes on above (see `sqlite_file`).

    A process that is frozen within the few milliseconds of a commit holds the file's lock until it goes on or ends;
    all others get a `StoreError` meanwhile, and none of them an answer that is wrong.

    Args:
        path: Where the file lies.
        interval_s: How often a watch looks, in seconds.
        timeout_s: The time limit of every call, in seconds.
    """

    def __init__(self, path: Path, *, interval_s: float, timeout_s: float) -> None:
        self.name = f"sqlite at {path}"
        self._path = path
        self._interval_s = interval_s
        self._timeout_s = timeout_s
        self._is_closed = False
        self._hand = _Connection(path, timeout_s)
        self._eyes: set[_Eye] = set()

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`, as they were together at one moment.

        Raises:
            StoreError: The file could not be read in time.
        """
        return await self._ask(self._hand, lambda: self._hand.file.read(prefix))

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected` (0: if there is none), durably.

        Raises:
            InputError: The key or the value breaks a limit.
            StoreError: It is not known whether it is written.
        """
        check_limits(key, value)
        return await self._ask(self._hand, lambda: self._hand.file.swap(key, value, expected))

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on, at most `interval` and a read later.

        Raises:
            StoreError: The file could not be read in time.
        """
        eye = _Eye(self._path, prefix, interval_s=self._interval_s, timeout_s=self._timeout_s)
        self._eyes.add(eye)
        try:
            await self._ask(eye, eye.begin)
            while True:
                entries = await eye.worker.run(eye.look)
                if self._is_closed:
                    raise self._closed()
                for entry in entries:
                    yield entry
        finally:
            self._eyes.discard(eye)
            await eye.close()

    async def close(self) -> None:
        """Let go of the file; later calls raise `StoreError`, and so do watches."""
        self._is_closed = True
        for eye in self._eyes:
            eye.stop.set()
        await self._hand.close()

    async def _ask(self, connection: _Connection, question: Callable[[], T]) -> T:
        if self._is_closed:
            raise self._closed()
        try:
            async with asyncio.timeout(self._timeout_s):
                return await connection.worker.run(question)
        except TimeoutError:
            hint = "a disk that is slow or hangs, or another process that holds the lock"
            raise StoreError(f"no answer within {self._timeout_s:g} s", where=self.name, hint=hint) from None

    def _closed(self) -> StoreError:
        return StoreError("the store was closed", where=self.name)


class _Connection:
    """A connection, and the thread that it lives on."""

    def __init__(self, path: Path, timeout_s: float) -> None:
        self.file = LeaseFile(path, timeout_s / 2)
        self.worker = Worker(f"bascule sqlite {path}")
        self._timeout_s = timeout_s

    async def close(self) -> None:
        """Let go of the connection; of one that hangs in the kernel the thread stays behind, and is a daemon."""
        closed = asyncio.wrap_future(self.worker.end(self.file.close))
        await asyncio.wait([asyncio.shield(closed)], timeout=self._timeout_s)


class _Eye(_Connection):
    """What watches. It has a connection of its own, since PRAGMA data_version tells only of what others wrote.

    It waits on its own thread, and not in the event loop: twenty times a second a hop to a thread and back would cost
    ten times what the look itself does.
    """

    def __init__(self, path: Path, prefix: str, *, interval_s: float, timeout_s: float) -> None:
        super().__init__(path, timeout_s)
        self.stop = threading.Event()
        self._prefix = prefix
        self._interval_s = interval_s
        self._version = 0
        self._latest = 0

    def begin(self) -> None:
        """Take note of what there is."""
        self._version = self.file.version()
        self._latest = self.file.latest()

    def look(self) -> list[Entry]:
        """Wait until something is new, and return it in the order in which it was written; nothing once stopped."""
        while not self.stop.wait(self._interval_s):
            version = self.file.version()
            if version == self._version:
                continue
            # The version was taken first: what is written after it is found by this read, or by the next look.
            self._version = version
            if entries := self.file.read(self._prefix, self._latest):
                self._latest = max(entry.revision for entry in entries)
                return sorted(entries, key=lambda entry: entry.revision)
        return []

    async def close(self) -> None:
        self.stop.set()
        await super().close()
