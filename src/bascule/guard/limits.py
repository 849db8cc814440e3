"""How many calls may run at once, learned from how they fare. Pure: luck is an argument.

A `LimitEstimator` gathers calls until about one round trip of them has ended (as many as the limit, at least `window`),
and then lets its algorithm take one step, on their mean latency, the most that were in flight, and whether any dropped:

- `Aimd` adds one, and gives up a tenth when a call was dropped or slow. All it needs is that calls fail under load.
- `Vegas` keeps a few calls in the queue, which it reckons from the latency against the lowest one known. It reacts
  before calls fail.
- `Gradient2` compares the latency with its own long-term average, and so puts up with latencies that vary.

Each leaves the limit as it is while less than half of it is used: a limit that nobody comes near has not been tried.

Sources: `AIMDLimit`, `VegasLimit`, `Gradient2Limit` and `WindowedLimit` of Netflix concurrency-limits, whose formulas
and defaults these are but for what the classes below say; Chiu and Jain, "Analysis of the Increase and Decrease
Algorithms for Congestion Avoidance in Computer Networks" (1989); Brakmo and Peterson, "TCP Vegas: End to End Congestion
Avoidance on a Global Internet" (1995).
"""

# ruff: noqa: PLR1730 - a step may call nothing, not even `max`

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import number, refuse, seconds, whole

Uniform = Callable[[float, float], float]
"""Draws a number between two others, each equally likely."""

_LEAST_S = 1e-9  # what a coarse clock calls no time at all
_MOST_S = 1e9
_WARM_UP = 10  # so many windows are averaged evenly before older ones begin to fade


class LimitOptions(Protocol):
    """What every algorithm is told."""

    @property
    def initial(self) -> int:
        """The limit to begin with."""
        ...  # pragma: no cover - a protocol has no body

    @property
    def minimum(self) -> int:
        """The lowest limit there may be."""
        ...  # pragma: no cover - as above

    @property
    def maximum(self) -> int:
        """The highest limit there may be."""
        ...  # pragma: no cover - as above

    @property
    def window(self) -> int:
        """The fewest calls that a step is taken on."""
        ...  # pragma: no cover - as above

    def estimator(self, uniform: Uniform, /) -> LimitEstimator:
        """A fresh estimator that is at `initial`."""
        ...  # pragma: no cover - as above


class _Steps(Protocol):
    """The state of one algorithm: its estimate, and the step that moves it and gives the limit until the next."""

    estimate: float
    options: Any

    def step(self, latency_s: float, in_flight: int, *, dropped: bool) -> float: ...


def _check(options: LimitOptions) -> None:
    whole(options, "minimum", least=1)
    whole(options, "maximum", least=1)
    whole(options, "initial", least=1)
    whole(options, "window", least=1)
    if options.maximum < options.minimum:
        raise refuse(options, "maximum", options.maximum, f"at least minimum, which is {options.minimum}")
    if not options.minimum <= options.initial <= options.maximum:
        rule = f"from minimum to maximum, which are {options.minimum} and {options.maximum}"
        raise refuse(options, "initial", options.initial, rule)


def _check_ratio(options: LimitOptions) -> None:
    number(options, "backoff_ratio", least=0.5, most=0.99)


def _clamp(options: LimitOptions, limit: float) -> float:
    return max(float(options.minimum), min(float(options.maximum), limit))


