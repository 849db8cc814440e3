"""Many time limits on one event loop, for the price of one timer.

`asyncio.timeout` makes a timer of the loop, and with it a heap entry and a handle, for each call. Nearly all of them
are cancelled again. Here limits are sorted into ticks; the loop has one timer, for the next tick in which something
is due. A limit is kept to within one tick: never early, at most `TICK_S` late.
"""

from __future__ import annotations

import asyncio
import heapq
from asyncio import current_task
from time import monotonic

TICK_S = 0.005
TICKS_PER_S = 200
CLEAR_AT = 1000


class Timer:
    """The limit of one call, held by the task that makes it. Made by `arm` alone, which sets its fields."""

    __slots__ = ("bucket", "cancelling", "has_expired", "task")

    task: asyncio.Task[object]
    bucket: dict[Timer, None] | None
    cancelling: int
    has_expired: bool

    def disarm(self) -> None:
        """The call has ended by itself."""
        bucket = self.bucket
        if bucket is not None:
            del bucket[self]
            self.bucket = None
        elif self.has_expired:  # the call caught the cancellation and came to an end of its own
            self.task.uncancel()
            self.has_expired = False

    def ended(self, error: BaseException) -> bool:
        """Whether `error` is the cancellation by which this limit, and nobody else, ended the call. Asked once.

        It lets go of the task: the error's traceback holds this timer, and the task may come to hold the error.
        """
        task = self.task
        del self.task
        if not self.has_expired:
            self.disarm()
            return False
        self.has_expired = False
        return task.uncancel() <= self.cancelling and isinstance(error, asyncio.CancelledError)

    def expire(self) -> None:
        """The time is up: cancel the call."""
        self.bucket = None
        self.has_expired = True
        self.task.cancel()


class TimerWheel:
    """The limits of one event loop. Used in that loop's thread alone."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.buckets: dict[int, dict[Timer, None]] = {}
        self._ticks: list[int] = []
        self._next: asyncio.TimerHandle | None = None
        self._next_tick = 0
        self._most = CLEAR_AT

    def open(self, tick: int) -> dict[Timer, None]:
        """A new tick."""
        if len(self._ticks) > self._most:
            self._clear()
        bucket: dict[Timer, None] = {}
        self.buckets[tick] = bucket
        heapq.heappush(self._ticks, tick)
        if self._next is None or tick < self._next_tick:
            self._schedule(tick)
        return bucket

    def _clear(self) -> None:
        """Forget ticks in which nothing is due any more: where limits are long, most calls have ended by far."""
        for tick in self._ticks:
            if not self.buckets[tick]:
                del self.buckets[tick]
        self._ticks[:] = sorted(self.buckets)
        self._most = max(CLEAR_AT, 2 * len(self._ticks))  # so that it costs each tick the same, however many there are

    def _schedule(self, tick: int) -> None:
        if self._next is not None:
            self._next.cancel()
        self._next_tick = tick
        self._next = self._loop.call_later(max(0.0, tick / TICKS_PER_S - monotonic()), self._turn)

    def _turn(self) -> None:
        """Expire what is due, and sleep until the next tick that has anything in it."""
        self._next = None
        now_s = monotonic()
        ticks, buckets = self._ticks, self.buckets
        while ticks and (ticks[0] / TICKS_PER_S <= now_s or not buckets[ticks[0]]):
            for timer in buckets.pop(heapq.heappop(ticks)):
                timer.expire()
        if ticks:
            self._schedule(ticks[0])


_wheels: dict[asyncio.AbstractEventLoop, TimerWheel] = {}


def wheel_of(loop: asyncio.AbstractEventLoop) -> TimerWheel:
    """The timer wheel of an event loop, made when it is first asked for; those of closed loops go then."""
    wheel = _wheels.get(loop)
    if wheel is None:
        for other in list(_wheels):
            if other.is_closed():
                _wheels.pop(other, None)
        wheel = _wheels[loop] = TimerWheel(loop)
    return wheel


def arm(limit_s: float) -> Timer:
    """End the running task by cancellation after `limit_s` seconds, unless the timer is disarmed before."""
    task = current_task()
    if task is None:
        raise RuntimeError("a time limit needs a task: await the guarded coroutine in one")
    loop = task.get_loop()
    wheel = _wheels.get(loop)
    if wheel is None:
        wheel = wheel_of(loop)
    tick = int((monotonic() + limit_s) * TICKS_PER_S) + 1
    bucket = wheel.buckets.get(tick)
    if bucket is None:
        bucket = wheel.open(tick)
    timer = Timer()  # its fields are set here: a constructor would cost as much again
    timer.task = task
    timer.bucket = bucket
    timer.cancelling = task.cancelling()
    timer.has_expired = False
    bucket[timer] = None
    return timer
