"""A real server as a process: gone with the test run however that ends, and it can be killed, frozen, and be back."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from pathlib import Path

DEADLINE_S = 30.0


def can_bind_lives() -> bool:
    """Whether this machine can end a program together with the one that started it."""
    return shutil.which("setpriv") is not None


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def password_file(directory: Path, password: str) -> str:
    """A file that nobody else can read, with this password in it."""
    path = directory / f"password-{len(list(directory.iterdir()))}"
    path.touch(mode=0o600)
    path.write_text(password + "\n")
    return str(path)


class Process:
    """One program.

    Args:
        argv: Program and arguments; its life is bound to this process'.
        log: Where its output goes.
        is_ready: Asked again and again after the start.
    """

    def __init__(self, argv: Sequence[str], log: Path, is_ready: Callable[[], bool]) -> None:
        self._argv = ["setpriv", "--pdeathsig", "KILL", *argv]
        self._log = log
        self._is_ready = is_ready
        self._running: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Run, and wait until it is ready."""
        self.launch()
        self.await_ready()

    def launch(self) -> None:
        """Run, and do not wait: members of a quorum wait for each other."""
        with self._log.open("ab") as log:
            self._running = subprocess.Popen(self._argv, stdout=log, stderr=log)

    def await_ready(self) -> None:
        assert self._running is not None
        deadline_s = time.monotonic() + DEADLINE_S
        while not self._is_ready():
            ended = self._running.poll()
            assert ended is None, f"ended with {ended}: {self._log.read_text()[-2000:]}"
            assert time.monotonic() < deadline_s, self._log.read_text()[-2000:]
            time.sleep(0.02)

    @property
    def pid(self) -> int:
        assert self._running is not None
        return self._running.pid

    def kill(self) -> None:
        """End it at once; once more does no harm."""
        if self._running is not None:
            self._running.kill()
            self._running.wait()
            self._running = None

    def freeze(self) -> None:
        """Stop it, and return when it stands still."""
        os.kill(self.pid, signal.SIGSTOP)
        deadline_s = time.monotonic() + DEADLINE_S
        while Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()[0] != "T":
            assert time.monotonic() < deadline_s
            time.sleep(0.001)

    def thaw(self) -> None:
        """Let it go on."""
        os.kill(self.pid, signal.SIGCONT)
