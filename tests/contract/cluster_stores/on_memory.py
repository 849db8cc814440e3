"""The store in memory: all clients of one subject share it."""

from __future__ import annotations

from pathlib import Path

from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Store


class Memory(Subject):
    name = "memory"
    can = frozenset({"remove"})
    real = False

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.shared = self.make()

    def make(self) -> MemoryStore:
        return MemoryStore()

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:  # noqa: ARG002 - every subject is asked with them
        return self.shared

    async def remove(self, store: Store, key: str) -> None:
        assert store is self.shared
        del self.shared._entries[key]


subject = Memory
