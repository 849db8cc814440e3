"""Facts and guarded calls as spans of OpenTelemetry."""

from __future__ import annotations

import functools
import inspect
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, ParamSpec, TypeVar, cast

from opentelemetry import trace
from opentelemetry.context import Context

from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact
from bascule.telemetry.reading import guard_of, name_of, values_of

P = ParamSpec("P")
R = TypeVar("R")
OUTCOME = "bascule.outcome"
GUARD = "bascule.guard"
OLDEST_S = 3600.0
OUTCOMES = {
    "CallRefusedError": "refused",
    "CallTimeoutError": "timed_out",
    "DeadlineExceededError": "deadline_exceeded",
}
"""What became of a call, by the error of a guard that it raised."""


class OpenTelemetryFacts:
    """Makes a span without length of each fact: `FACTS.subscribe(OpenTelemetryFacts(tracer))`.

    Facts are heard on the thread of their stream, after the call has gone on: the span of the call is not current
    there and may have ended, so a fact cannot become an event of it. It becomes a root span of its own, named
    `bascule.<fact>`, which begins and ends when the fact happened. Its values are attributes (`bascule.wait_s`), and
    the guard is `bascule.guard`. Spans made by `traced` have the same attribute if it was told there, so both are
    found together.

    Args:
        tracer: Who makes the spans; by default one of the global provider.
    """

    def __init__(self, tracer: trace.Tracer | None = None) -> None:
        self._tracer = tracer if tracer is not None else trace.get_tracer("bascule")

    def __call__(self, fact: Fact) -> None:
        """Hear a fact."""
        told = {f"bascule.{name}": value for name, value in values_of(fact).items() if value is not None}
        guard = guard_of(fact)
        if guard:
            told[GUARD] = guard
        at_ns = _wall_ns(fact.at_s)
        span = self._tracer.start_span(
            f"bascule.{name_of(fact)}",
            context=Context(),
            attributes=told,
            start_time=at_ns,
        )
        span.end(at_ns)


def _wall_ns(at_s: float) -> int:
    """When that was, in nanoseconds since the epoch; now, for a clock that is not the machine's monotonic one."""
    age_s = time.monotonic() - at_s
    return time.time_ns() - (int(age_s * 1e9) if 0 <= age_s <= OLDEST_S else 0)


def traced(
    call: Callable[P, R], tracer: trace.Tracer | None = None, name: str = "", *, guard: str = ""
) -> Callable[P, R]:
    """The same function or coroutine function, each call in a span that tells its outcome.

        charge = traced(payments(charge), tracer, "charge", guard="payments")

    Around a guarded function the span covers the call with its retries and waits. Inside of the guard, as in
    `payments(traced(charge, tracer, "charge attempt"))`, each attempt has one, below the span of the call: worker
    threads and tasks of a guard carry the context. `bascule.outcome` is `ok`, `refused`, `timed_out`,
    `deadline_exceeded`, `cancelled` or `error`. An error's type is told as `error.type`; its text is not, since it may
    hold what was sent. A cancelled call is no error: a hedge cancels its losers.

    Args:
        call: What is called.
        tracer: Who makes the spans; by default one of the global provider.
        name: Of the span; by default that of the function.
        guard: Told as `bascule.guard`, if given.

    Raises:
        InputError: It is a generator function, whose work begins after the span would have ended. When it is called:
            it is a plain function that returned an awaitable.
    """
    maker = tracer if tracer is not None else trace.get_tracer("bascule")
    under = call
    while isinstance(under, functools.partial):
        under = under.func
    told = name or getattr(under, "__qualname__", type(under).__qualname__)
    kind: Any = under if inspect.isroutine(under) else type(under).__call__
    if inspect.isgeneratorfunction(kind) or inspect.isasyncgenfunction(kind):
        raise InputError(f"{told} is a generator function, and would work outside of its span")
    if inspect.iscoroutinefunction(kind):
        waited = cast("Callable[P, Any]", call)

        async def in_span(*args: P.args, **kwargs: P.kwargs) -> object:
            with _span(maker, told, guard):
                return await waited(*args, **kwargs)

        return cast("Callable[P, R]", functools.update_wrapper(in_span, call))

    def in_plain_span(*args: P.args, **kwargs: P.kwargs) -> R:
        with _span(maker, told, guard):
            result = call(*args, **kwargs)
            if inspect.isawaitable(result):
                if inspect.iscoroutine(result):
                    result.close()
                raise InputError(f"{told} returned an awaitable, and would work outside of its span")
            return result

    return functools.update_wrapper(in_plain_span, call)


@contextmanager
def _span(tracer: trace.Tracer, name: str, guard: str) -> Iterator[None]:
    told = {GUARD: guard} if guard else {}
    with tracer.start_as_current_span(
        name, attributes=told, record_exception=False, set_status_on_exception=False
    ) as span:
        try:
            yield
        except BaseException as error:
            span.set_attribute(OUTCOME, _outcome(error))
            if isinstance(error, Exception):
                span.set_attribute("error.type", type(error).__qualname__)
                span.set_status(trace.StatusCode.ERROR, type(error).__qualname__)
            raise
        span.set_attribute(OUTCOME, "ok")


def _outcome(error: BaseException) -> str:
    for kind in type(error).__mro__:  # by name: this room knows no other one
        if kind.__name__ in OUTCOMES and kind.__module__.startswith("bascule."):
            return OUTCOMES[kind.__name__]
    return "error" if isinstance(error, Exception) else "cancelled"
