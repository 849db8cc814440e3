"""A limit on how long one attempt may take: fixed, or learned from how long the others took."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import KW_ONLY, dataclass
from typing import ClassVar, Never

from bascule.guard.checks import number, refuse, seconds, whole
from bascule.guard.deadline import ENDS_S, TIMED
from bascule.guard.errors import CallTimeoutError, DeadlineExceededError
from bascule.guard.loom import Lines, Loom
from bascule.guard.percentile import RecentLatencies
from bascule.guard.policy import Policy
from bascule.guard.shapes import Shape
from bascule.guard.workers import IN_WORKER, OutOfTimeError, Workers, pool_of

_STREAM = "its consumer decides how long a stream takes; guard the call that opens it"
_REFUSED = {Shape.GENERATOR: _STREAM, Shape.ASYNC_GENERATOR: _STREAM}
INFINITE = math.inf


class _Limited(Policy[Never]):
    """What both kinds of time limit do: wait for a call, and leave it when its time is up."""

    refused_shapes = _REFUSED
    refused_block: ClassVar[str] = ""
    limit_text: ClassVar[str] = "$policy.limit()"
    ends_calls: ClassVar[bool] = True
    workers: int

    def limit(self) -> float:
        """The limit of the next call, in seconds."""
        raise TypeError(f"{type(self).__name__} has no limit")

    def timed_out(self, limit_s: float) -> None:
        """Take note of a call that ran out of its time."""

    def _left_s(self) -> float:
        """Seconds for the next call: the limit, or what the deadline leaves.

        Raises:
            DeadlineExceededError: It leaves nothing.
        """
        limit_s = self.limit()
        ends_s = ENDS_S.get()
        if ends_s == INFINITE:
            return limit_s
        left_s = ends_s - self.home.world.now_s()
        if left_s <= 0:
            raise self._deadline_passed()
        return min(limit_s, left_s)

    def _deadline_passed(self) -> DeadlineExceededError:
        self.home.tell("DeadlinePassed")
        return DeadlineExceededError(self.home.name)

    def _expired(self, *, abandoned: bool = False) -> CallTimeoutError | DeadlineExceededError:
        """Tell whose time was up; gives the error to be raised."""
        if ENDS_S.get() <= self.home.world.now_s():
            return self._deadline_passed()
        limit_s = self.limit()
        self._timeouts += 1
        self.timed_out(limit_s)
        self.home.tell("CallTimedOut", limit_s=limit_s, abandoned=abandoned)
        return CallTimeoutError(self.home.name, limit_s)

    def _run(self, attempt: Callable[[], object]) -> object:
        pool = self.pool or pool_of(self, self.workers)
        try:
            return pool.run(attempt, self._left_s())
        except OutOfTimeError:
            raise self._expired(abandoned=True) from None

    pool: Workers | None = None
    _timeouts: int = 0

    def refuse_shape(self, shape: Shape, *, block: bool) -> None:
        """Refuse a plain block too: nothing can interrupt it."""
        if block and not shape.is_async:
            raise self.not_guardable("a plain with block", "nothing can interrupt it; use `async with`, or a function")
        super().refuse_shape(shape, block=block)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """A timer of the event loop around a coroutine, a worker thread around a plain function."""
        if not loom.is_async:
            return loom.text(IN_WORKER, inner, run=self._run)
        from bascule.guard.timer_wheel import arm  # noqa: PLC0415 - brings asyncio, which plain functions need not load

        text = TIMED.replace("$arm()", f"$arm({self.limit_text} if $ends_s() == $infinite else $left_s())")
        return loom.text(
            text,
            inner,
            arm=arm,
            policy=self,
            ends_s=ENDS_S.get,
            infinite=INFINITE,
            left_s=self._left_s,
            expired=self._expired,
        )

    def reconfigured(self) -> None:
        """Let more or fewer worker threads run from now on."""
        if self.pool is not None:
            self.pool.most = self.workers

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows. `abandoned`: worker threads held by calls that ran out of their time."""
        abandoned = 0 if self.pool is None else self.pool.abandoned
        return {"limit_s": self.limit(), "timeouts": self._timeouts, "abandoned": abandoned}


