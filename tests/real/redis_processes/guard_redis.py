"""A real Redis for the tests of shared state: it can be killed, paused, and be back on the same port."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis

from bascule.engines.binaries import find
from bascule.kernel.errors import BasculeError

PASSWORD = "open sesame"
DEADLINE_S = 20.0


def redis_server() -> str | None:
    """Where the program is, if this machine has it and can bind its life to ours."""
    if shutil.which("setpriv") is None:
        return None
    try:
        return find("redis-server").path
    except BasculeError:
        return None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class RedisServer:
    """Empty at each start, and gone with the test run, however that ends."""

    def __init__(self, directory: Path, *, password: str = "") -> None:
        self.port = free_port()
        self.password = password
        self._directory = directory
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"redis://127.0.0.1:{self.port}/0"

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=self.password or None, socket_timeout=DEADLINE_S)

    def start(self) -> None:
        program = redis_server()
        assert program is not None
        argv = ["setpriv", "--pdeathsig", "KILL", program, "--port", str(self.port), "--bind", "127.0.0.1"]
        argv += ["--save", "", "--dir", str(self._directory)]
        if self.password:
            argv += ["--requirepass", self.password]
        with (self._directory / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(argv, stdout=log, stderr=log)
        deadline_s = time.monotonic() + DEADLINE_S
        while not self._answers():
            assert time.monotonic() < deadline_s, (self._directory / "redis.log").read_text()
            time.sleep(0.02)

    def _answers(self) -> bool:
        with self.client() as client:
            try:
                return bool(client.ping())
            except redis.exceptions.ConnectionError:
                return False

    @property
    def is_paused(self) -> bool:
        return Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def pause(self) -> None:
        os.kill(self.pid, signal.SIGSTOP)
        deadline_s = time.monotonic() + DEADLINE_S
        while not self.is_paused:
            assert time.monotonic() < deadline_s
            time.sleep(0.001)

    def go_on(self) -> None:
        os.kill(self.pid, signal.SIGCONT)

    def kill(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None
