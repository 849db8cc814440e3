"""When the next call may be made, so that calls keep to a rate. Pure: the time is an argument.

Both kinds answer with a wait: 0 means now, anything else is how long until the permit is the caller's own. Whatever
changes a permit is one step, as `bascule.guard.atomic` explains. Times are seconds of a clock that does not go back; a
time before one already seen counts as that one, since threads may come in another order than they looked at the clock.

Sources: ITU-T I.371 (2004), annex A, for the generic cell rate algorithm, which keeps a token bucket as one instant;
golang.org/x/time/rate for what a cancelled reservation may give back; SmoothWarmingUp of Guava for a cold source that
serves a third of its rate, here as a ramp.
"""

# ruff: noqa: FURB136, PLR1730 - a step may call nothing, not even `max`

from __future__ import annotations

import math
from typing import Protocol

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import number, seconds, whole

NEVER_S = math.inf
"""The wait for more permits than can ever be had together."""

_SLACK_S = 1e-9  # sums of times are no more exact than this


class Rate(Protocol):
    """What `TokenBucket` and `SlidingWindow` have in common."""

    def reserve(self, now_s: float, permits: int = 1, within_s: float = math.inf, /) -> float:
        """The wait for permits, in seconds; they are reserved if it is at most `within_s`."""
        ...  # pragma: no cover - a protocol has no body

    def try_take(self, now_s: float, permits: int = 1, /) -> float:
        """0.0 when permits were taken; otherwise the wait after which they could be, and nothing was taken."""
        ...  # pragma: no cover - as above

    def cancel(self, due_s: float, permits: int = 1, /) -> None:
        """Give back what was reserved and not used; `due_s` is the time of the reservation plus its wait."""
        ...  # pragma: no cover - as above

    def available(self, now_s: float, /) -> int:
        """How many permits could be taken at once."""
        ...  # pragma: no cover - as above


