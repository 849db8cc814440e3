"""A program that is broken outside any lab, the command that breaks it, and what a stranger sees of both."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

WORKER = """
import os, sys, time
here = sys.argv[1]
with open(here + "/starts", "a") as starts:
    print(os.getpid(), file=starts)
lives = open(here + "/lives", "a", buffering=1)
while True:
    try:
        os.close(os.open("/", os.O_RDONLY))
        print("opened", file=lives)
    except OSError as error:
        print(error.strerror, file=lives)
    time.sleep(0.01)
"""


def eventually(claim: Callable[[], object], limit_s: float = 60.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def state(pid: int) -> str:
    """The kernel's letter for a process; empty when it is gone."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    return ""


class Worker:
    """A process that tries to open a file a hundred times a second, and writes down what became of it."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.argv = (sys.executable, "-c", WORKER, str(home))
        self._process = subprocess.Popen(self.argv, start_new_session=True)
        self.pid = self._process.pid
        eventually(lambda: self.said() == "opened")

    @property
    def name(self) -> str:
        return f"pid:{self.pid}"

    def name_on(self, host: str) -> str:
        return f"ssh:{host}/{self.name}"

    def starts(self) -> list[int]:
        """The pids of every process that this program ever was."""
        return [int(line) for line in (self.home / "starts").read_text().splitlines()]

    def said(self) -> str:
        """What it was told last when it opened a file."""
        with contextlib.suppress(FileNotFoundError):
            return ["", *(self.home / "lives").read_text().splitlines()][-1]
        return ""

    def works(self) -> bool:
        """Whether it does something, and is never stopped meanwhile."""
        before, pid = (self.home / "lives").stat().st_size, self.starts()[-1]
        seen = set()
        deadline_s = time.monotonic() + 0.5
        while time.monotonic() < deadline_s:
            seen.add(state(pid))
        return (self.home / "lives").stat().st_size > before and not seen & {"T", ""}

    def end(self) -> None:
        for pid in self.starts():
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if str(self.home).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)
        self._process.wait()


@contextlib.contextmanager
def working(home: Path) -> Iterator[Worker]:
    home.mkdir(exist_ok=True)
    worker = Worker(home)
    try:
        yield worker
    finally:
        worker.end()


def allow(path: Path, *rules: dict[str, Any]) -> Path:
    """An allow-list; what is JSON is YAML too."""
    path.write_text(json.dumps({"targets": rules}))
    path.chmod(0o600)
    return path


def bascule(*words: object, stdin: int = subprocess.DEVNULL) -> tuple[int, str]:
    argv = [sys.executable, "-m", "bascule", *map(str, words)]
    done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=120, stdin=stdin)
    return done.returncode, done.stdout + done.stderr


class ByHand:
    """`bascule chaos inject --on` in a process of its own."""

    def __init__(self, run: Path, *words: object) -> None:
        self.run = run
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", *map(str, words), "--yes", "-o", str(run)]
        self.process = subprocess.Popen(
            argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def acts(self) -> None:
        assert self.process.stderr is not None
        said = self.process.stderr.readline()
        assert said.startswith("It acts"), said + self.process.stderr.read()

    def run_name(self) -> str:
        line = (self.run / "journal.jsonl").read_text().splitlines()[0]
        return str(json.loads(line)["platform"]["identity"]).partition("/")[0]

    def pids(self, *words: str) -> list[int]:
        """The processes with all these words in their command lines."""
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
                    found += [int(entry.name)] if set(words) <= set(line) else []
        return found

    def watchdog(self) -> int:
        (pid,) = self.pids("bascule.drill.watchdog", str(self.run / "journal.jsonl"))
        return pid

    def agent(self) -> int:
        (pid,) = self.pids("bascule-agent", self.run_name())
        return pid

    def kill(self, *pids: int) -> None:
        for pid in pids:
            os.kill(pid, signal.SIGKILL)
        self.process.kill()
        self.process.communicate()

    def kill_agent(self) -> None:
        os.kill(self.agent(), signal.SIGKILL)

    def interrupt(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err
        assert "is undone" in out

    def lose_command_and_watchdog(self) -> None:
        """The agent is alone: nobody speaks to it any more."""
        agent = self.agent()
        self.kill(self.watchdog())
        eventually(lambda: not state(agent) or state(agent) == "Z")

    def lose_everything(self) -> None:
        """SIGKILL to all at once: nobody is left who could undo anything; then `recover`."""
        self.kill(self.agent(), self.watchdog())
        assert bascule("chaos", "status", self.run)[0] == 1
        code, told = bascule("chaos", "recover", self.run)
        assert code == 0, told
        assert bascule("chaos", "status", self.run)[0] == 0

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        self.process.communicate(timeout=60)
        assert bascule("chaos", "recover", self.run)[0] == 0


WAYS = [ByHand.interrupt, ByHand.lose_command_and_watchdog, ByHand.lose_everything]
NAMES = ["at Ctrl-C", "when the agent is left alone", "after SIGKILL to all"]
