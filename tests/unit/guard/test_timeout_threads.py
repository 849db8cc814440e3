"""What a timeout promises for plain functions, which nothing can end: a bound, a count, and the caller's context."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import threading
from collections.abc import Iterator

import pytest
from calling import until

from bascule.guard import (
    CallTimeoutError,
    Deadline,
    DeadlineExceededError,
    Guard,
    Stream,
    Timeout,
    WorkersBusyError,
    World,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.facts import Fact

SOON_S = 0.02
WHERE = contextvars.ContextVar("where", default="nowhere")


async def forever() -> None:
    await asyncio.Event().wait()


def hold_nothing() -> int:
    return 7


class Hold:
    """A call that is held until it is let go."""

    def __init__(self) -> None:
        self.inside = threading.Event()
        self.go = threading.Event()
        self.result = 7

    def __call__(self) -> int:
        self.inside.set()
        assert self.go.wait(20)
        return self.result


@pytest.fixture
def hold() -> Iterator[Hold]:
    held = Hold()
    yield held
    held.go.set()


def test_a_plain_function_is_left_behind_counted_and_comes_back(hold: Hold) -> None:
    timeout = Timeout(SOON_S, workers=2)
    with pytest.raises(CallTimeoutError) as caught:
        timeout.call(hold)
    assert caught.value.__suppress_context__
    assert timeout.snapshot() == {"limit_s": SOON_S, "timeouts": 1, "abandoned": 1}
    hold.go.set()
    until(lambda: timeout.snapshot()["abandoned"] == 0)
    assert Guard(timeout).call(lambda: 7) == 7


def test_when_all_threads_are_held_calls_are_refused() -> None:
    timeout = Timeout(SOON_S, workers=2)
    holds = [Hold(), Hold()]
    try:
        for one in holds:
            with pytest.raises(CallTimeoutError):
                timeout.call(one)
        with pytest.raises(WorkersBusyError):
            timeout.call(lambda: 7)
        assert timeout.snapshot()["abandoned"] == 2
        timeout.reconfigure(workers=3)
        assert Guard(timeout).call(hold_nothing) == 7
    finally:
        for one in holds:
            one.go.set()


def test_a_plain_function_sees_the_callers_context() -> None:
    token = WHERE.set("caller")
    try:
        assert Timeout(10.0).call(WHERE.get) == "caller"
    finally:
        WHERE.reset(token)


@pytest.mark.parametrize("kind", [TimeoutError, ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_what_a_plain_function_raises_stays_what_it_is(kind: type[BaseException]) -> None:
    own = kind("own")

    def fail() -> None:
        raise own

    timeout = Timeout(10.0)
    with pytest.raises(kind) as caught:
        timeout.call(fail)
    assert caught.value is own
    assert timeout.snapshot()["timeouts"] == 0


def test_a_deadline_that_comes_first_is_told_as_one_for_plain_functions_too(hold: Hold) -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    timeout = Timeout(SOON_S)
    with pytest.raises(DeadlineExceededError):
        Guard(Deadline(SOON_S), timeout, facts=facts).call(hold)
    assert facts.flush()
    assert [type(fact).__name__ for fact in heard] == ["DeadlinePassed"]
    assert timeout.snapshot()["abandoned"] == 1


def test_no_call_is_begun_after_the_deadline() -> None:
    clock = FakeClock(100.0)
    world = World.fake(clock, LoadedDice([]))
    calls: list[int] = []

    async def call() -> None:
        calls.append(1)

    timeout = Timeout(5.0)
    inner = Guard(timeout, world=world, facts=Stream())

    @Guard(Deadline(1.0), world=world, facts=Stream())
    def outer() -> None:
        clock.advance(1.0)
        with pytest.raises(DeadlineExceededError):
            inner.call(calls.append, 1)
        with pytest.raises(DeadlineExceededError):
            asyncio.run(inner.call(call))

    outer()
    assert calls == []


class Service:
    @Timeout(10.0)
    def method(self) -> str:
        return type(self).__name__

    @Timeout(10.0)
    @classmethod
    def of_class(cls) -> str:
        return cls.__name__

    @Timeout(10.0)
    @staticmethod
    def static() -> str:
        return "Service"


def test_methods_partials_and_callable_objects_have_a_limit(hold: Hold) -> None:
    assert [Service().method(), Service.of_class(), Service.static()] == ["Service"] * 3
    hold.go.set()
    assert Timeout(10.0)(hold)() == 7
    assert Timeout(10.0)(functools.partial(hold))() == 7


def test_a_function_may_call_itself_through_its_limit() -> None:
    timeout = Timeout(10.0)

    @timeout
    def count(number: int) -> int:
        return 0 if number == 0 else 1 + int(count(number - 1))

    assert count(5) == 5


def test_what_it_decides_is_told(hold: Hold) -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    guard = Guard(Timeout(SOON_S), name="it", facts=facts)
    with pytest.raises(CallTimeoutError):
        guard.call(hold)
    with pytest.raises(CallTimeoutError):
        asyncio.run(guard.call(forever))
    assert facts.flush()
    told = [(type(fact).__name__, getattr(fact, "limit_s", None), getattr(fact, "abandoned", None)) for fact in heard]
    assert told == [("CallTimedOut", SOON_S, True), ("CallTimedOut", SOON_S, False)]