class TokenBucket(Stepped):
    """At most `rate_per_s * t + burst` permits fall due in any `t` seconds, to a nanosecond.

    Permits fall due in the order in which they were reserved. With a warm-up the rate climbs in a straight line from a
    third to the full one over `warm_up_s` seconds after the first call, and again after as long a time in which nobody
    asked; a cold bucket holds one permit at most. Takes the same few numbers of memory, whatever rate and burst.

    Args:
        rate_per_s: Permits per second in the long run, from 1e-9 to 1e6.
        burst: Permits that a full bucket holds, from 1 to 1,000,000.
        warm_up_s: How long the rate climbs, in seconds from 0 (it does not) to 1e9.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    __slots__ = (
        "_busy_s", "_cold", "_credit", "_due", "_full_at", "_interval", "_seen_s", "_start_s", "burst", "rate_per_s",
        "warm_up_s",
    )  # fmt: skip

    # The bucket keeps its own clock: seconds since `_start_s`, at the speed of the current share of the full rate. On
    # that clock it is full again at `_full_at`, and the permit reserved last falls due at `_due`.

    def __init__(self, rate_per_s: float, burst: int = 1, warm_up_s: float = 0.0) -> None:
        super().__init__()
        self._seen_s = self._busy_s = self._full_at = self._due = -math.inf
        self._start_s = 0.0
        self._set(rate_per_s, burst, warm_up_s)

    def _set(self, rate_per_s: float, burst: int, warm_up_s: float) -> None:
        self.rate_per_s, self.burst, self.warm_up_s = rate_per_s, burst, warm_up_s
        number(self, "rate_per_s", least=1e-9, most=1e6)
        whole(self, "burst", least=1)
        seconds(self, "warm_up_s", above=False)
        self._interval = 1 / rate_per_s
        self._credit = burst * self._interval
        self._cold = self._credit - self._interval

    @atomic
    def reserve(  # noqa: C901, PLR0912 - one step, which may call nothing
        self, now_s: float, permits: int = 1, within_s: float = math.inf, /
    ) -> float:
        """Seconds until the permits fall due; they are reserved if that is at most `within_s`.

        Args:
            now_s: The time.
            permits: How many; more than `burst` can never be had, which `NEVER_S` says.
            within_s: The longest wait that is wanted.
        """
        if not 1 <= permits <= self.burst:
            return NEVER_S
        if now_s < self._seen_s:
            now_s = self._seen_s
        self._seen_s = now_s
        warm_up_s = self.warm_up_s
        now = now_s
        if warm_up_s:
            now -= self._start_s
            if now_s - self._busy_s >= warm_up_s:  # cold: the clock begins anew, and what was taken is not forgotten
                self._full_at -= now - warm_up_s / 3
                if self._full_at < self._cold:
                    self._full_at = self._cold
                self._start_s = now_s
                now = self._due = 0.0
            else:
                now = now - warm_up_s / 3 if now >= warm_up_s else now * (1 + now / warm_up_s) / 3
            if now_s > self._busy_s:
                self._busy_s = now_s
        full_at = (self._full_at if self._full_at > now else now) + permits * self._interval
        due = full_at - self._credit
        if due <= now + _SLACK_S:
            due = now
            wait_s = 0.0
        elif not warm_up_s:
            wait_s = due - now
        elif due >= warm_up_s / 1.5:
            wait_s = due + warm_up_s / 3 + self._start_s - now_s
        else:
            wait_s = ((warm_up_s * (warm_up_s + 12 * due)) ** 0.5 - warm_up_s) / 2 + self._start_s - now_s
        if wait_s <= within_s:
            self._full_at = full_at
            self._due = due
            if now_s + wait_s > self._busy_s:
                self._busy_s = now_s + wait_s
        return wait_s

    def try_take(self, now_s: float, permits: int = 1, /) -> float:
        """0.0 when the permits were taken; otherwise the wait after which they could be, and nothing was taken."""
        return self.reserve(now_s, permits, 0.0)

    def cancel(self, due_s: float, permits: int = 1, /) -> None:
        """Give back permits that were reserved and not used, as far as the guarantee allows.

        What was reserved later keeps its time, so a permit that others wait behind is lost.

        Args:
            due_s: When they fall due: the time of the reservation plus its wait.
            permits: As many as were reserved.
        """
        start_s = self._start_s
        if due_s >= start_s or not self.warm_up_s:
            self._give_back(start_s, self._own(due_s), self._own(self._seen_s), permits * self._interval)

    @atomic
    def _give_back(self, start_s: float, due: float, now: float, worth: float) -> None:
        if start_s != self._start_s:  # the bucket was idle for long, and nothing is owed
            return
        back = worth - (self._due - due)
        if back <= 0:
            return
        if back > worth - _SLACK_S:  # it was the last one, and the one before fell due no later than this
            back = worth
            earlier = self._due - worth
            if earlier < now:
                earlier = now
            if earlier < self._due:
                self._due = earlier
        self._full_at -= back

    def available(self, now_s: float, /) -> int:
        """How many permits could be taken at once."""
        now_s = max(now_s, self._seen_s)
        now = self._own(now_s)
        full_at = max(self._full_at, now)
        if self.warm_up_s and now_s - self._busy_s >= self.warm_up_s:
            full_at = max(full_at, now + self._cold)
        return max(0, math.floor((now + self._credit - full_at + _SLACK_S) / self._interval))

    def is_rested(self, now_s: float, /) -> bool:
        """Whether a new bucket would say the same from now on: it is full, and cold if it has a warm-up."""
        if not self.warm_up_s:
            return self.available(now_s) >= self.burst
        now_s = max(now_s, self._seen_s)
        return now_s - self._busy_s >= self.warm_up_s and self._full_at - self._own(now_s) <= self._cold

    def reconfigure(self, now_s: float, rate_per_s: float, burst: int, warm_up_s: float = 0.0) -> None:
        """Change the options; permits that were taken stay taken. A new warm-up counts as over.

        Raises:
            InputError: One of them is impossible; nothing is changed then.
        """
        fresh = TokenBucket(rate_per_s, burst, warm_up_s)
        taken = max(0.0, (self._full_at - self._own(now_s)) / self._interval)
        if warm_up_s != self.warm_up_s:
            fresh._start_s = now_s - warm_up_s if warm_up_s else 0.0
        else:
            fresh._start_s = self._start_s
        fresh._full_at = fresh._own(now_s) + taken * fresh._interval
        self._set(rate_per_s, burst, warm_up_s)
        self._start_s = fresh._start_s
        self._full_at = fresh._full_at
        self._due = max(self._own(now_s), self._full_at - self._credit)
        self._busy_s = max(self._busy_s, now_s)

    def _own(self, at_s: float) -> float:
        """A time on the bucket's own clock."""
        warm_up_s = self.warm_up_s
        if not warm_up_s:
            return at_s
        at = at_s - self._start_s
        return at - warm_up_s / 3 if at >= warm_up_s else at * (1 + at / warm_up_s) / 3


