"""A stand-in for Patroni, run as a program: it can be killed and frozen. The real one is in `test_patroni_real.py`."""

from __future__ import annotations

import json
import socket
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.real.cluster import fake_patroni
from tests.real.cluster.daemons import DEADLINE_S, Daemon, free_port

from bascule.cluster.actuators import patroni
from bascule.kernel.quantities import Duration


class PatroniRig:
    """One REST API."""

    def __init__(self, directory: Path) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        program = str(fake_patroni.__file__)
        self._daemon = Daemon([sys.executable, program, str(self.port)], directory, self._is_ready)
        self.start, self.stop = self._daemon.start, self._daemon.stop
        self.freeze, self.thaw = self._daemon.freeze, self._daemon.thaw

    def _is_ready(self) -> bool:
        with socket.socket() as asking:
            return asking.connect_ex(("127.0.0.1", self.port)) == 0

    def _ask(self, body: bytes | None = None) -> dict[str, Any]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/_", data=body, timeout=DEADLINE_S) as answer:
            said: dict[str, Any] = json.load(answer)
            return said

    def set(self, **fields: object) -> None:
        self._ask(json.dumps(fields).encode())

    @property
    def orders(self) -> list[dict[str, str]]:
        """The switchovers that it was asked for."""
        return list(self._ask()["orders"])

    @property
    def paused(self) -> bool:
        return bool(self._ask()["paused"])

    def options(self, **changes: object) -> patroni.Options:
        whole = patroni.Options(
            url=self.url, at_demote="switchover", timeout=Duration(1.0), switchover_within=Duration(10.0)
        )
        return msgspec.structs.replace(whole, **changes)

    def actuator(self) -> patroni.PatroniLeader:
        return patroni.make(self.options())

    def is_so(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/primary", timeout=DEADLINE_S) as answer:
                return bool(answer.status == 200)
        except urllib.error.HTTPError as error:
            error.close()
            return False


@contextmanager
def patroni_rig(directory: Path) -> Iterator[PatroniRig]:
    rig = PatroniRig(directory)
    try:
        rig.start()
        yield rig
    finally:
        rig.stop()
