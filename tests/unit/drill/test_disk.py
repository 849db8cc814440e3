"""When the disk that all hosts share counts as calm, and what is told of one that is not."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from bascule.drill import disk
from bascule.drill.disk import DiskWatch, is_calm
from bascule.drill.facts import DiskStalled, tell
from bascule.kernel.clock import FakeClock, SystemClock
from bascule.kernel.errors import MachineError
from bascule.kernel.facts import Bus, Fact
from bascule.lab.syscalls import sync_filesystem
from bascule.measure.evidence import Stall

STALL = Stall(start_s=10.0, length_s=0.5)


def test_a_disk_that_answers_and_did_not_stall_is_calm() -> None:
    assert is_calm(20.0, 19.9, ())
    assert is_calm(20.0, 19.9, (STALL,))


def test_a_stall_a_moment_ago_is_no_calm() -> None:
    assert not is_calm(11.4, 11.35, (STALL,))
    assert is_calm(11.5, 11.45, (STALL,))


def test_a_look_that_does_not_come_back_is_no_calm() -> None:
    assert not is_calm(20.0, 19.7, ())


class Disk:
    """A disk whose writes take as long as a test says; the watch looks at it when the test says so."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.clock = FakeClock(100.0)
        self.facts: list[Fact] = []
        self.settled = 0
        self.write_s = 0.001
        bus = Bus()
        bus.subscribe(self.facts.append)
        self.watch = DiskWatch(directory, bus, self.clock)
        monkeypatch.setattr(os, "pwrite", lambda *_: 7)
        monkeypatch.setattr(os, "fdatasync", lambda _: self.clock.advance(self.write_s))
        monkeypatch.setattr(disk, "sync_filesystem", self._sync)

    def _sync(self, _descriptor: int) -> None:
        self.settled += 1
        self.clock.advance(5.0)

    def look(self, write_s: float = 0.001) -> None:
        self.write_s = write_s
        self.watch.look(-1)


@pytest.fixture
def slow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Disk:
    return Disk(tmp_path, monkeypatch)


def test_a_stall_is_told_and_remembered(slow: Disk) -> None:
    slow.look()
    assert slow.watch.is_calm()
    assert slow.facts == []
    slow.look(0.7)
    assert not slow.watch.is_calm()
    (fact,) = slow.facts
    assert isinstance(fact, DiskStalled)
    assert "stalled for 0.70 s" in tell(fact)
    assert [round(stall.length_s, 3) for stall in slow.watch.stalls(100.0, 200.0)] == [0.7]
    assert slow.watch.stalls(0.0, 100.0) == ()
    assert slow.watch.stalls(101.0, 200.0) == ()
    slow.clock.advance(disk.CALM_S)
    slow.look()
    assert slow.watch.is_calm()


def test_what_was_written_before_must_be_on_the_disk_first(slow: Disk) -> None:
    slow.look()
    slow.watch.settle()
    assert not slow.watch.is_calm()
    slow.look()
    assert slow.watch.is_calm()
    assert slow.settled == 1
    assert slow.facts == [], "settling is no stall"
    slow.look()
    assert slow.settled == 1


class TestReal:
    """On this machine's own disk."""

    def test_it_settles_first_and_leaves_nothing(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        settled = threading.Event()

        def sync(descriptor: int) -> None:
            sync_filesystem(descriptor)
            settled.set()

        monkeypatch.setattr(disk, "sync_filesystem", sync)
        with DiskWatch(tmp_path, Bus(), SystemClock()):
            assert settled.wait(60)
            assert list(tmp_path.iterdir()) == [], "what is written has no name"
        assert list(tmp_path.iterdir()) == []

    def test_one_that_cannot_be_written_to_is_an_error(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        written = threading.Event()

        def full(_descriptor: int, _data: bytes, _offset: int) -> int:
            written.set()
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "pwrite", full)
        failed = DiskWatch(tmp_path, Bus(), SystemClock())
        with failed:
            assert written.wait(60)
        with pytest.raises(MachineError, match="No space left"):
            failed.is_calm()