class SlidingWindow(Stepped):
    """Never do more than `limit` permits fall due within any `window_s` seconds (the end of the window excluded).

    It is exact: the times of the latest `limit` permits are kept, 8 bytes for each of `limit` and a float more once it
    was used (320 kB in all for a limit of 10,000, 480 kB without a GIL). Permits fall due in the order in which they
    were reserved. A permit counts at the time at which it falls due, whenever the caller makes use of it.

    Args:
        limit: Permits in a window, from 1 to 1,000,000.
        window_s: The window's length, in seconds above 0, at most 1e9.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    __slots__ = ("_at", "_log", "_seen_s", "limit", "window_s")

    # `_log` is a ring of times, oldest at `_at`. Read from there it is sorted.

    def __init__(self, limit: int, window_s: float) -> None:
        super().__init__()
        self.limit = limit
        self.window_s = window_s
        whole(self, "limit", least=1)
        seconds(self, "window_s")
        self._seen_s = -math.inf
        self._log = [-math.inf] * limit
        self._at = 0

    @atomic
    def reserve(self, now_s: float, permits: int = 1, within_s: float = math.inf, /) -> float:
        """Seconds until the permits fall due, all at once; they are reserved if that is at most `within_s`.

        Args:
            now_s: The time.
            permits: How many; more than `limit` can never be had, which `NEVER_S` says.
            within_s: The longest wait that is wanted.
        """
        limit = self.limit
        if not 1 <= permits <= limit:
            return NEVER_S
        if now_s < self._seen_s:
            now_s = self._seen_s
        self._seen_s = now_s
        log = self._log
        at = self._at
        due_s = log[(at + permits - 1) % limit] + self.window_s
        if due_s < log[at - 1]:
            due_s = log[at - 1]
        if due_s < now_s:
            due_s = now_s
        if due_s - now_s > within_s:
            return due_s - now_s
        end = at + permits
        if permits == 1:
            log[at] = due_s
        elif end <= limit:
            log[at:end] = [due_s] * permits
        else:
            log[at:] = [due_s] * (limit - at)
            log[: end - limit] = [due_s] * (end - limit)
        self._at = end % limit
        return due_s - now_s

    def try_take(self, now_s: float, permits: int = 1, /) -> float:
        """0.0 when the permits were taken; otherwise the wait after which they could be, and nothing was taken."""
        return self.reserve(now_s, permits, 0.0)

    def cancel(self, due_s: float, permits: int = 1, /) -> None:
        """Give back permits that were reserved and not used, as if they had never been.

        What was reserved later keeps its time. Costs a look at each time in the log.

        Args:
            due_s: When they fall due: the time of the reservation plus its wait.
            permits: As many as were reserved.
        """
        while True:
            log, at = self._log, self._at
            ordered = log[at:] + log[:at]
            last = next((i for i in reversed(range(len(ordered))) if abs(ordered[i] - due_s) <= _SLACK_S), None)
            if last is None:
                return
            first = max(0, last + 1 - permits)
            rest = ordered[:first] + ordered[last + 1 :]
            # What these permits had pushed out of the log is unknown, but not later than this.
            gone_s = min(ordered[0], ordered[-1] - self.window_s)
            if self._replace(log, at, [gone_s] * (last + 1 - first) + rest, self.limit, self.window_s):
                return

    @atomic
    def _replace(self, log: list[float], at: int, fresh: list[float], limit: int, window_s: float) -> bool:
        """Put a fresh log in the place of the one that was looked at, unless that has changed since."""
        if log is not self._log or at != self._at:
            return False
        self._log = fresh
        self._at = 0
        self.limit = limit
        self.window_s = window_s
        return True

    def available(self, now_s: float, /) -> int:
        """How many permits could be taken at once."""
        log, at = self._log, self._at
        now_s = max(now_s, self._seen_s)
        return 0 if log[at - 1] > now_s else sum(at_s + self.window_s <= now_s for at_s in log)

    def reconfigure(self, limit: int, window_s: float) -> None:
        """Change the options; permits that were taken stay taken, as far back as the old window reached.

        Raises:
            InputError: One of them is impossible; nothing is changed then.
        """
        SlidingWindow(limit, window_s)
        while True:
            log, at = self._log, self._at
            ordered = log[at:] + log[:at]
            gone_s = min(ordered[0], ordered[-1] - self.window_s)
            fresh = [gone_s] * (limit - len(ordered)) + ordered[-limit:]
            if self._replace(log, at, fresh, limit, window_s):
                return
