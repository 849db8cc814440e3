"""The contract of stores fails for stores that break it: each mutant by at least the promise that it breaks."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.contract.cluster_stores import promises
from tests.contract.cluster_stores.on_memory import Memory
from tests.contract.cluster_stores.promises import Promise, hold

from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Entry

BROKEN = (AssertionError, TimeoutError, ExceptionGroup, pytest.fail.Exception)


class OverwritesStore(MemoryStore):
    """Writes whatever was expected."""

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        there = self._entries.get(key)
        return super().put(key, value, there.revision if there else expected * 0)


class LooksThenLeapsStore(MemoryStore):
    """Compares first, and writes a moment later."""

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        there = self._entries.get(key)
        if (there.revision if there else 0) != expected:
            return None
        await asyncio.sleep(0)
        there = self._entries.get(key)
        return self.put(key, value, there.revision if there else 0)


class CountsAnewStore(MemoryStore):
    """Counts each key's writes, and forgets the count with the key."""

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        self._revision = expected
        return super().put(key, value, expected)


class TornStore(MemoryStore):
    """Reads one key after the other."""

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        found = []
        for key in [entry.key for entry in self.look(prefix)]:
            await asyncio.sleep(0)
            found += [entry for entry in self.look(key) if entry.key == key]
        return tuple(found)


class LagsStore(MemoryStore):
    """Reads what was there a write ago."""

    def __init__(self) -> None:
        super().__init__()
        self._before: dict[str, Entry] = {}

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        before = dict(self._entries)
        revision = super().put(key, value, expected)
        self._before = before
        return revision

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        return tuple(entry for key, entry in sorted(self._before.items()) if key.startswith(prefix))


class ForgetsNewsStore(MemoryStore):
    """Its watch passes over every second entry."""

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        is_told = False
        async for entry in super().watch(prefix):
            is_told = not is_told
            if is_told:
                yield entry


class SeesAllStore(MemoryStore):
    """Its watch shows what is not asked for."""

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        async for entry in super().watch(prefix[: prefix.index("/")]):
            yield entry


class IgnoresCaseStore(MemoryStore):
    """Keeps keys as some file systems do."""

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        return super().put(key.lower(), value, expected)


class UnboundedStore(MemoryStore):
    """Takes everything."""

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        self._revision += 1
        self._entries[key] = Entry(key=key, value=value, revision=self._revision)
        return self._revision if expected == 0 else None


class TextStore(MemoryStore):
    """Keeps values as text."""

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        return super().put(key, value.decode(errors="replace").encode(), expected)


class HangsWhenCancelledStore(MemoryStore):
    """A cancelled call keeps the lock."""

    def __init__(self) -> None:
        super().__init__()
        self._lock = asyncio.Lock()

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        await self._lock.acquire()
        await asyncio.sleep(0.001)
        self._lock.release()
        return await super().swap(key, value, expected)


class ClosesOnceStore(MemoryStore):
    """Takes the second `close` ill."""

    is_closed = False

    async def close(self) -> None:
        assert not self.is_closed
        self.is_closed = True


@pytest.mark.parametrize(
    ("mutant", "promise"),
    [
        (OverwritesStore, promises.what_is_not_there_is_made_once),
        (OverwritesStore, promises.only_what_was_read_is_written_over),
        (LooksThenLeapsStore, promises.of_many_swappers_one_wins),
        (LooksThenLeapsStore, promises.nothing_that_was_counted_is_lost),
        (CountsAnewStore, promises.revisions_grow_across_a_removal),
        (TornStore, promises.a_read_is_of_one_moment),
        (LagsStore, promises.a_write_is_seen_by_all_at_once),
        (ForgetsNewsStore, promises.a_watch_shows_the_latest),
        (SeesAllStore, promises.a_watch_shows_the_latest),
        (IgnoresCaseStore, promises.names_that_are_alike_are_kept_apart),
        (UnboundedStore, promises.limits_are_kept_and_can_be_reached),
        (TextStore, promises.bytes_come_back_as_they_were),
        (HangsWhenCancelledStore, promises.a_cancelled_call_leaves_a_usable_store),
        (ClosesOnceStore, promises.closing_twice_does_no_harm),
    ],
)
def test_a_broken_store_breaks_its_promise(mutant: type[MemoryStore], promise: Promise, tmp_path: Path) -> None:
    class Broken(Memory):
        def make(self) -> MemoryStore:
            return mutant()

    with pytest.raises(BROKEN):
        hold(promise(Broken(tmp_path), "bascule/mutant/"), deadline_s=0.5)
