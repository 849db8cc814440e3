"""One budget of time for a whole operation: retries, waits, queues, hedges, threads, and the services behind."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any, ClassVar, Never

from bascule.guard.checks import seconds
from bascule.guard.errors import DeadlineExceededError
from bascule.guard.loom import Lines, Loom
from bascule.guard.policy import Policy
from bascule.guard.shapes import Shape
from bascule.guard.world import REAL

ENDS_S: ContextVar[float] = ContextVar("bascule_deadline", default=math.inf)
"""When the running operation must be over, in monotonic seconds; infinite when nobody said."""

HEADER = "x-envoy-expected-rq-timeout-ms"
_GRPC = re.compile(r"([0-9]{1,8})([HMSmun])")
_GRPC_SECONDS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_MILLISECONDS = re.compile(r"[0-9]{1,9}")


def remaining_s() -> float | None:
    """Seconds left for the running operation, never negative; None when no deadline was set.

    By the machine's clock, also where a guard lives in another world.
    """
    ends_s = ENDS_S.get()
    return None if ends_s == math.inf else max(0.0, ends_s - REAL.now_s())


def to_headers() -> dict[str, str]:
    """Headers that tell a service behind this one how long its answer is wanted; none without a deadline.

    `x-envoy-expected-rq-timeout-ms`, as Envoy and its services understand it: the time that is left, in whole
    milliseconds, and at least one: to some, none would mean that there is no bound.
    """
    left_s = remaining_s()
    return {} if left_s is None else {HEADER: str(max(1, int(left_s * 1000)))}


def from_headers(headers: Mapping[str, str]) -> float | None:
    """Seconds that a caller still waits for the answer, from `x-envoy-expected-rq-timeout-ms` or `grpc-timeout`.

    The names are looked up in lower case. None when neither is there or neither can be understood: a broken header
    bounds nothing.
    """
    told = headers.get(HEADER)
    if told is not None and _MILLISECONDS.fullmatch(told):
        return int(told) / 1000
    told = headers.get("grpc-timeout")
    match = _GRPC.fullmatch(told) if told is not None else None
    return int(match[1]) * _GRPC_SECONDS[match[2]] if match else None


TIMED = """
$timer = $arm()
try:
    $inner
except BaseException as $error:
    if $timer.ended($error):
        raise $expired() from $error
    raise
$timer.disarm()
"""


@dataclass(eq=False)
class Deadline(Policy[Never]):
    """The whole operation is over within `seconds`: nothing inside waits, queues or tries again beyond it.

    A deadline that is already running (of a guard around this one, or of the request that is being served) is only
    ever made shorter. A coroutine is cancelled when the time is up. A plain function is not: it is interrupted by
    nobody, but no attempt is started and no wait is begun that could not end in time. Add a `Timeout` to leave a
    hanging plain function behind.

    Attributes:
        budget_s: Seconds for the whole, above 0.

    Raises, when called:
        DeadlineExceededError: The time is up.
    """

    budget_s: float

    refused_shapes: ClassVar[Mapping[Shape, str]] = {
        Shape.GENERATOR: "its consumer decides how long a stream takes; guard the call that opens it",
        Shape.ASYNC_GENERATOR: "its consumer decides how long a stream takes; guard the call that opens it",
    }

    def __post_init__(self) -> None:
        seconds(self, "budget_s")

    def longest_s(self) -> float:
        """The whole budget."""
        return self.budget_s

    def begin(self) -> Token[float]:
        """Start the clock.

        Raises:
            DeadlineExceededError: A deadline around this one has passed.
        """
        now_s = self.home.world.now_s()
        ends_s = min(now_s + self.budget_s, ENDS_S.get())
        if ends_s <= now_s:
            raise self.passed()
        return ENDS_S.set(ends_s)

    def passed(self) -> DeadlineExceededError:
        """Tell that the time is up; gives the error to be raised."""
        self.home.tell("DeadlinePassed")
        return DeadlineExceededError(self.home.name)

    def _check(self) -> None:
        if ENDS_S.get() <= self.home.world.now_s():  # a wait or a queue inside took longer than it should
            raise self.passed()

    def weave(self, loom: Loom, inner: Lines) -> Lines:
        """Set the deadline for everything inside.

        A coroutine that is thrown away is closed in whatever context that happens, and a block may be left in another
        one than it was entered in. The deadline was never set there, and nothing is to be reset.
        """
        return loom.text(
            """
            $token = $begin()
            try:
                $inner
            finally:
                try:
                    $reset($token)
                except $foreign:
                    pass
            """,
            inner,
            begin=self.begin,
            reset=ENDS_S.reset,
            foreign=ValueError,
        )

    def weave_call(self, loom: Loom, inner: Lines, chain: tuple[Policy[Any], ...]) -> Lines:
        """Begin no call when the time is up, and cancel one in an event loop, unless a time limit does so anyway."""
        innermost = next(policy for policy in reversed(chain) if not policy.replaces_call)
        if innermost.ends_calls:
            return inner
        if not loom.is_async:
            return loom.text("$check()\n$inner", inner, check=self._check)
        from bascule.guard.timer_wheel import arm  # noqa: PLC0415 - brings asyncio, which plain functions need not load

        home = self.home

        def begin() -> object:
            left_s = ENDS_S.get() - home.world.now_s()
            if left_s <= 0:
                raise self.passed()
            return arm(left_s)

        return loom.text(TIMED, inner, arm=begin, expired=self.passed)

    def snapshot(self) -> dict[str, object]:
        """What a dashboard shows."""
        return {"budget_s": self.budget_s}


def time_left_s(now_s: float) -> float:
    """Seconds that the running operation has left; infinite without a deadline."""
    return ENDS_S.get() - now_s


__all__ = ["Deadline", "from_headers", "remaining_s", "to_headers"]