class LimitEstimator(Stepped):
    """A concurrency limit that follows how calls fare, always from `minimum` to `maximum`.

    Gathering a call is one step, as `bascule.guard.atomic` explains, so threads may all report to one estimator.

    Attributes:
        limit: How many calls may run at once.
        options: What the algorithm was told.
    """

    __slots__ = (
        "_count",
        "_dropped",
        "_due",
        "_in_flight",
        "_slow_s",
        "_steps",
        "_timed",
        "_total_s",
        "limit",
        "options",
    )

    def __init__(self, options: LimitOptions, steps: _Steps, slow_s: float = math.inf) -> None:
        super().__init__()
        self.options = options
        self.limit = options.initial
        self._steps = steps
        self._slow_s = slow_s
        self._due = max(options.window, options.initial)
        self._count = self._timed = self._in_flight = 0
        self._total_s = 0.0
        self._dropped = False

    def update(self, latency_s: float, in_flight: int, dropped: bool = False, /) -> int:
        """Take in that a call has ended, and give the limit that holds now.

        Args:
            latency_s: How long it took, in seconds; anything else than a finite time from 0 to 1e9 is not looked at.
            in_flight: How many calls ran when it began, itself included.
            dropped: Whether it failed as calls do under overload: it timed out, or was refused by the other side.
        """
        gathered = self._gather(latency_s, in_flight, dropped)
        if gathered is not None:
            steps = self._steps
            self.limit = int(steps.step(gathered[0], gathered[1], dropped=gathered[2]))
            self._due = max(self.options.window, int(steps.estimate))
        return self.limit

    def reconfigure(self, options: LimitOptions) -> None:
        """Change the options; what was learned stays, within the new bounds.

        Raises:
            InputError: They are those of another algorithm, which needs an estimator of its own.
        """
        if type(options) is not type(self.options):
            raise refuse(self, "options", options, f"options of {type(self.options).__name__}, as they were")
        self.options = self._steps.options = options
        self._steps.estimate = _clamp(options, self._steps.estimate)
        self._slow_s = getattr(options, "timeout_s", math.inf)
        self.limit = int(_clamp(options, self.limit))
        self._due = max(options.window, int(self._steps.estimate))

    @atomic
    def _gather(self, latency_s: float, in_flight: int, dropped: bool, /) -> tuple[float, int, bool] | None:
        if in_flight > self._in_flight:
            self._in_flight = in_flight
        if dropped or self._slow_s < latency_s:
            self._dropped = True
        elif 0.0 <= latency_s <= _MOST_S:
            self._timed += 1
            self._total_s += latency_s
        self._count += 1
        if self._count < self._due:
            return None
        mean_s = self._total_s / self._timed if self._timed else 0.0
        gathered = (mean_s if mean_s > _LEAST_S or not self._timed else _LEAST_S, self._in_flight, self._dropped)
        self._count = self._timed = self._in_flight = 0
        self._total_s = 0.0
        self._dropped = False
        return gathered


