"""A server of its own, asked by a role that has a password."""

from __future__ import annotations

import asyncio
import shutil
from pathlib import Path

from msgspec import structs
from tests.contract.cluster_stores.processes import password_file
from tests.contract.cluster_stores.subject import PATIENT_S, Subject
from tests.real.cluster.postgresql_server import PASSWORD, PostgresqlServer

from bascule.cluster.stores.port import Store
from bascule.cluster.stores.postgresql import Options, make


class Postgresql(Subject):
    name = "postgresql"
    can = frozenset({"kill", "freeze", "login", "remove"})

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.server = PostgresqlServer(directory)
        self.options = Options(hosts=(f"127.0.0.1:{self.server.port}",), database="postgres", user="agent")

    @classmethod
    def missing(cls) -> str:
        return "" if shutil.which("unshare") else "unshare (package util-linux)"

    def start(self) -> None:
        is_new = not self.server.data.exists()
        if is_new:
            self.server.initialise()
        self.server.start()
        if is_new:
            self.server.sql(f"CREATE ROLE agent LOGIN PASSWORD '{PASSWORD}'; GRANT CREATE ON SCHEMA public TO agent")

    def stop(self) -> None:
        self.server.stop()

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:
        passfile = password_file(self.directory, f"*:*:*:*:{password or PASSWORD}")
        return make(structs.replace(self.options, passfile=passfile), timeout_s)

    def kill(self) -> None:
        self.server.stop()

    def freeze(self) -> None:
        self.server.freeze()

    def thaw(self) -> None:
        self.server.thaw()

    async def remove(self, store: Store, key: str) -> None:
        del store
        await asyncio.to_thread(self.server.sql, "DELETE FROM bascule_leases WHERE key = %s", key)


subject = Postgresql
