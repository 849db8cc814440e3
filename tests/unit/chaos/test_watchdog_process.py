"""The watchdog as a real process: a drill that dies, however it dies, leaves nothing injected."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.chaos.fake_platform import FakeHost, FakePlatformFile
from bascule.chaos.faults import Partition
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.watchdog_process import Watchdog
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import FaultError

pytestmark = pytest.mark.alone

SERVE = """
import sys
from pathlib import Path
from bascule.chaos.fake_platform import FakePlatformFile
from bascule.chaos.journal import Journal
from bascule.chaos.watchdog_process import serve
attach = lambda reference: FakePlatformFile(Path(reference.directory))
sys.exit(serve(Journal(Path(sys.argv[1])), attach, 0, float(sys.argv[2])))
"""
DRILL = """
import os, sys, time
from pathlib import Path
from bascule.chaos.fake_platform import FakePlatformFile
from bascule.chaos.faults import Partition
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.watchdog_process import Watchdog
from bascule.kernel.clock import SystemClock

folder, ttl_s = Path(sys.argv[1]), sys.argv[2]
journal = Journal(folder / "journal.jsonl")
watchdog = Watchdog((sys.executable, "-c", sys.argv[3], str(journal.path), ttl_s), folder / "log")
fault = Partition(hosts=("db-1",))
reference = PlatformRef(kind="fake", directory=str(folder / "platform.json"))
platform = FakePlatformFile(Path(reference.directory))
injection = Injection(fault, platform, journal, reference=reference, number=1, clock=SystemClock(), sleep=time.sleep)
assert injection.strike().witness.seen
print(watchdog._process.pid, flush=True)
while True:
    time.sleep(0.05)
    watchdog.renew()
"""
HOSTS = (
    FakeHost(name="db-1", zone="a", region="north", commands=("postgres",)),
    FakeHost(name="db-2", zone="b", region="north", commands=("postgres",)),
)


def eventually(claim: Callable[[], object], limit_s: float = 20.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.01)


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except OSError:
        return False


@pytest.fixture
def platform(tmp_path: Path) -> FakePlatformFile:
    return FakePlatformFile.save(tmp_path / "platform.json", HOSTS)


@contextmanager
def drill(folder: Path, ttl_s: float) -> Iterator[tuple[subprocess.Popen[str], int]]:
    """A drill in the middle of a partition, in a process of its own, and its watchdog's pid."""
    argv = [sys.executable, "-c", DRILL, str(folder), str(ttl_s), SERVE]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        watchdog = 0
        try:
            assert process.stdout is not None
            watchdog = int(process.stdout.readline())
            yield process, watchdog
        finally:
            process.kill()
            if watchdog:
                eventually(lambda: not lives(watchdog))


def watch(folder: Path, ttl_s: float = 30.0) -> Watchdog:
    return Watchdog((sys.executable, "-c", SERVE, str(folder / "journal.jsonl"), str(ttl_s)), folder / "log")


def strike(folder: Path, platform: FakePlatformFile) -> Injection:
    reference = PlatformRef(kind="fake", directory=str(folder / "platform.json"))
    journal, clock = Journal(folder / "journal.jsonl"), SystemClock()
    injection = Injection(
        Partition(hosts=("db-1",)), platform, journal, reference=reference, number=1, clock=clock, sleep=time.sleep
    )
    assert injection.strike().witness.seen
    return injection


def test_a_drill_that_is_killed_leaves_nothing_injected(tmp_path: Path, platform: FakePlatformFile) -> None:
    with drill(tmp_path, ttl_s=30) as (process, watchdog):
        assert not platform.whole()
        process.kill()
        eventually(platform.whole)
        eventually(lambda: not lives(watchdog))
    assert Journal(tmp_path / "journal.jsonl").pending() == ()
    assert "undone" in (tmp_path / "log").read_text()


def test_a_drill_that_hangs_is_counted_as_dead_when_its_lease_is_over(
    tmp_path: Path, platform: FakePlatformFile
) -> None:
    with drill(tmp_path, ttl_s=3) as (process, watchdog):
        process.send_signal(signal.SIGSTOP)
        eventually(platform.whole)
        eventually(lambda: not lives(watchdog))
        process.send_signal(signal.SIGCONT)
        process.wait(20)
        assert process.returncode == 1, "it must not go on without a watchdog"
    assert Journal(tmp_path / "journal.jsonl").pending() == ()


def test_signals_that_are_meant_for_the_drill_do_not_end_the_watch(tmp_path: Path, platform: FakePlatformFile) -> None:
    with drill(tmp_path, ttl_s=30) as (process, watchdog):
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
            os.kill(watchdog, number)
        assert not platform.whole()
        assert os.getsid(watchdog) == watchdog
        process.kill()
        eventually(platform.whole)


def test_a_goodbye_ends_it_and_it_undoes_nothing(tmp_path: Path, platform: FakePlatformFile) -> None:
    watchdog = watch(tmp_path)
    strike(tmp_path, platform)
    watchdog.close()
    assert not platform.whole()
    with pytest.raises(FaultError, match="watchdog is gone"):
        watchdog.renew()
    watchdog.close()


def test_what_is_abandoned_to_it_is_undone_at_once(tmp_path: Path, platform: FakePlatformFile) -> None:
    watchdog = watch(tmp_path)
    injection = strike(tmp_path, platform)
    watchdog.abandon()
    assert platform.whole()
    injection.undo()
    assert platform.whole()


def test_what_cannot_be_undone_yet_is_tried_again(tmp_path: Path, platform: FakePlatformFile) -> None:
    watchdog = watch(tmp_path)
    strike(tmp_path, platform)
    hidden = tmp_path / "hidden"
    (tmp_path / "platform.json").rename(hidden)
    pid = watchdog._process.pid
    watchdog._hang_up()
    eventually(lambda: "still there" in (tmp_path / "log").read_text())
    hidden.rename(tmp_path / "platform.json")
    assert watchdog._process.wait(20) == 0
    assert platform.whole()
    assert not lives(pid)


def test_a_watchdog_that_does_not_start_is_said_before_anything_is_injected(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="did not start") as told:
        Watchdog((sys.executable, "-c", "raise SystemExit('no')"), tmp_path / "log")
    assert told.value.where == str(tmp_path / "log")
    assert "no" in (tmp_path / "log").read_text()


def test_a_watchdog_that_was_killed_is_noticed_at_the_next_renewal(tmp_path: Path) -> None:
    watchdog = watch(tmp_path)
    watchdog.renew()
    watchdog._process.kill()
    watchdog._process.wait()
    with pytest.raises(FaultError, match="watchdog is gone") as told:
        watchdog.renew()
    assert "bascule chaos recover" in told.value.hint
    watchdog.close()
