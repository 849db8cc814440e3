"""Registers in this process's own memory: for simulations and tests, and for nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from bascule.cluster.stores.port import Entry, check_limits


class MemoryStore:
    """Keeps registers for as long as it lives. Revisions count all writes, as in etcd."""

    name = "memory"

    def __init__(self) -> None:
        self._entries: dict[str, Entry] = {}
        self._revision = 0
        self._watchers: list[tuple[str, asyncio.Queue[Entry]]] = []

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """Every register whose key begins with `prefix`."""
        return self.look(prefix)

    def look(self, prefix: str) -> tuple[Entry, ...]:
        """As `read`, at once."""
        return tuple(entry for key, entry in sorted(self._entries.items()) if key.startswith(prefix))

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """Write the register if its revision is still `expected`."""
        return self.put(key, value, expected)

    def put(self, key: str, value: bytes, expected: int) -> int | None:
        """As `swap`, at once."""
        check_limits(key, value)
        there = self._entries.get(key)
        if (there.revision if there else 0) != expected:
            return None
        self._revision += 1
        entry = Entry(key=key, value=value, revision=self._revision)
        self._entries[key] = entry
        for prefix, queue in self._watchers:
            if key.startswith(prefix):
                queue.put_nowait(entry)
        return self._revision

    async def watch(self, prefix: str) -> AsyncIterator[Entry]:
        """Registers as they are written from now on."""
        queue: asyncio.Queue[Entry] = asyncio.Queue()
        watcher = (prefix, queue)
        self._watchers.append(watcher)
        try:
            while True:
                yield await queue.get()
        finally:
            self._watchers.remove(watcher)

    async def close(self) -> None:
        """Nothing to let go of."""
