"""A term: what the one that leads is given, to fence its writes with and to stop by."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import threading

from bascule.kernel.clock import BootClock
from bascule.kernel.errors import LeadershipLostError

LEAST_S, MOST_S = 0.001, 3600.0


class Lost:
    """Whether the lease is lost. For threads and for tasks alike.

    It looks at the clock: it is set once the validity has ended, also if nobody came to say so. It never goes back. In
    a forked child it is set: a child has no part in its parent's lease.
    """

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s
        self._clock = BootClock()
        self._event = threading.Event()
        self._lock = threading.Lock()
        self._tasks: list[tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]] = []
        self._pid = os.getpid()
        self.why = ""

    def is_set(self) -> bool:
        """It is lost."""
        if self._event.is_set() or os.getpid() != self._pid:
            return True
        if self._clock.monotonic_s() >= self.until_s:
            self.set("the validity has ended")
            return True
        return False

    def wait(self, timeout_s: float | None = None) -> bool:
        """Wait in a thread until it is lost, for so long at most; returns whether it is."""
        end_s = math.inf if timeout_s is None else self._clock.monotonic_s() + timeout_s
        while not self.is_set():
            left_s = min(end_s, self.until_s) - self._clock.monotonic_s()
            if end_s <= self._clock.monotonic_s():
                return False
            self._event.wait(min(max(left_s, LEAST_S), MOST_S))
        return True

    async def waited(self) -> None:
        """Wait in a task until it is lost."""
        if self.is_set():
            return
        loop = asyncio.get_running_loop()
        waiting: tuple[asyncio.AbstractEventLoop, asyncio.Future[None]] = (loop, loop.create_future())
        with self._lock:
            self._tasks.append(waiting)
        try:
            while not self.is_set():
                await asyncio.wait([waiting[1]], timeout=max(self.until_s - self._clock.monotonic_s(), LEAST_S))
        finally:
            with self._lock, contextlib.suppress(ValueError):  # whoever set it has taken all of them out
                self._tasks.remove(waiting)

    def set(self, why: str) -> None:
        """It is lost, for this reason. Only whoever keeps the lease says so."""
        with self._lock:
            if self._event.is_set():
                return
            self.why = why
            self._event.set()
            waiting, self._tasks = self._tasks, []
        for loop, future in waiting:
            with contextlib.suppress(RuntimeError):  # that event loop was closed, and nobody waits in it any more
                loop.call_soon_threadsafe(_resolve, future)


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


class Term:
    """One term of leadership. Safe to read from any thread.

    Attributes:
        group: What is led.
        token: The fencing token: greater than that of every earlier term. Send it with each write.
        lost: Set once nothing may be done in the name of this term any more.
    """

    def __init__(self, group: str, token: int, until_s: float) -> None:
        self.group = group
        self.token = token
        self.lost = Lost(until_s)
        self._clock = BootClock()

    @property
    def remaining_s(self) -> float:
        """For how many seconds it holds if no renewal succeeds any more; 0 once it is lost."""
        return 0.0 if self.lost.is_set() else max(0.0, self.lost.until_s - self._clock.monotonic_s())

    def check(self) -> None:
        """Return if the term holds now.

        Raises:
            LeadershipLostError: It does not. A write that was checked can still be late: only the token refuses it.
        """
        if self.remaining_s <= 0:
            raise LeadershipLostError(f"the lease on {self.group} is lost", hint=self.lost.why or "stop")

    def extend(self, until_s: float) -> None:
        """It holds until then. Only whoever keeps the lease says so."""
        self.lost.until_s = until_s
