"""Facts and guarded calls as spans, collected by OpenTelemetry's own exporter."""

import asyncio
import functools
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode, Tracer

from bascule.guard import Bulkhead, CircuitBreaker, Deadline, Fixed, Guard, Retry, Stream, Timeout
from bascule.guard.facts import CircuitOpened, FallbackUsed
from bascule.guard.hedge import Hedge
from bascule.health.facts import BecameReady
from bascule.kernel.errors import InputError
from bascule.telemetry.opentelemetry import OpenTelemetryFacts, traced


class Traces:
    """A tracer, and the spans that it made."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer: Tracer = provider.get_tracer("test")

    def spans(self) -> list[ReadableSpan]:
        return list(self.exporter.get_finished_spans())

    def outcomes(self) -> list[object]:
        return [(span.attributes or {}).get("bascule.outcome") for span in self.spans()]


@pytest.fixture
def traces() -> Traces:
    return Traces()


def test_a_fact_is_a_span_of_its_own_at_the_time_when_it_happened(traces: Traces) -> None:
    hear = OpenTelemetryFacts(traces.tracer)
    with traces.tracer.start_as_current_span("whatever runs on this thread"):
        hear(CircuitOpened(at_s=time.monotonic() - 10, guard="payments", key="k", reason="failures", open_s=30.0))
    span = traces.spans()[0]
    assert span.name == "bascule.CircuitOpened"
    assert span.parent is None
    assert dict(span.attributes or {}) == {
        "bascule.guard": "payments", "bascule.key": "k", "bascule.reason": "failures", "bascule.open_s": 30.0,
    }  # fmt: skip
    assert span.start_time is not None
    assert span.start_time == span.end_time
    assert abs(time.time_ns() - span.start_time - 10e9) < 5e9


def test_the_time_of_another_clock_is_not_believed(traces: Traces) -> None:
    before_ns = time.time_ns()
    for at_s in (0.0, time.monotonic() + 1e6, -1e9):
        OpenTelemetryFacts(traces.tracer)(BecameReady(at_s=at_s))
    recent = [span.start_time or 0 for span in traces.spans()]
    assert all(start_ns >= before_ns or time.monotonic() < 3600 for start_ns in recent)


def test_what_is_not_known_is_no_attribute(traces: Traces) -> None:
    OpenTelemetryFacts(traces.tracer)(FallbackUsed(at_s=1.0, guard="g", kind="value", error="E", age_s=None))
    assert "bascule.age_s" not in (traces.spans()[0].attributes or {})


def test_a_guards_decisions_arrive(traces: Traces) -> None:
    facts = Stream()
    facts.subscribe(OpenTelemetryFacts(traces.tracer))
    guard = Guard(Retry(2, backoff=Fixed(0.0)), name="api", facts=facts)
    with pytest.raises(ValueError, match="bad"):
        guard.call(fail, ValueError("bad"))
    assert facts.flush()
    assert [span.name for span in traces.spans()] == ["bascule.AttemptFailed", "bascule.RetriesGivenUp"]


def fail(error: BaseException) -> None:
    raise error


def test_a_call_has_a_span_with_its_outcome(traces: Traces) -> None:
    def double(number: int) -> int:
        """Twice the number."""
        return 2 * number

    guarded = traced(Guard(Retry())(double), traces.tracer, guard="api")
    assert guarded(21) == 42
    assert guarded.__doc__ == "Twice the number."
    (span,) = traces.spans()
    assert span.name.endswith("double")
    assert dict(span.attributes or {}) == {"bascule.outcome": "ok", "bascule.guard": "api"}
    assert span.status.status_code is StatusCode.UNSET


def test_errors_are_told_by_type_and_never_by_text(traces: Traces) -> None:
    call = traced(fail, traces.tracer, "call")
    with pytest.raises(ValueError, match="hunter2"):
        call(ValueError("password=hunter2"))
    (span,) = traces.spans()
    assert dict(span.attributes or {}) == {"bascule.outcome": "error", "error.type": "ValueError"}
    assert (span.status.status_code, span.status.description) == (StatusCode.ERROR, "ValueError")
    assert "hunter2" not in span.to_json()


def test_each_outcome_has_its_word(traces: Traces) -> None:
    async def hang() -> None:
        await asyncio.Event().wait()

    breaker = CircuitBreaker()
    breaker.isolate()

    async def scenario() -> None:
        for guard in (breaker, Timeout(0.001), Deadline(0.001)):
            with pytest.raises(Exception, match="guard"):
                await traced(guard(hang), traces.tracer, "call")()
        task = asyncio.create_task(traced(hang, traces.tracer, "call")())
        done, _ = await asyncio.wait([task], timeout=0.001)
        assert not done
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(scenario())
    assert traces.outcomes() == ["refused", "timed_out", "deadline_exceeded", "cancelled"]
    assert traces.spans()[-1].status.status_code is StatusCode.UNSET


def test_an_error_that_only_has_the_name_of_a_refusal_is_an_error(traces: Traces) -> None:
    stranger = type("CallRefusedError", (Exception,), {})
    with pytest.raises(stranger):
        traced(fail, traces.tracer)(stranger())
    assert traces.outcomes() == ["error"]


@pytest.mark.parametrize(
    "guard",
    [Retry(2, backoff=Fixed(0.0)), Guard(Retry(2, backoff=Fixed(0.0)), Timeout(5.0)), Hedge(5.0)],
    ids=["retry", "in worker threads", "hedge"],
)
def test_attempts_are_below_the_call_that_makes_them(traces: Traces, guard: Any) -> None:
    failures = [ConnectionError()] if not isinstance(guard, Hedge) else []

    def attempt() -> str:
        if failures:
            raise failures.pop()
        return "answer"

    call: Callable[[], str] = traced(guard(traced(attempt, traces.tracer, "attempt")), traces.tracer, "call")
    assert call() == "answer"
    *attempts, outer = traces.spans()
    assert outer.name == "call"
    assert outer.context is not None
    assert len(attempts) == (1 if isinstance(guard, Hedge) else 2)
    assert all(span.parent is not None and span.parent.span_id == outer.context.span_id for span in attempts)


class Caller:
    def plain(self, number: int) -> int:
        return number

    async def waited(self, number: int) -> int:
        return number

    async def __call__(self, number: int) -> int:
        return number


def test_methods_partials_and_callable_objects_keep_their_kind(traces: Traces) -> None:
    caller = Caller()

    async def scenario() -> list[int]:
        calls: list[Callable[[int], Coroutine[Any, Any, int]]] = [
            caller.waited,
            functools.partial(caller.waited),
            caller,
        ]
        return [await traced(Bulkhead(1)(call), traces.tracer)(number) for number, call in enumerate(calls)]

    assert asyncio.run(scenario()) == [0, 1, 2]
    assert traced(functools.partial(caller.plain, 3), traces.tracer)() == 3
    assert traces.outcomes() == ["ok"] * 4


def test_what_works_after_its_span_is_refused(traces: Traces) -> None:
    def numbers() -> Iterator[int]:
        yield 1

    async def waited() -> AsyncIterator[int]:
        yield 1

    async def nothing() -> None:
        return

    def hidden() -> object:
        return nothing()

    for stream in (numbers, waited):
        with pytest.raises(InputError, match="generator function"):
            traced(stream, traces.tracer)
    with pytest.raises(InputError, match="returned an awaitable"):
        traced(hidden, traces.tracer)()
