"""What a closed circuit remembers: the last so many calls, those of the last seconds, or a row of failures. Pure.

A circuit gets fresh outcomes each time that it closes, and every call keeps hold of those that it was admitted under.
An outcome that comes late is thus written where nobody looks any more: no generation has to be compared, and none can
be mixed up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import number, whole

FINE, JUDGE, TURN = 0, 1, 2
"""What recording an outcome asks for: nothing; a look at the rates; a new bucket, and then the same again."""
EMPTY = 4


@dataclass(frozen=True, slots=True)
class Rates:
    """How calls went: how many, and which shares of them failed and were slow."""

    calls: int
    failures: int
    slow: int

    @property
    def failure_rate(self) -> float:
        """Share of the calls that failed; 0 without calls."""
        return self.failures / self.calls if self.calls else 0.0

    @property
    def slow_rate(self) -> float:
        """Share of the calls that were slow; 0 without calls."""
        return self.slow / self.calls if self.calls else 0.0


class Outcomes(Protocol):
    """What a call is admitted under, and where its outcome goes."""

    def turn(self, now_s: float) -> None:
        """Make room for what happens now, after TURN was answered. Called by one thread at a time."""
        ...

    def succeeded(self, took_s: float, ended_s: float) -> int:
        """Record a success; FINE, JUDGE or TURN."""
        ...

    def failed(self, took_s: float, ended_s: float) -> int:
        """Record a failure; FINE, JUDGE or TURN."""
        ...


class LiveOutcomes(Outcomes, Protocol):
    """The outcomes of a closed circuit."""

    slow_s: float

    def rates(self, now_s: float) -> Rates:
        """How it went, as far as it is remembered."""
        ...


@dataclass(frozen=True, slots=True)
class CountWindow:
    """Remember the last `size` calls, 1 to 100,000; one byte each."""

    size: int = 100

    def __post_init__(self) -> None:
        whole(self, "size", least=1, most=100_000)

    def open(self, slow_s: float, now_s: float) -> LastOutcomes:
        """Fresh outcomes."""
        del now_s
        return LastOutcomes(self.size, slow_s)


@dataclass(frozen=True, slots=True)
class TimeWindow:
    """Remember the calls of the last `window_s` seconds, kept in `buckets` of equal length."""

    window_s: float = 60.0
    buckets: int = 10

    def __post_init__(self) -> None:
        number(self, "window_s", above=True, most=86_400)
        whole(self, "buckets", least=1, most=1000)

    def open(self, slow_s: float, now_s: float) -> RecentOutcomes:
        """Fresh outcomes."""
        return RecentOutcomes(self, slow_s, now_s)


@dataclass(frozen=True, slots=True)
class Consecutive:
    """Open after `failures` failures in a row, 1 to 100,000; a slow call is one, if slow calls count at all."""

    failures: int = 5

    def __post_init__(self) -> None:
        whole(self, "failures", least=1, most=100_000)

    def open(self, slow_s: float, now_s: float) -> RowOfFailures:
        """Fresh outcomes."""
        del now_s
        return RowOfFailures(slow_s)


Window = CountWindow | TimeWindow | Consecutive


class LastOutcomes(Stepped):
    """The last so many calls, in a ring: bit 0 failed, bit 1 slow, bit 2 not there yet."""

    __slots__ = ("calls", "failures", "next", "ring", "size", "slow", "slow_s")

    def __init__(self, size: int, slow_s: float) -> None:
        super().__init__()
        self.size = size
        self.slow_s = slow_s
        self.ring = bytearray([EMPTY]) * size
        self.next = 0
        self.calls = 0
        self.failures = 0
        self.slow = 0

    @atomic
    def succeeded(self, took_s: float, ended_s: float) -> int:
        """Record a success."""
        place = self.next
        old = self.ring[place]
        if old:
            if old == EMPTY:
                self.calls += 1
            else:
                self.failures -= old & 1
                self.slow -= old >> 1
        slow = took_s >= self.slow_s
        if slow:
            self.ring[place] = 2
            self.slow += 1
        else:
            self.ring[place] = 0
        self.next = place + 1 if place + 1 < self.size else 0
        return JUDGE if slow else FINE

    @atomic
    def failed(self, took_s: float, ended_s: float) -> int:
        """Record a failure."""
        place = self.next
        old = self.ring[place]
        if old == EMPTY:
            self.calls += 1
        else:
            self.failures -= old & 1
            self.slow -= old >> 1
        self.failures += 1
        if took_s >= self.slow_s:
            self.ring[place] = 3
            self.slow += 1
        else:
            self.ring[place] = 1
        self.next = place + 1 if place + 1 < self.size else 0
        return JUDGE

    def turn(self, now_s: float) -> None:
        """Nothing: the ring makes room by itself."""

    def rates(self, now_s: float) -> Rates:
        """How the last calls went."""
        del now_s
        return Rates(self.calls, self.failures, self.slow)


class _Bucket:
    __slots__ = ("calls", "failures", "slow", "until_s")

    def __init__(self, until_s: float) -> None:
        self.until_s = until_s
        self.calls = 0
        self.failures = 0
        self.slow = 0


class RecentOutcomes(Stepped):
    """The calls of the last seconds, in buckets."""

    __slots__ = ("bucket", "older", "slow_s", "window")

    def __init__(self, window: TimeWindow, slow_s: float, now_s: float) -> None:
        super().__init__()
        self.window = window
        self.slow_s = slow_s
        self.bucket = _Bucket(now_s + window.window_s / window.buckets)
        self.older: tuple[_Bucket, ...] = ()

    @atomic
    def succeeded(self, took_s: float, ended_s: float) -> int:
        """Record a success."""
        bucket = self.bucket
        if ended_s >= bucket.until_s:
            return TURN
        bucket.calls += 1
        if took_s >= self.slow_s:
            bucket.slow += 1
            return JUDGE
        return FINE

    @atomic
    def failed(self, took_s: float, ended_s: float) -> int:
        """Record a failure."""
        bucket = self.bucket
        if ended_s >= bucket.until_s:
            return TURN
        bucket.calls += 1
        bucket.failures += 1
        if took_s >= self.slow_s:
            bucket.slow += 1
        return JUDGE

    def turn(self, now_s: float) -> None:
        """Begin the bucket of now, and forget those that are too old."""
        length_s = self.window.window_s / self.window.buckets
        bucket = self.bucket
        if now_s < bucket.until_s:
            return
        passed = int((now_s - bucket.until_s) / length_s) + 1
        until_s = bucket.until_s + passed * length_s
        if until_s <= now_s:  # rounding, where time is large beside a bucket
            until_s = now_s + length_s
        self.older = tuple(one for one in (*self.older, bucket) if self._is_kept(one, until_s))
        self.bucket = _Bucket(until_s)

    def _is_kept(self, bucket: _Bucket, until_s: float) -> bool:
        length_s = self.window.window_s / self.window.buckets
        return bucket.until_s > until_s - self.window.window_s + length_s / 2

    def rates(self, now_s: float) -> Rates:
        """How the calls of the last seconds went."""
        self.turn(now_s)
        buckets = (*self.older, self.bucket)
        return Rates(
            sum(one.calls for one in buckets), sum(one.failures for one in buckets), sum(one.slow for one in buckets)
        )


class RowOfFailures(Stepped):
    """How many failures there were since the last success."""

    __slots__ = ("row", "slow_s")

    def __init__(self, slow_s: float) -> None:
        super().__init__()
        self.slow_s = slow_s
        self.row = 0

    @atomic
    def succeeded(self, took_s: float, ended_s: float) -> int:
        """End the row; a slow success goes on with it."""
        if took_s >= self.slow_s:
            self.row += 1
            return JUDGE
        self.row = 0
        return FINE

    @atomic
    def failed(self, took_s: float, ended_s: float) -> int:
        """Go on with the row."""
        self.row += 1
        return JUDGE

    def turn(self, now_s: float) -> None:
        """Nothing: a row has no age."""

    def rates(self, now_s: float) -> Rates:
        """The row alone."""
        del now_s
        return Rates(self.row, self.row, 0)
