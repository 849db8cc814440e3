"""A stand-in for a Kubernetes API server: see `kubernetes_stand_in.py` for what it does, and what it does not prove."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import httpx
from msgspec import structs
from tests.contract.cluster_stores import kubernetes_stand_in
from tests.contract.cluster_stores.processes import Process, can_bind_lives, free_port, password_file
from tests.contract.cluster_stores.subject import PATIENT_S, Subject

from bascule.cluster.stores import kubernetes_objects
from bascule.cluster.stores.kubernetes import Options, make
from bascule.cluster.stores.port import Store

TOKEN = "a-token-of-a-service-account"


class Kubernetes(Subject):
    name = "kubernetes"
    can = frozenset({"kill", "freeze", "login", "remove"})
    value_limit_bytes = kubernetes_objects.LEASE_VALUE_LIMIT_BYTES

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.url = f"http://127.0.0.1:{(port := free_port())}"
        self.token_file = password_file(directory, TOKEN)
        script = kubernetes_stand_in.__file__
        argv = [sys.executable, script, str(port), str(directory / "state.json"), self.token_file]
        self.process = Process(argv, directory / "stand_in.log", self.answers)
        self.options = Options(server=self.url, namespace="bascule", token_file=self.token_file)

    @classmethod
    def missing(cls) -> str:
        return "" if can_bind_lives() else "setpriv (package util-linux)"

    def answers(self) -> bool:
        try:
            return self.tell().status_code == 201
        except httpx.TransportError:
            return False

    def tell(self, **order: Any) -> httpx.Response:
        return httpx.post(f"{self.url}/stand-in", json=order, timeout=5, trust_env=False)

    def rotate(self, token: str) -> None:
        """Another token counts, and stands in the agents' file, as in a pod."""
        draft = Path(f"{self.token_file}.draft")
        draft.touch(mode=0o600)
        draft.write_text(token)
        os.replace(draft, self.token_file)  # noqa: PTH105 - in one step, as Kubernetes does it

    def start(self) -> None:
        self.process.start()

    def stop(self) -> None:
        self.process.kill()

    def store(self, timeout_s: float = PATIENT_S, password: str | None = None) -> Store:
        if password is None:
            return make(self.options, timeout_s)
        return make(structs.replace(self.options, token_file=password_file(self.directory, password)), timeout_s)

    def kill(self) -> None:
        self.process.kill()

    def freeze(self) -> None:
        self.process.freeze()

    def thaw(self) -> None:
        self.process.thaw()

    async def remove(self, store: Store, key: str) -> None:
        url = f"{self.url}{kubernetes_stand_in.LEASES}/{kubernetes_objects.name_of(key)}"
        async with httpx.AsyncClient(trust_env=False) as client:
            answer = await client.delete(url, headers={"Authorization": f"Bearer {TOKEN}"})
        assert answer.status_code == 200, store.name


subject = Kubernetes
