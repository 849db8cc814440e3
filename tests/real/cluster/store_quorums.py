"""Quorums of three real servers, for what a store does when one of them, or two, are away."""

from __future__ import annotations

import asyncio
from pathlib import Path

import httpx
from tests.contract.cluster_stores import on_etcd, on_nats
from tests.contract.cluster_stores.processes import DEADLINE_S, Process, free_port

from bascule.cluster.stores.port import Store
from bascule.kernel.errors import StoreError

NAMES = ("one", "two", "three")
NATS_CONFIGURATION = """\
host: 127.0.0.1
port: {port}
server_name: {name}
jetstream {{ store_dir: "{directory}" }}
cluster {{ name: quorum, listen: 127.0.0.1:{route}, routes: [{routes}] }}
"""


class Quorum:
    """Three members that know each other from the start."""

    def __init__(self) -> None:
        self.members: list[Process] = []
        self.urls: list[str] = []

    def start(self) -> None:
        for member in self.members:
            member.launch()
        for member in self.members:
            member.await_ready()

    def stop(self) -> None:
        for member in self.members:
            member.kill()


class EtcdQuorum(Quorum):
    """etcd, without authentication."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        peers = {name: f"http://127.0.0.1:{free_port()}" for name in NAMES}
        for name in NAMES:
            url = f"http://127.0.0.1:{free_port()}"
            argv = [on_etcd.program(), *on_etcd.arguments(directory, name, url, peers)]
            self.urls.append(url)
            self.members.append(Process(argv, directory / f"{name}.log", lambda url=url: on_etcd.is_healthy(url)))  # type: ignore[misc]  # the default binds the loop's variable

    def leader(self) -> int:
        """Which member leads."""
        for number, url in enumerate(self.urls):
            status = httpx.post(f"{url}/v3/maintenance/status", json={}, timeout=5, trust_env=False).json()
            if status["leader"] == status["header"]["member_id"]:
                return number
        raise AssertionError("nobody leads")


class NatsQuorum(Quorum):
    """NATS with JetStream; it waits less long for routes and elections than for people."""

    def __init__(self, directory: Path) -> None:
        super().__init__()
        routes = {name: free_port() for name in NAMES}
        for name in NAMES:
            port = free_port()
            configuration = directory / f"{name}.conf"
            configuration.write_text(
                NATS_CONFIGURATION.format(
                    port=port,
                    name=name,
                    directory=directory / name,
                    route=routes[name],
                    routes=", ".join(f"nats-route://127.0.0.1:{route}" for route in routes.values()),
                )
            )
            argv = [on_nats.program(), "-c", str(configuration)]
            self.urls.append(f"nats://127.0.0.1:{port}")
            self.members.append(Process(argv, directory / f"{name}.log", lambda port=port: on_nats.greets(port)))  # type: ignore[misc]  # the default binds the loop's variable


async def settled(store: Store, key: str) -> int:
    """The revision of a first write; a quorum needs a while to elect somebody."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            try:
                there = next((entry for entry in await store.read(key) if entry.key == key), None)
                revision = await store.swap(key, b"settled", there.revision if there else 0)
            except StoreError:
                await asyncio.sleep(0.05)
            else:
                assert revision is not None
                return revision
