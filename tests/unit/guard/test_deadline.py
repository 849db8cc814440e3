"""What a deadline promises: one budget of time for a whole operation, and what is told to services behind it."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import math
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.guard import (
    Bulkhead,
    BulkheadFullError,
    CallTimeoutError,
    Deadline,
    DeadlineExceededError,
    Fixed,
    Guard,
    Hedge,
    NotGuardableError,
    Retry,
    Stream,
    Timeout,
    World,
    remaining_s,
)
from bascule.guard.deadline import ENDS_S, from_headers, to_headers
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

SOON_S = 0.02
"""Short enough for a test that waits until it is over, which nothing else ends."""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


def world(clock: FakeClock) -> World:
    return World.fake(clock, LoadedDice([]))


def ends_s() -> float:
    return ENDS_S.get()


async def forever() -> None:
    await asyncio.Event().wait()


# Plain functions


def test_everything_inside_sees_the_end_and_nothing_outside_does(clock: FakeClock) -> None:
    assert Guard(Deadline(2.0), world=world(clock)).call(ends_s) == 102.0
    assert ends_s() == math.inf


def test_a_deadline_inside_of_another_one_only_makes_it_shorter(clock: FakeClock) -> None:
    def guarded(budget_s: float, call: Callable[[], Any]) -> Callable[[], Any]:
        return Guard(Deadline(budget_s), world=world(clock), facts=Stream())(call)

    assert guarded(2.0, guarded(5.0, ends_s))() == 102.0
    assert guarded(5.0, guarded(2.0, ends_s))() == 102.0
    order = [guarded(1.0, ends_s), ends_s]
    assert guarded(5.0, lambda: [one() for one in order])() == [101.0, 105.0]


def test_an_operation_whose_time_is_up_is_not_begun(clock: FakeClock) -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    inner = Guard(Deadline(5.0), name="inner", world=world(clock), facts=facts)
    calls: list[str] = []

    @Guard(Deadline(1.0), world=world(clock))
    def outer() -> None:
        clock.advance(1.0)
        inner.call(calls.append, "made")

    with pytest.raises(DeadlineExceededError, match="guard 'inner': the deadline has passed") as caught:
        outer()
    assert isinstance(caught.value, TimeoutError)
    assert calls == []
    assert facts.flush()
    assert [type(fact).__name__ for fact in heard] == ["DeadlinePassed"]


def test_a_plain_function_is_interrupted_by_nobody(clock: FakeClock) -> None:
    def slow() -> str:
        clock.advance(9.0)
        return "done"

    assert Guard(Deadline(1.0), world=world(clock)).call(slow) == "done"


@pytest.mark.parametrize("ending", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_the_call_ends_the_deadline(ending: type[BaseException]) -> None:
    def fail() -> None:
        raise ending

    with pytest.raises(ending):
        Deadline(1.0).call(fail)
    assert ends_s() == math.inf


def test_the_users_own_timeout_error_stays() -> None:
    own = TimeoutError("the user's")

    def fail() -> None:
        raise own

    async def fail_async() -> None:
        raise own

    with pytest.raises(TimeoutError) as caught:
        Deadline(1.0).call(fail)
    assert caught.value is own
    with pytest.raises(TimeoutError) as caught:
        asyncio.run(Deadline(1.0)(fail_async)())
    assert caught.value is own


def test_a_block_has_a_deadline_too(clock: FakeClock) -> None:
    with Guard(Deadline(1.0), world=world(clock)).block():
        assert ends_s() == 101.0
    assert ends_s() == math.inf

    async def main() -> None:
        with pytest.raises(DeadlineExceededError):
            async with Deadline(SOON_S).block():
                await forever()
        assert ends_s() == math.inf

    asyncio.run(main())


def test_streams_are_refused_with_the_reason() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    for call in (items, items_async, contextmanager(items)):
        with pytest.raises(NotGuardableError, match=r"Deadline cannot guard .* its consumer decides"):
            Deadline(1.0)(call)


# Coroutines


def test_a_coroutine_is_cancelled_when_the_time_is_up_and_may_clean_up() -> None:
    cleaned: list[str] = []

    async def call() -> None:
        try:
            await forever()
        finally:
            cleaned.append("yes")

    async def main() -> None:
        with pytest.raises(DeadlineExceededError) as caught:
            await Deadline(SOON_S)(call)()
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0
        assert ends_s() == math.inf

    asyncio.run(main())
    assert cleaned == ["yes"]


def test_retries_waits_and_attempts_together_keep_to_it() -> None:
    calls = 0

    async def call() -> None:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise ConnectionError
        await forever()

    async def main() -> None:
        retry = Retry(9, backoff=Fixed(0.0), budget=None)
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S), retry)(call)()

    asyncio.run(main())
    assert calls == 3


def test_a_queue_is_left_when_the_time_is_up() -> None:
    async def main() -> None:
        bulkhead = Bulkhead(1, queue=5, wait_s=3600.0)
        both = Guard(Deadline(SOON_S), bulkhead)
        inside, release = asyncio.Event(), asyncio.Event()

        async def hold() -> None:
            inside.set()
            await release.wait()

        holder = asyncio.create_task(bulkhead(hold)())
        await inside.wait()
        with pytest.raises(BulkheadFullError):
            await both(forever)()
        assert bulkhead.snapshot()["waiting"] == 0
        release.set()
        await holder

    asyncio.run(main())


def test_each_hedge_is_ended_by_it() -> None:
    ended = 0

    async def call() -> None:
        nonlocal ended
        try:
            await forever()
        finally:
            ended += 1

    async def main() -> None:
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S), Hedge(0.0, most=2))(call)()
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert ended == 3


def test_a_guard_inside_of_a_guard_keeps_to_the_outer_deadline() -> None:
    async def main() -> None:
        inner = Guard(Timeout(3600.0), name="inner")(forever)
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S), name="outer")(inner)()

    asyncio.run(main())


def test_the_deadline_is_known_in_worker_threads() -> None:
    seen: list[tuple[bool, bool]] = []
    caller = threading.current_thread()

    def call() -> None:
        left_s = remaining_s()
        seen.append((threading.current_thread() is caller, left_s is not None and left_s <= 60))

    Guard(Deadline(60.0), Timeout(50.0)).call(call)
    assert seen == [(False, True)]


def test_a_hanging_plain_function_is_left_behind_with_a_timeout_inside() -> None:
    release = threading.Event()
    timeout = Timeout(SOON_S)
    try:
        with pytest.raises(DeadlineExceededError):  # the limit is cut to what the deadline leaves
            Guard(Deadline(SOON_S), timeout).call(release.wait)
        assert timeout.snapshot()["timeouts"] == 0
    finally:
        release.set()


def test_a_cancellation_by_somebody_else_stays_one() -> None:
    async def main() -> None:
        inside = asyncio.Event()

        async def call() -> None:
            inside.set()
            await forever()

        task = asyncio.create_task(Deadline(3600.0)(call)())
        await inside.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


def test_a_coroutine_that_swallows_the_end_gives_its_result() -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            return "anyway"
        raise AssertionError

    async def main() -> None:
        assert await Deadline(SOON_S)(stubborn)() == "anyway"
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_a_coroutine_that_is_thrown_away_in_another_context_says_nothing() -> None:
    @Deadline(3600.0)
    async def call() -> None:
        await forever()

    async def main() -> None:
        coroutine = call()
        inside = asyncio.Event()

        async def drive() -> None:
            coroutine.send(None)
            inside.set()

        await asyncio.create_task(drive(), context=contextvars.copy_context())
        await inside.wait()
        coroutine.close()  # the deadline was set in the context of the task, and cannot be reset from here
        assert ends_s() == math.inf

    asyncio.run(main())
    gc.collect()


# What is left, in the process and between processes


def test_what_is_left_is_never_negative_and_none_without_a_deadline() -> None:
    assert remaining_s() is None
    assert to_headers() == {}
    token = ENDS_S.set(-1.0)
    try:
        assert remaining_s() == 0.0
        assert to_headers() == {"x-envoy-expected-rq-timeout-ms": "1"}, "none would mean that there is no bound"
    finally:
        ENDS_S.reset(token)


def test_what_is_left_travels_in_headers() -> None:
    def hop() -> tuple[float | None, dict[str, str]]:
        return remaining_s(), to_headers()

    left_s, headers = Deadline(60.0).call(hop)
    assert left_s is not None
    told_s = from_headers(headers)
    assert told_s is not None
    assert 0 <= told_s <= left_s <= 60
    assert headers["x-envoy-expected-rq-timeout-ms"].isdigit()


@pytest.mark.parametrize(
    ("headers", "told_s"),
    [
        ({"x-envoy-expected-rq-timeout-ms": "1500"}, 1.5),
        ({"x-envoy-expected-rq-timeout-ms": "0"}, 0.0),
        ({"x-envoy-expected-rq-timeout-ms": "999999999"}, 999_999.999),
        ({"grpc-timeout": "5S"}, 5.0),
        ({"grpc-timeout": "2H"}, 7200.0),
        ({"grpc-timeout": "3M"}, 180.0),
        ({"grpc-timeout": "250m"}, 0.25),
        ({"grpc-timeout": "250u"}, 250e-6),
        ({"grpc-timeout": "250n"}, 250e-9),
        ({"x-envoy-expected-rq-timeout-ms": "100", "grpc-timeout": "5S"}, 0.1),
        ({"x-envoy-expected-rq-timeout-ms": "soon", "grpc-timeout": "5S"}, 5.0),
        ({}, None),
    ],
)
def test_headers_are_understood(headers: dict[str, str], told_s: float | None) -> None:
    assert from_headers(headers) == (None if told_s is None else pytest.approx(told_s))


@pytest.mark.parametrize(
    "value",
    ["", " ", "-1", "+1", "1.5", "1e3", "nan", "inf", "0x10", "1_000", "1\n", " 1", "1 ", "٣", "１２", "9" * 10,  # noqa: RUF001 - digits of other scripts are meant
     "9" * 100_000, "1;2", "1,2", "None", "\x00"],
)  # fmt: skip
def test_a_broken_header_bounds_nothing(value: str) -> None:
    assert from_headers({"x-envoy-expected-rq-timeout-ms": value}) is None


@pytest.mark.parametrize(
    "value",
    ["", "S", "5", "5s", "5 S", "5S ", "5S\n", "-5S", "+5S", "5.0S", "5e1S", "123456789S", "9" * 100_000 + "S",
     "٣S", "nanS", "5SS", "5D"],
)  # fmt: skip
def test_a_broken_grpc_header_bounds_nothing(value: str) -> None:
    assert from_headers({"grpc-timeout": value}) is None


# Options


@pytest.mark.parametrize("value", [0, -1.0, float("nan"), float("inf"), "1", None, True, 10**400, 2e9])
def test_an_impossible_budget_is_refused(value: Any) -> None:
    with pytest.raises(InputError, match=r"Deadline\.budget_s: .* must be a number above 0 and at most 1e\+09"):
        Deadline(value)


def test_a_limit_inside_that_is_longer_is_refused() -> None:
    with pytest.raises(InputError, match=r"Timeout of 3 s inside of Deadline of 2 s would never end a call"):
        Guard(Deadline(2.0), Timeout(3.0))
    Guard(Deadline(2.0), Timeout(2.0))


def test_the_budget_may_change_while_calls_run(clock: FakeClock) -> None:
    deadline = Deadline(1.0)
    call = Guard(deadline, world=world(clock))(ends_s)
    deadline.reconfigure(budget_s=3.0)
    assert call() == 103.0
    assert deadline.snapshot() == {"budget_s": 3.0}


def test_one_deadline_serves_several_loops_and_threads_at_once() -> None:
    deadline = Deadline(SOON_S)
    start = threading.Barrier(4)
    raised: list[type[BaseException]] = []

    async def many() -> None:
        results = await asyncio.gather(*[deadline(forever)() for _ in range(5)], return_exceptions=True)
        raised.extend(type(result) for result in results if result is not None)

    def run() -> None:
        start.wait()
        asyncio.run(many())

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert raised == [DeadlineExceededError] * 20


def test_a_timeout_that_is_sooner_is_told_as_one() -> None:
    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            await Guard(Deadline(3600.0), Timeout(SOON_S))(forever)()

    asyncio.run(main())
