"""What a retry promises for every shape of callable, for a piece of work in a loop, and under cancellation."""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import replace
from typing import Any

import pytest

from bascule.guard import Fixed, Guard, NotGuardableError, Retry, RetryBudget, Stream, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice


class Flaky:
    """Fails as often as it is told, then answers; a callable object."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def again(self) -> str:
        return self()


def world() -> World:
    return World.fake(FakeClock(100.0), LoadedDice([]))


def guard(retry: Retry) -> Guard[Any]:
    return Guard(retry, name="it", world=world(), facts=Stream())


def now(**options: Any) -> Retry:
    """A retry without waits and without a budget."""
    return Retry(**{"backoff": Fixed(0.0), "budget": None, **options})


# Shapes


def test_a_coroutine_function_is_tried_again() -> None:
    flaky = Flaky(ConnectionError())
    guarded = guard(now())(flaky.again)
    assert inspect.iscoroutinefunction(guarded)
    assert asyncio.run(guarded()) == "answer"


def test_a_generator_is_tried_again_before_its_first_item_only() -> None:
    flaky = Flaky(ConnectionError())

    @guard(now())
    def items(end: Exception | None) -> Iterator[str]:
        yield flaky()
        if end is not None:
            raise end

    assert list(items(None)) == ["answer"]
    assert flaky.calls == 2
    stream = items(ConnectionError("half-way"))
    assert next(stream) == "answer"
    with pytest.raises(ConnectionError, match="half-way"):
        next(stream)
    assert flaky.calls == 3


def test_an_async_generator_is_tried_again_before_its_first_item_only() -> None:
    flaky = Flaky(ConnectionError())

    @guard(now())
    async def items(end: Exception | None) -> AsyncIterator[str]:
        yield flaky()
        if end is not None:
            raise end

    async def main() -> None:
        assert [item async for item in items(None)] == ["answer"]
        with pytest.raises(ConnectionError, match="half-way"):
            assert [item async for item in items(ConnectionError("half-way"))] == []

    asyncio.run(main())
    assert flaky.calls == 3


def test_a_stream_that_gave_items_is_not_repeated_for_its_result() -> None:
    begun = 0

    @guard(now(attempts=3, on_result=lambda result: result is None))
    def items() -> Iterator[int]:
        nonlocal begun
        begun += 1
        yield 1
        yield 2

    @guard(now(attempts=3, on_result=lambda result: result is None))
    async def items_async() -> AsyncIterator[int]:
        nonlocal begun
        begun += 1
        yield 1
        yield 2

    async def main() -> None:
        assert [item async for item in items_async()] == [1, 2]

    assert list(items()) == [1, 2]
    asyncio.run(main())
    assert begun == 2


def test_a_stream_without_items_may_be_repeated_for_its_result() -> None:
    begun = 0

    @guard(now(attempts=3, on_result=lambda result: result is None))
    def items() -> Iterator[int]:
        nonlocal begun
        begun += 1
        yield from ()

    assert list(items()) == []
    assert begun == 3


def test_context_managers_are_tried_again_when_they_are_entered() -> None:
    flaky = Flaky(ConnectionError(), ConnectionError())
    left: list[str] = []

    @guard(now())
    @contextmanager
    def opened() -> Iterator[str]:
        yield flaky()
        left.append("plain")

    @guard(now())
    @asynccontextmanager
    async def opened_async() -> AsyncIterator[str]:
        yield flaky()
        left.append("async")

    async def main() -> None:
        async with opened_async() as value:
            assert value == "answer"

    with opened() as value:
        assert value == "answer"
    asyncio.run(main())
    assert left == ["plain", "async"]
    with pytest.raises(ConnectionError), opened():  # an error of the block is the user's own, and is tried by nobody
        raise ConnectionError
    assert flaky.calls == 5


class Service:
    flaky: Flaky

    @guard(now())
    def method(self) -> str:
        return self.flaky()

    @guard(now())
    @classmethod
    def of_class(cls, flaky: Flaky) -> str:
        return flaky()

    @guard(now())
    @staticmethod
    def static(flaky: Flaky) -> str:
        return flaky()


def test_methods_partials_and_callable_objects_are_tried_again() -> None:
    service = Service()
    service.flaky = Flaky(ConnectionError())
    flaky = Flaky(ConnectionError(), ConnectionError())
    assert service.method() == "answer"
    assert service.of_class(flaky) == "answer"
    flaky.errors = [ConnectionError()]
    assert service.static(flaky) == "answer"
    flaky.errors = [ConnectionError()]
    assert guard(now())(flaky)() == "answer"
    flaky.errors = [ConnectionError()]
    assert guard(now())(functools.partial(Service.static, flaky))() == "answer"


def test_a_block_is_refused_with_the_way_out() -> None:
    with pytest.raises(NotGuardableError, match="for attempt in retry"), guard(now()).block():
        raise AssertionError("it was entered")


# for attempt in retry


def loop(retry: Retry, work: Callable[[], str]) -> str:
    for attempt in retry:
        with attempt:
            return work()
    raise AssertionError("the attempts ended without an error and without a result")


def test_a_piece_of_work_is_tried_again_like_a_call() -> None:
    clock = FakeClock(100.0)
    retry = Retry(3, backoff=Fixed(2.0), budget=None)
    Guard(retry, world=World.fake(clock, LoadedDice([])), facts=Stream())
    flaky = Flaky(ConnectionError(), ConnectionError())
    assert loop(retry, flaky) == "answer"
    assert clock.monotonic_s() == 104.0
    last = ConnectionError("last")
    with pytest.raises(ConnectionError) as caught:
        loop(retry, Flaky(ConnectionError(), ConnectionError(), last))
    assert caught.value is last


def test_attempts_are_numbered_and_end_with_the_first_success() -> None:
    retry = now(attempts=5)
    numbers = []
    for attempt in retry:
        with attempt:
            numbers.append(attempt.number)
            if attempt.number < 3:
                raise ConnectionError
    assert numbers == [1, 2, 3]


def test_a_piece_of_work_counts_in_the_budget() -> None:
    retry = now(attempts=9, budget=RetryBudget(0.5, 1))
    retry.budget = budget = RetryBudget(0.5, 1)
    flaky = Flaky(*[ConnectionError() for _ in range(99)])
    for made in (2, 3, 5):
        with pytest.raises(ConnectionError):
            loop(retry, flaky)
        assert flaky.calls == made
    assert budget.tokens == 0.0


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_a_piece_of_work_that_is_ended_is_not_tried_again(ending: type[BaseException]) -> None:
    flaky = Flaky(ending())
    with pytest.raises(ending):
        loop(now(attempts=3), flaky)
    assert flaky.calls == 1


def test_an_attempt_that_is_not_entered_is_an_error_and_no_endless_loop() -> None:
    with pytest.raises(RuntimeError, match="with attempt"):
        for _attempt in now():
            pass


def test_leaving_the_loop_early_is_fine() -> None:
    for attempt in now():
        with attempt:
            break
    for _attempt in now():
        break


def test_work_in_a_coroutine_is_tried_again_and_its_waits_can_be_cancelled() -> None:
    async def main() -> None:
        flaky = Flaky(ConnectionError())
        async for attempt in now():
            with attempt:
                assert await flaky.again() == "answer"
        assert flaky.calls == 2

        waiting = asyncio.Event()

        async def forever(_seconds: float) -> None:
            waiting.set()
            await asyncio.Event().wait()

        stuck = replace(world(), sleep_async=forever)
        retry = Retry(3, budget=None, backoff=Fixed(1.0))
        Guard(retry, world=stuck, facts=Stream())
        broken = Flaky(*[ConnectionError() for _ in range(9)])

        async def work() -> None:
            async for attempt in retry:
                with attempt:
                    await broken.again()

        task = asyncio.create_task(work())
        await waiting.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert broken.calls == 1

    asyncio.run(main())


# Cancellation and references


def test_a_cancellation_in_the_call_and_in_the_wait_is_neither_swallowed_nor_counted() -> None:
    async def main() -> None:
        inside = asyncio.Event()
        retry = Retry(3, backoff=Fixed(3600.0), budget=RetryBudget(0.1, 5))
        calls = 0

        async def call(is_failing: bool) -> None:
            nonlocal calls
            calls += 1
            inside.set()
            if is_failing:
                raise ConnectionError
            await asyncio.Event().wait()

        for is_failing in (False, True):
            inside.clear()
            task = asyncio.create_task(retry(call)(is_failing))
            await inside.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
        assert calls == 2
        assert retry.snapshot()["given_up"] == 0

    asyncio.run(main())


def test_an_error_is_gone_once_it_is_dealt_with() -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []

    def fail() -> None:
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    call = guard(now(attempts=3))(fail)
    gc.collect()
    gc.disable()
    try:
        with pytest.raises(OwnError):
            call()
        assert [one() for one in gone] == [None, None, None]
    finally:
        gc.enable()
