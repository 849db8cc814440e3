"""Time as an argument: the clock port, the real clock, and a fake one for tests."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Where time comes from."""

    def monotonic_s(self) -> float:
        """Seconds on a clock that never jumps and that all processes of this machine share."""
        ...

    def wall_s(self) -> float:
        """Seconds since the Unix epoch; may jump. For display only, never for decisions."""
        ...


class SystemClock:
    """The machine's own clocks. Monotonic seconds compare across processes of one boot."""

    def monotonic_s(self) -> float:
        """Seconds of CLOCK_MONOTONIC."""
        return time.monotonic()

    def wall_s(self) -> float:
        """Seconds since the Unix epoch."""
        return time.time()


class FakeClock:
    """A clock that stands still until a test advances it."""

    def __init__(self, now_s: float = 0.0, wall_offset_s: float = 1_700_000_000.0) -> None:
        self._now_s = now_s
        self._wall_offset_s = wall_offset_s

    def monotonic_s(self) -> float:
        """The seconds that were advanced so far."""
        return self._now_s

    def wall_s(self) -> float:
        """The fake monotonic seconds, moved to a fixed day."""
        return self._wall_offset_s + self._now_s

    def advance(self, step_s: float) -> None:
        """Move time forward.

        Args:
            step_s: Seconds, not negative.

        Raises:
            ValueError: `step_s` is negative; monotonic time never goes back.
        """
        if step_s < 0:
            message = f"monotonic time never goes back: {step_s} s"
            raise ValueError(message)
        self._now_s += step_s


class BootClock(SystemClock):
    """The machine's clock that goes on while the machine is suspended: what leases are counted on."""

    def monotonic_s(self) -> float:
        """Seconds of CLOCK_BOOTTIME."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)
