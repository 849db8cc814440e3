"""Threads: does one that works for ever still work."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from bascule.health.check import Check, check_seconds
from bascule.kernel.clock import Clock, SystemClock


class Heartbeat:
    """Tells a thread that hangs or has ended by the beats that it no longer gives.

    The thread calls `beat()` in its loop, and waits for work within `resting()`, where silence is no illness.

    Args:
        limit_s: The longest time between two beats; it begins when the heartbeat is made.
        clock: Where time comes from.

    Raises:
        InputError: The limit is not above zero.
    """

    def __init__(self, limit_s: float, *, clock: Clock | None = None) -> None:
        check_seconds("Heartbeat.limit_s", limit_s)
        self._limit_s = limit_s
        self._clock: Clock = clock or SystemClock()
        self._beaten_s = self._clock.monotonic_s()
        self._thread: threading.Thread | None = None
        self._is_resting = False

    def beat(self) -> None:
        """The thread that calls this is well."""
        self._thread = threading.current_thread()
        self._beaten_s = self._clock.monotonic_s()

    @contextmanager
    def resting(self) -> Iterator[None]:
        """Until the end of this context the thread may be silent: it waits for work."""
        self.beat()
        self._is_resting = True
        try:
            yield
        finally:
            self.beat()
            self._is_resting = False

    def check(self) -> Check:
        """Whether the last beat is young enough, and its thread still there; looks at the process alone."""
        return Check(self._ask, "process")

    def _ask(self) -> None:
        if self._thread is not None and not self._thread.is_alive():
            raise RuntimeError(f"the thread {self._thread.name!r} has ended")
        silent_s = self._clock.monotonic_s() - self._beaten_s
        if silent_s > self._limit_s and not self._is_resting:
            raise TimeoutError(f"silent for {silent_s:.1f} s (limit {self._limit_s:g} s)")
