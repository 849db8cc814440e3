"""How long to wait before the next attempt. Pure: luck is an argument.

Source: M. Brooker, "Exponential Backoff And Jitter", AWS Architecture Blog, 2015, for the formulas of every jitter.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, get_args, runtime_checkable

from bascule.guard.checks import number, refuse, seconds

Uniform = Callable[[float, float], float]
"""Draws a number between two others, each equally likely."""

Jitter = Literal["full", "equal", "decorrelated", "none"]
"""How much of a wait is left to luck."""

_MOST_STEPS = 2**53  # a power of more is infinite, or stands still


@runtime_checkable
class Backoff(Protocol):
    """Says how long to wait after a failure. Any object with this method will do."""

    def wait_s(self, attempt: int, last_wait_s: float, uniform: Uniform, /) -> float:
        """Seconds to wait, at least 0.

        Args:
            attempt: The number of failures so far, at least 1.
            last_wait_s: The wait before the attempt that failed, in seconds; 0 if there was none.
            uniform: Draws a number between two others.
        """
        ...  # pragma: no cover - a protocol has no body


@dataclass(frozen=True, slots=True)
class Fixed:
    """The same wait after every failure.

    Attributes:
        delay_s: The wait, in seconds from 0 to 1e9.

    Raises:
        InputError: `delay_s` is no such number.
    """

    delay_s: float

    def __post_init__(self) -> None:
        seconds(self, "delay_s", above=False)

    def wait_s(self, attempt: int, last_wait_s: float, uniform: Uniform, /) -> float:
        """Exactly `delay_s` seconds."""
        return self.delay_s


@dataclass(frozen=True, slots=True)
class Exponential:
    """A wait that grows with every failure, never longer than `cap_s`, however many attempts there were.

    After failure n the bound is `min(cap_s, first_s * factor ** (n - 1))`. What of it is waited is up to `jitter`:

    - `full`: anything from 0 to the bound. It spreads callers best, and is the default.
    - `equal`: anything from half of the bound to the bound.
    - `decorrelated`: anything from `first_s` to three times the wait before, at most `cap_s`. It looks at that
      wait in place of the number of failures, so `factor` plays no part.
    - `none`: the bound itself. Callers that failed together come back together.

    Attributes:
        first_s: The bound after the first failure, in seconds above 0.
        factor: By how much the bound grows with each failure, at least 1.
        cap_s: The longest wait, in seconds from `first_s` to 1e9.
        jitter: `full`, `equal`, `decorrelated` or `none`.

    Raises:
        InputError: One of them is impossible; the error names the field, the value and the rule.
    """

    first_s: float = 0.1
    factor: float = 2.0
    cap_s: float = 30.0
    jitter: Jitter = "full"

    def __post_init__(self) -> None:
        seconds(self, "first_s")
        number(self, "factor", least=1.0)
        seconds(self, "cap_s")
        if self.cap_s < self.first_s:
            raise refuse(self, "cap_s", self.cap_s, f"at least first_s, which is {self.first_s!r}")
        if self.jitter not in get_args(Jitter):
            raise refuse(self, "jitter", self.jitter, f"one of {', '.join(get_args(Jitter))}")

    def wait_s(self, attempt: int, last_wait_s: float, uniform: Uniform, /) -> float:
        """Seconds from 0 to `cap_s`."""
        if self.jitter == "decorrelated":
            return min(self.cap_s, uniform(self.first_s, max(self.first_s, min(last_wait_s, self.cap_s)) * 3))
        bound_s = self._bound_s(attempt)
        if self.jitter == "full":
            return uniform(0.0, bound_s)
        if self.jitter == "equal":
            return bound_s / 2 + uniform(0.0, bound_s / 2)
        return bound_s

    def _bound_s(self, attempt: int) -> float:
        try:
            return min(self.cap_s, self.first_s * self.factor ** min(attempt - 1, _MOST_STEPS))
        except OverflowError:  # the power is beyond any number, and the cap is not
            return self.cap_s
