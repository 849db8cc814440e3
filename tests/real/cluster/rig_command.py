"""Commands and a program that follow a lease: whether it is so is a file, or a lock that the program holds."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
from tests.real.cluster.daemons import DEADLINE_S, need, wait_until

from bascule.cluster.actuators import command
from bascule.cluster.actuators.port import Actuator, Term
from bascule.kernel.clock import BootClock
from bascule.kernel.quantities import Duration

# What holds the lock is not one process: whoever inherited the open file holds it as well, wherever it went.
LOCKED = 'flock -n "$0" true && exit 3; exit 0'


def term(token: int = 7, left_s: float = 3600.0) -> Term:
    return Term(cluster="east", group="edge", agent="a", token=token, until_s=BootClock().monotonic_s() + left_s)


def run(doing: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(asyncio.wait_for(doing, DEADLINE_S))


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


_strangers: set[str] = set()


def _children() -> set[str]:
    """Every child of this process, also one that has ended and was not reaped."""
    found: set[str] = set()
    for path in Path("/proc/self/task").glob("*/children"):
        with contextlib.suppress(OSError):  # the thread has ended
            found |= set(path.read_text().split())
    return found


def pass_over_children_of_others() -> None:
    """Know the children that other tests, and what they share, have left or still need."""
    _strangers.clear()
    _strangers.update(_children())


def has_children() -> bool:
    """A child that this test began, also one that has ended and was not reaped."""
    return bool(_children() - _strangers)


def number(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text().endswith("\n"), f"{path.name} is not written")
    return int(path.read_text())


class HooksRig:
    """A file that is made and removed by commands."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "active"

    def options(self, **changes: object) -> command.Options:
        whole = command.Options(
            name="file",
            promote=("touch", str(self.file)),
            demote=("rm", "-f", str(self.file)),
            check=("test", "-e", str(self.file)),
            state_directory=str(self.directory / "state"),
        )
        return msgspec.structs.replace(whole, **changes)

    def actuator(self) -> Actuator:
        return command.make(self.options())

    def is_so(self) -> bool:
        return self.file.exists()


class RunRig:
    """A program that holds a lock as long as it, or anything that came of it, lives."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.file = directory / "lock"
        self.flock = need("flock", "util-linux")

    def shell(self, script: str) -> tuple[str, ...]:
        """A shell's words, run with the lock."""
        return (self.flock, "-x", str(self.file), "sh", "-c", script, str(self.directory))

    def options(self, **changes: object) -> command.Options:
        whole = command.Options(
            name="lock",
            run=(self.flock, "-x", str(self.file), "sleep", "1000"),
            check=("sh", "-c", LOCKED, str(self.file)),
            stop_within=Duration(2.0),
            state_directory=str(self.directory / "state"),
        )
        return msgspec.structs.replace(whole, **changes)

    def actuator(self) -> Actuator:
        return command.make(self.options())

    def is_so(self) -> bool:
        with self.file.open("ab") as file:
            until_s = time.monotonic() + 0.5
            while True:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    if time.monotonic() >= until_s:
                        return True
                    time.sleep(0.01)  # a check that looks has it for a moment
                else:
                    return False


@contextmanager
def hooks_rig(directory: Path) -> Iterator[HooksRig]:
    yield HooksRig(directory)


@contextmanager
def run_rig(directory: Path) -> Iterator[RunRig]:
    yield RunRig(directory)
