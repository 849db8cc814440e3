"""A file on this machine's disk. There is no server to kill; what freezes it is a process that stops within a write."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
from pathlib import Path

from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores.port import Store
from bascule.cluster.stores.sqlite import Options, make


class Sqlite(Subject):
    name = "sqlite"
    can = frozenset({"remove", "freeze"})
    real = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.path = directory / "leases.db"
        self._holder: sqlite3.Connection | None = None

    def stop(self) -> None:
        self.thaw()

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:
        assert password is None
        return make(Options(path=str(self.path)), timeout_s)

    def freeze(self) -> None:
        self._holder = sqlite3.connect(self.path, isolation_level=None, check_same_thread=False)
        self._holder.execute("BEGIN EXCLUSIVE")

    def thaw(self) -> None:
        if self._holder is not None:
            self._holder.close()
            self._holder = None

    async def remove(self, store: Store, key: str) -> None:
        del store

        def remove() -> None:
            with contextlib.closing(sqlite3.connect(self.path)) as connection, connection:
                connection.execute("DELETE FROM leases WHERE key = ?", (key,))

        await asyncio.to_thread(remove)


subject = Sqlite