@dataclass(frozen=True, slots=True)
class Aimd:
    """Adds one after a good round trip that used half of the limit; multiplies by `backoff_ratio` after a bad one.

    Unlike the source it takes one step for a round trip and not for each call, as Chiu and Jain describe it: one bad
    moment costs a tenth of the limit, however many calls it hit.

    Attributes:
        initial: The limit to begin with, from `minimum` to `maximum`.
        minimum: The lowest limit, at least 1.
        maximum: The highest limit, at most 1,000,000.
        backoff_ratio: What is left of the limit after a drop, from 0.5 to 0.99.
        timeout_s: A call that takes longer counts as dropped, in seconds above 0.
        window: The fewest calls that a step is taken on, at least 1.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    initial: int = 20
    minimum: int = 1
    maximum: int = 200
    backoff_ratio: float = 0.9
    timeout_s: float = 5.0
    window: int = 10

    def __post_init__(self) -> None:
        _check(self)
        _check_ratio(self)
        seconds(self, "timeout_s")

    def estimator(self, uniform: Uniform, /) -> LimitEstimator:
        """A fresh estimator that is at `initial`."""
        return LimitEstimator(self, _AimdSteps(self), self.timeout_s)


class _AimdSteps:
    __slots__ = ("estimate", "options")

    def __init__(self, options: Aimd) -> None:
        self.options = options
        self.estimate = float(options.initial)

    def step(self, latency_s: float, in_flight: int, *, dropped: bool) -> float:
        limit = self.estimate
        if dropped:
            limit = min(limit - 1, math.floor(limit * self.options.backoff_ratio))
        elif in_flight * 2 >= limit:
            limit += 1
        self.estimate = _clamp(self.options, limit)
        return self.estimate


@dataclass(frozen=True, slots=True)
class Vegas:
    """Keeps the number of calls that wait at the other side between `alpha` and `beta` times the digits of the limit.

    That number is reckoned as `limit * (1 - lowest latency / latency)`; digits are the whole part of the decimal
    logarithm, at least 1. With no queue the limit grows by the upper bound, with a small one by one for each digit;
    with a long one it goes down by the same, or by half of what is too much. A drop multiplies it by `backoff_ratio`.

    The lowest latency is measured anew about every `probe_every` round trips, since it may have changed. Unlike the
    source, which takes the latency of any call then and so creeps up under lasting load, the limit is lowered for two
    round trips so that the queue drains first. BBR does so too (Cardwell and others, "BBR: Congestion-Based Congestion
    Control", 2016). Estimators do not probe in step: each waits for half to all of `probe_every`, by luck.

    Attributes:
        initial: The limit to begin with, from `minimum` to `maximum`.
        minimum: The lowest limit, at least 1.
        maximum: The highest limit, at most 1,000,000.
        alpha: Below so many queued calls, times the digits of the limit, the limit grows; at least 1.
        beta: Above so many, it shrinks; at least `alpha`.
        smoothing: The share of each step that is taken, above 0 and at most 1.
        backoff_ratio: What is left of the limit after a drop, from 0.5 to 0.99.
        probe_every: Round trips between two measurements of the lowest latency, at least 4.
        window: The fewest calls that a step is taken on, at least 1.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    initial: int = 20
    minimum: int = 1
    maximum: int = 1000
    alpha: int = 3
    beta: int = 6
    smoothing: float = 1.0
    backoff_ratio: float = 0.9
    probe_every: int = 30
    window: int = 10

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "alpha", least=1)
        whole(self, "beta", least=1)
        if self.beta < self.alpha:
            raise refuse(self, "beta", self.beta, f"at least alpha, which is {self.alpha}")
        number(self, "smoothing", most=1.0, above=True)
        _check_ratio(self)
        whole(self, "probe_every", least=4)

    def estimator(self, uniform: Uniform, /) -> LimitEstimator:
        """A fresh estimator that is at `initial`; `uniform` decides when it probes."""
        return LimitEstimator(self, _VegasSteps(self, uniform))


