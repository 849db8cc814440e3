"""What a guarded call can raise besides the errors of the call itself.

::

    BasculeError
    ├── CallRefusedError           the call was not made
    │   ├── CircuitOpenError       its dependency fails too often
    │   ├── BulkheadFullError      too many calls run already
    │   ├── LimitReachedError      the same, by a limit that was learned
    │   ├── RateLimitedError       too many calls were made of late
    │   ├── WorkersBusyError       no worker thread was free in time
    │   └── DegradedError          the service has given up this feature for now
    ├── CallTimeoutError           the call took longer than it may (also a `TimeoutError`)
    ├── DeadlineExceededError      the time for the whole is used up (also a `TimeoutError`)
    └── InjectedError              the call failed on purpose, in an experiment

A refused call never reached its dependency: no circuit breaker counts it, and no retry repeats it unless told to.
Which guard raised is told by `guard`; the text is put together only when somebody reads it, since refusing must be
cheap.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from bascule.kernel.errors import BasculeError


class CallRefusedError(BasculeError):
    """The call was not made.

    Args:
        guard: The name of the guard that refused.
        retry_after_s: When asking again may help, in seconds from now; None when that is not known.
    """

    what = "the call was refused"
    where = ""
    hint = ""

    if TYPE_CHECKING:

        def __init__(self, guard: str, retry_after_s: float | None = None) -> None: ...
    else:
        __init__ = Exception.__init__  # it keeps the values in `args`; one of our own would double what a refusal costs

    @property
    def guard(self) -> str:
        """The name of the guard that refused."""
        return str(self.args[0])

    @property
    def retry_after_s(self) -> float | None:
        """When asking again may help, in seconds from now; None when that is not known."""
        seconds = self.args[1] if len(self.args) > 1 else None
        return None if seconds is None or math.isinf(seconds) else float(seconds)

    def __str__(self) -> str:
        """One line: which guard, why, and when to ask again if that is known."""
        advice = "" if self.retry_after_s is None else f" (ask again in {self.retry_after_s:.3g} s)"
        return f"guard {self.guard!r}: {self.what}{advice}"


class CircuitOpenError(CallRefusedError):
    """The circuit is open: the dependency failed too often a moment ago."""

    what = "the circuit is open"


class BulkheadFullError(CallRefusedError):
    """Every slot is taken, and the queue is full or waiting in it took too long."""

    what = "the bulkhead is full"


class LimitReachedError(CallRefusedError):
    """As many calls run as the learned limit admits."""

    what = "the concurrency limit is reached"


class RateLimitedError(CallRefusedError):
    """The calls of this span of time are used up."""

    what = "the rate limit is reached"


class WorkersBusyError(CallRefusedError):
    """No worker thread was free in time; calls that timed out and still run hold theirs."""

    what = "no worker thread is free"


class DegradedError(CallRefusedError):
    """The service runs at a level that does without this feature."""

    what = "this feature is switched off at the current service level"


class CallTimeoutError(BasculeError, TimeoutError):
    """The call took longer than it may. A `TimeoutError`, and never one that the call itself raised.

    Args:
        guard: The name of the guard whose limit it was.
        limit_s: The limit, in seconds.
    """

    def __init__(self, guard: str, limit_s: float) -> None:
        self.guard = guard
        self.limit_s = limit_s
        super().__init__(f"guard {guard!r}: no answer within {limit_s:.3g} s")

    def __reduce__(self) -> tuple[object, ...]:
        """How it is made again in another process, which would otherwise be given its text alone."""
        return type(self), (self.guard, self.limit_s), self.__dict__


class DeadlineExceededError(BasculeError, TimeoutError):
    """The time for the whole operation, retries and waits included, is used up.

    Args:
        guard: The name of the guard that noticed.
    """

    def __init__(self, guard: str) -> None:
        self.guard = guard
        super().__init__(f"guard {guard!r}: the deadline has passed")

    def __reduce__(self) -> tuple[object, ...]:
        """How it is made again in another process."""
        return type(self), (self.guard,), self.__dict__


class InjectedError(BasculeError):
    """The call failed on purpose: an experiment injected this, and the dependency was not at fault."""
