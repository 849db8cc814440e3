"""Processes that compete for one block: killed, frozen and crashed, they never are in it together."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.real.cluster.daemons import wait_until
from tests.real.cluster.frozen import freeze_outside_of_a_transaction

pytestmark = pytest.mark.real

WORKER = """
import os, sys, time
from pathlib import Path
from bascule.cluster import Leadership
from bascule.kernel.errors import LeadershipLostError

diary = os.open(sys.argv[2], os.O_WRONLY | os.O_APPEND | os.O_CREAT)

def note(what, token):
    now = time.clock_gettime(time.CLOCK_BOOTTIME)
    os.write(diary, f"{sys.argv[1]} {what} {token} {now:.6f}\\n".encode())

while True:
    try:
        with Leadership("job", store=Path(sys.argv[3]), ttl_s=1.0) as term:
            note("begins", term.token)
            while sys.argv[4:] != ["crashes"]:
                term.check()
                note("works", term.token)
                time.sleep(0.005)
            raise SystemExit(3)
    except LeadershipLostError:
        note("lost", term.token)
"""


def overlaps(lines: Sequence[str]) -> list[str]:
    """Everybody who worked after somebody with a higher token had begun, by the clock that all of them share."""
    noted = sorted((line.split() for line in lines if line.endswith("\n")), key=lambda words: float(words[3]))
    newest, found = 0, []
    for who, what, token, at in noted:
        if what in {"begins", "works"} and int(token) < newest:
            found.append(f"{who} {what} with token {token} after {newest} at {at}")
        newest = max(newest, int(token))
    return found


def test_the_checker_notices_two_at_once() -> None:
    well = ["a begins 1 1.0\n", "a works 1 2.0\n", "b begins 2 3.0\n", "a lost 1 3.5\n", "b works 2 4.0\n"]
    assert overlaps(well) == []
    assert overlaps([*well, "a works 1 3.1\n"]) == ["a works with token 1 after 2 at 3.1"]


class Workers:
    """Processes that all want into the block."""

    def __init__(self, directory: Path) -> None:
        self.diary = directory / "diary.txt"
        self._store = directory / "leases.db"
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, *words: str) -> None:
        argv = [sys.executable, "-c", WORKER, name, str(self.diary), str(self._store), *words]
        self._running[name] = subprocess.Popen(argv, start_new_session=True)

    def lines(self) -> list[str]:
        return self.diary.read_text().splitlines(keepends=True) if self.diary.exists() else []

    def inside(self, besides: str = "") -> str:
        """Who works now, and is not `besides`; waits until somebody does."""
        before = len(self.lines())

        def working() -> list[str]:
            return [line.split()[0] for line in self.lines()[before:] if line.split()[1:2] == ["works"]]

        wait_until(lambda: any(name != besides for name in working()), "somebody works")
        return next(name for name in working() if name != besides)

    def send(self, name: str, number: int) -> None:
        self._running[name].send_signal(number)

    def freeze(self, name: str) -> None:
        freeze_outside_of_a_transaction(lambda number: self.send(name, number), self._store)

    def exit_code(self, name: str) -> int:
        return self._running.pop(name).wait(30)

    def close(self) -> None:
        for process in self._running.values():
            process.kill()
            process.wait()


@pytest.fixture
def workers(tmp_path: Path) -> Iterator[Workers]:
    made = Workers(tmp_path)
    try:
        yield made
    finally:
        made.close()


def test_who_is_killed_is_followed(workers: Workers) -> None:
    for name in "abc":
        workers.start(name)
    first = workers.inside()
    workers.send(first, signal.SIGKILL)
    second = workers.inside(besides=first)
    workers.send(second, signal.SIGKILL)
    assert workers.inside(besides=second) not in {first, second}
    assert overlaps(workers.lines()) == []


def test_who_is_frozen_finds_its_lease_lost_when_it_wakes_up(workers: Workers) -> None:
    for name in "ab":
        workers.start(name)
    first = workers.inside()
    workers.freeze(first)
    workers.inside(besides=first)
    workers.send(first, signal.SIGCONT)
    wait_until(lambda: any(line.startswith(f"{first} lost") for line in workers.lines()), "it notices")
    assert overlaps(workers.lines()) == []


def test_a_block_that_crashes_gives_the_lease_back(workers: Workers) -> None:
    workers.start("a", "crashes")
    assert workers.exit_code("a") == 3
    workers.start("b")
    assert workers.inside() == "b"
    assert overlaps(workers.lines()) == []