class _VegasSteps:
    __slots__ = ("_lowest_s", "_probe", "_rest", "_uniform", "estimate", "options")

    def __init__(self, options: Vegas, uniform: Uniform) -> None:
        self.options = options
        self._uniform = uniform
        self.estimate = float(options.initial)
        self._lowest_s = math.inf
        self._probe = 0  # 2: calls from before the limit was lowered end; 1: the latency is measured
        self._rest = self._draw()

    def _draw(self) -> float:
        return self._uniform(0.5, 1.0) * self.options.probe_every

    def step(self, latency_s: float, in_flight: int, *, dropped: bool) -> float:
        if dropped:
            self.estimate = _clamp(self.options, self.estimate * self.options.backoff_ratio)
        elif latency_s > 0:
            self._measured(latency_s, in_flight)
        return self._lowered() if self._probe else self.estimate

    def _measured(self, latency_s: float, in_flight: int) -> None:
        if self._probe:
            self._probe -= 1
            if self._probe == 0:
                self._lowest_s = latency_s
            return
        self._rest -= 1
        if self._rest <= 0:
            self._rest = self._draw()
            self._probe = 2
        elif latency_s < self._lowest_s:
            self._lowest_s = latency_s
        if in_flight * 2 >= self.estimate:
            aim = _clamp(self.options, self.estimate + self._change(latency_s))
            self.estimate += self.options.smoothing * (aim - self.estimate)

    def _change(self, latency_s: float) -> float:
        digits, queue = self._digits(), self._queue(latency_s)
        if queue <= digits:
            return self.options.beta * digits
        if queue < self.options.alpha * digits:
            return digits
        excess = queue - self.options.beta * digits
        return -max(digits, excess // 2) if excess > 0 else 0

    def _queue(self, latency_s: float) -> int:
        return math.ceil(self.estimate * (1 - min(1.0, self._lowest_s / latency_s)))

    def _digits(self) -> int:
        return max(1, int(math.log10(self.estimate)))

    def _lowered(self) -> float:
        """A limit at which the queue drains: no lower than half, for the sake of those who call."""
        drained = self.estimate - 2 * self.options.beta * self._digits()
        return _clamp(self.options, max(self.estimate / 2, drained))


@dataclass(frozen=True, slots=True)
class Gradient2:
    """Shrinks the limit as the latency rises above `tolerance` times its long-term average.

    Each round trip moves the limit by `smoothing` towards `limit * gradient + queue`, with a gradient of
    `tolerance * average / latency`, held to 0.5 to 1, and a queue of `queue_size` or the root of the limit, if that is
    more. An average of more than twice the latency decays by a tenth each time, so that an overload is soon forgotten
    once it ends. While one lasts the average follows it, and the limit creeps up: `maximum` is the bound that holds.

    Unlike the source, a drop multiplies the limit by `backoff_ratio`, as in `GradientLimit` before it; and the average
    spans ten times as many windows, since ours are round trips and theirs last a second at least.

    Attributes:
        initial: The limit to begin with, from `minimum` to `maximum`.
        minimum: The lowest limit, at least 1.
        maximum: The highest limit, at most 1,000,000.
        queue_size: Calls that may always wait at the other side, at least 1.
        tolerance: By how much the latency may exceed its average before the limit shrinks, at least 1.
        smoothing: The share of each step that is taken, above 0 and at most 1.
        long_window: Round trips that the long-term average spans, at least 10.
        backoff_ratio: What is left of the limit after a drop, from 0.5 to 0.99.
        window: The fewest calls that a step is taken on, at least 1.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    initial: int = 20
    minimum: int = 1
    maximum: int = 200
    queue_size: int = 4
    tolerance: float = 1.5
    smoothing: float = 0.2
    long_window: int = 6000
    backoff_ratio: float = 0.9
    window: int = 10

    def __post_init__(self) -> None:
        _check(self)
        whole(self, "queue_size", least=1)
        number(self, "tolerance", least=1.0, most=10.0)
        number(self, "smoothing", most=1.0, above=True)
        whole(self, "long_window", least=_WARM_UP)
        _check_ratio(self)

    def estimator(self, uniform: Uniform, /) -> LimitEstimator:
        """A fresh estimator that is at `initial`."""
        return LimitEstimator(self, _Gradient2Steps(self))


class _Gradient2Steps:
    __slots__ = ("_average_s", "_windows", "estimate", "options")

    def __init__(self, options: Gradient2) -> None:
        self.options = options
        self.estimate = float(options.initial)
        self._average_s = 0.0
        self._windows = 0

    def step(self, latency_s: float, in_flight: int, *, dropped: bool) -> float:
        if dropped:
            self.estimate = _clamp(self.options, self.estimate * self.options.backoff_ratio)
        elif latency_s > 0:
            average_s = self._averaged(latency_s)
            if in_flight * 2 >= self.estimate:
                self._follow(average_s / latency_s)
        return self.estimate

    def _averaged(self, latency_s: float) -> float:
        """The long-term average with this latency; what is kept of it has decayed if it is far too long."""
        self._windows += 1
        weight = 1 / self._windows if self._windows <= _WARM_UP else 2 / (self.options.long_window + 1)
        average_s = self._average_s + weight * (latency_s - self._average_s)
        self._average_s = average_s * 0.9 if average_s > 2 * latency_s else average_s
        return average_s

    def _follow(self, calm: float) -> None:
        options = self.options
        gradient = max(0.5, min(1.0, options.tolerance * calm))
        aim = self.estimate * gradient + max(float(options.queue_size), math.sqrt(self.estimate))
        self.estimate = _clamp(options, self.estimate + options.smoothing * (aim - self.estimate))
