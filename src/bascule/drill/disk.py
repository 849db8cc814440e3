"""Watches the disk that all hosts of a lab share: when it stalls, all of them stall at once, as no real hosts would."""

from __future__ import annotations

import os
import tempfile
import threading
from pathlib import Path
from typing import Self

from bascule.drill.facts import DiskStalled
from bascule.kernel.clock import Clock
from bascule.kernel.errors import MachineError
from bascule.kernel.facts import Bus
from bascule.lab.syscalls import sync_filesystem
from bascule.measure.evidence import Stall

PERIOD_S = 0.1
STALL_S = 0.1
CALM_S = 1.0


def is_calm(now_s: float, answered_s: float, stalls: tuple[Stall, ...]) -> bool:
    """Whether the disk answered just now, and did not stall within the last `CALM_S` seconds.

    Args:
        now_s: The present.
        answered_s: When the last look at the disk ended.
        stalls: In time order.
    """
    if now_s - answered_s > PERIOD_S + STALL_S:
        return False  # the look that is under way takes too long already
    return not stalls or now_s - stalls[-1].end_s >= CALM_S


class DiskWatch:
    """Times a small synchronous write about ten times a second, in a thread of its own, as long as its `with` block.

    Also has written, when asked, what the page cache holds: what a start left there, or what somebody removed from this
    disk, would otherwise be dealt with while the load runs, and keep every commit waiting for up to a second.

    Args:
        directory: On the disk in question; the file that is written has no name there.
        bus: Hears of every stall.
        clock: Times the looks.
    """

    def __init__(self, directory: Path, bus: Bus, clock: Clock) -> None:
        self._directory = directory
        self._bus = bus
        self._clock = clock
        self._stop = threading.Event()
        self._asked = 0
        self._settled = 0
        self._thread = threading.Thread(target=self._watch, name="disk", daemon=True)
        self._answered_s = 0.0
        self._stalls: tuple[Stall, ...] = ()
        self.failure: OSError | None = None

    def __enter__(self) -> Self:
        """Start watching; the first thing is to settle."""
        self._asked += 1
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop watching. A look that hangs is left to end by itself: nothing waits for a disk that does not answer."""
        self._stop.set()
        self._thread.join(timeout=2)

    def settle(self) -> None:
        """Ask that all that was written so far goes to the disk; `is_calm` is false until it has."""
        self._asked += 1

    def is_calm(self) -> bool:
        """Whether the disk is settled, answers, and did not stall within the last second.

        Raises:
            MachineError: It cannot be written to.
        """
        if self.failure is not None:
            what = f"the disk cannot be written to: {self.failure.strerror}"
            raise MachineError(what, where=str(self._directory)) from self.failure
        return self._settled == self._asked and is_calm(self._clock.monotonic_s(), self._answered_s, self._stalls)

    def stalls(self, since_s: float, until_s: float) -> tuple[Stall, ...]:
        """The stalls that touch this span, in time order."""
        return tuple(stall for stall in self._stalls if stall.end_s >= since_s and stall.start_s <= until_s)

    def _watch(self) -> None:
        try:
            with tempfile.TemporaryFile(dir=self._directory) as file:
                while not self._stop.wait(PERIOD_S):
                    self.look(file.fileno())
        except OSError as error:
            self.failure = error

    def look(self, descriptor: int) -> None:
        """Settle if that was asked for, then time one small write.

        Raises:
            OSError: It cannot be written.
        """
        asked = self._asked
        if asked != self._settled:
            sync_filesystem(descriptor)
            self._settled = asked  # what was asked for meanwhile is done at the next look
        begun_s = self._clock.monotonic_s()
        os.pwrite(descriptor, b"bascule", 0)
        os.fdatasync(descriptor)
        self._answered_s = self._clock.monotonic_s()
        length_s = self._answered_s - begun_s
        if length_s >= STALL_S:
            self._stalls = (*self._stalls, Stall(start_s=begun_s, length_s=length_s))
            self._bus.publish(DiskStalled(at_s=begun_s, length_s=length_s))
