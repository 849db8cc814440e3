"""Programs that tests start, freeze and end: they die with the test run, however that ends."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import pytest

DEADLINE_S = 30.0


def wait_until(is_so: Callable[[], bool], why: Callable[[], str] | str, deadline_s: float = DEADLINE_S) -> None:
    until_s = time.monotonic() + deadline_s
    while not is_so():
        assert time.monotonic() < until_s, why if isinstance(why, str) else why()
        time.sleep(0.01)


def free_port(host: str = "127.0.0.1") -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        port: int = probe.getsockname()[1]
        return port


def need(program: str, package: str) -> str:
    """Where a program is; the test is skipped, and says what to install, where there is none."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin:/usr/local/sbin")
    if found is None:
        pytest.skip(f"needs {program} (package {package})")
    return found


class Daemon:
    """One program. `stop` is `kill -9`: what is told to a daemon must not rely on its last words."""

    def __init__(
        self,
        argv: Sequence[str],
        directory: Path,
        is_ready: Callable[[], bool],
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._argv = [need("setpriv", "util-linux"), "--pdeathsig", "KILL", *argv]
        self._directory = directory
        self._is_ready = is_ready
        self._environment = {**os.environ, **(environment or {})}
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return (self._directory / "daemon.log").read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        # The kernel binds a child's life to the thread that made it, not to the process: another thread ends too early.
        assert threading.current_thread() is threading.main_thread()
        if self.is_running:
            return
        with (self._directory / "daemon.log").open("ab") as log:
            self._process = subprocess.Popen(
                self._argv,
                cwd=self._directory,
                env=self._environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        wait_until(self._is_up, lambda: self.log)

    def _is_up(self) -> bool:
        assert self.is_running, self.log
        return self._is_ready()

    def stop(self) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):  # it has ended by itself
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGSTOP)
        status = Path(f"/proc/{self._process.pid}/stat")
        wait_until(lambda: status.read_text().rpartition(")")[2].split()[0] == "T", "it does not freeze")

    def thaw(self) -> None:
        assert self._process is not None
        os.killpg(self._process.pid, signal.SIGCONT)