@dataclass(eq=False)
class Timeout(_Limited):
    """An attempt ends after `limit_s` seconds at the latest, or when the deadline passes, whichever is sooner.

    A coroutine is cancelled. A plain function runs in a worker thread, with the caller's context variables; it cannot
    be ended, so it is left behind, counted as `abandoned`, and its thread is not used again before it returns. A
    `TimeoutError` that the call raises by itself stays what it is.

    Attributes:
        limit_s: Seconds for one attempt, above 0. Kept to within 5 ms in an event loop: never early, at most that late.
        workers: Worker threads at most, 1 to 1000, for plain functions alone.

    Raises, when called:
        CallTimeoutError: The time is up.
        DeadlineExceededError: The time of the whole operation is up.
        WorkersBusyError: No worker thread came free in time, or all are held by abandoned calls.
    """

    limit_s: float

    limit_text: ClassVar[str] = "$policy.limit_s"
    _: KW_ONLY
    workers: int = 32

    def __post_init__(self) -> None:
        seconds(self, "limit_s")
        whole(self, "workers", least=1, most=1000)

    def limit(self) -> float:
        """The limit of every call, in seconds."""
        return self.limit_s

    def longest_s(self) -> float:
        """The limit."""
        return self.limit_s


@dataclass(eq=False)
class AdaptiveTimeout(_Limited):
    """As `Timeout`, with a limit that follows recent latencies: a percentile of them times a factor, within bounds.

    A call that ran out of time counts as having taken its limit, so the limit grows where everything became slower.

    Attributes:
        percentile: Of the recent latencies, in (0, 100].
        factor: How many times longer a call may take, at least 1.
        least_s: The limit is never below.
        most_s: The limit is never above, and stands there until `minimum_calls` latencies are known.
        window: How many latencies are remembered, 1 to 10,000.
        minimum_calls: Latencies that must be known, at least 1 and at most `window`.
        workers: Worker threads at most, for plain functions alone.

    Raises, when called:
        CallTimeoutError, DeadlineExceededError, WorkersBusyError: As `Timeout`.
    """

    percentile: float = 99.0
    _: KW_ONLY
    factor: float = 2.0
    least_s: float = 0.05
    most_s: float = 10.0
    window: int = 500
    minimum_calls: int = 20
    workers: int = 32

    woven_options: ClassVar[frozenset[str]] = frozenset()

    def __post_init__(self) -> None:
        number(self, "percentile", most=100.0, above=True)
        number(self, "factor", least=1.0, most=1000.0)
        seconds(self, "least_s")
        seconds(self, "most_s")
        if self.least_s > self.most_s:
            raise refuse(self, "least_s", self.least_s, f"at most most_s, which is {self.most_s}")
        whole(self, "window", least=1, most=10_000)
        whole(self, "minimum_calls", least=1, most=self.window)
        whole(self, "workers", least=1, most=1000)
        self._recent = RecentLatencies(self.window)

    def limit(self) -> float:
        """The limit of the next call, in seconds."""
        if self._recent.added < self.minimum_calls:
            return self.most_s
        known_s = self._recent.percentile(self.percentile / 100)
        return self.most_s if known_s is None else max(self.least_s, min(self.most_s, known_s * self.factor))

    def _learn(self, latency_s: float) -> None:
        self._recent.add(latency_s)

    def timed_out(self, limit_s: float) -> None:
        """Count it as a call that took its limit."""
        self._recent.add(limit_s)

    def reconfigured(self) -> None:
        """Learn anew where another number of latencies is remembered."""
        super().reconfigured()
        if self._recent.size != self.window:
            self._recent = RecentLatencies(self.window)

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Learn from each call that ends well."""
        learning = loom.text(
            """
            $began_s = $now_s()
            $inner
            $learn($now_s() - $began_s)
            """,
            inner,
            now_s=self.home.world.now_s,
            learn=self._learn,
        )
        return super().weave(loom, learning)

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {**super().snapshot(), "known": min(self._recent.added, self.window)}
