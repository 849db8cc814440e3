"""What a cache promises to those who ask for one result at the same time: one call, shared, and no more than that."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from calling import Caller, Source, turns, until

from bascule.guard import Cache, Deadline, DeadlineExceededError, Guard, NotGuardableError, Stream, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice

SOON_S = 0.02
FACTS = Stream()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def source() -> Source:
    return Source()


def guarded(cache: Cache, clock: FakeClock, call: Callable[..., Any]) -> Callable[..., Any]:
    world = cache._home.world if cache._home is not None else World.fake(clock, LoadedDice([]))
    return Guard(cache, world=world, facts=FACTS)(call)


# One call for all


def test_threads_that_ask_for_the_same_share_one_call(clock: FakeClock, source: Source) -> None:
    cache = Cache(0.0)
    call = guarded(cache, clock, source.fetch)
    source.gate.clear()
    callers = [Caller(lambda: call("a")) for _ in range(8)]
    until(lambda: cache.snapshot()["shared"] == 7)
    source.gate.set()
    assert [caller.end() for caller in callers] == ["a 1"] * 8
    assert cache.snapshot()["kept"] == 0
    assert call("a") == "a 2"


def test_tasks_of_several_loops_share_one_call(clock: FakeClock) -> None:
    cache = Cache(10.0)
    calls: list[int] = []
    gate = threading.Event()
    loops = threading.Barrier(3)

    async def fetch() -> int:
        calls.append(1)
        await asyncio.to_thread(gate.wait, 10)
        return 7

    call = guarded(cache, clock, fetch)
    results: list[int] = []

    async def many() -> None:
        results.extend(await asyncio.gather(*[call() for _ in range(4)]))

    def run() -> None:
        loops.wait()
        asyncio.run(many())

    callers = [Caller(run) for _ in range(3)]
    until(lambda: cache.snapshot()["shared"] == 11)
    gate.set()
    for caller in callers:
        assert caller.end() is None
    assert results == [7] * 12
    assert len(calls) == 1


@pytest.mark.parametrize("kind", [ValueError, TimeoutError, NotGuardableError])
def test_an_error_is_given_to_all_who_waited_and_not_kept(
    clock: FakeClock, source: Source, kind: type[Exception]
) -> None:
    cache = Cache(10.0)
    call = guarded(cache, clock, source.fetch)
    source.error = error = kind("no")
    source.gate.clear()
    callers = [Caller(call) for _ in range(4)]
    until(lambda: cache.snapshot()["shared"] == 3)
    source.gate.set()
    assert [caller.end() for caller in callers] == [error] * 4
    source.error = None
    assert call() == "answer 2"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit])
def test_when_the_one_who_fetches_is_ended_another_one_takes_over(
    clock: FakeClock, source: Source, ending: type[BaseException]
) -> None:
    cache = Cache(10.0)

    def fetch() -> str:
        try:
            return source.fetch()
        finally:
            source.error = None

    call = guarded(cache, clock, fetch)
    source.error = ending()
    source.gate.clear()
    callers = [Caller(call) for _ in range(4)]
    until(lambda: cache.snapshot()["shared"] == 3)
    source.gate.set()
    ends = [caller.end() for caller in callers]
    assert sum(isinstance(end, ending) for end in ends) == 1
    assert ends.count("answer 2") == 3
    assert len(source.calls) == 2


def test_when_the_task_that_fetches_is_cancelled_another_one_takes_over(clock: FakeClock) -> None:
    async def main() -> None:
        cache = Cache(10.0)
        calls = 0
        gate = asyncio.Event()

        async def fetch() -> int:
            nonlocal calls
            calls += 1
            mine = calls
            await gate.wait()
            return mine

        call = guarded(cache, clock, fetch)
        tasks = [asyncio.create_task(call()) for _ in range(3)]
        await turns()
        tasks[0].cancel()
        await turns()
        assert calls == 2
        gate.set()
        assert await asyncio.gather(*tasks[1:]) == [2, 2]
        with pytest.raises(asyncio.CancelledError):
            await tasks[0]

    asyncio.run(main())


def test_one_who_waits_may_be_cancelled_and_disturbs_nobody(clock: FakeClock) -> None:
    async def main() -> None:
        cache = Cache(10.0)
        gate = asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        call = guarded(cache, clock, fetch)
        leader = asyncio.create_task(call())
        await turns()
        followers = [asyncio.create_task(call()) for _ in range(5)]
        await turns()
        (flight,) = cache._flights.values()
        assert len(flight.waiters) == 5
        for follower in followers[:4]:
            follower.cancel()
        await asyncio.gather(*followers[:4], return_exceptions=True)
        assert len(flight.waiters) == 1, "who has gone away must not be remembered as long as the call hangs"
        gate.set()
        assert await followers[4] == 7
        assert await leader == 7

    asyncio.run(main())


def test_one_who_waits_goes_when_its_deadline_passes_and_is_not_remembered() -> None:
    async def main() -> None:
        cache = Cache(10.0)
        gate = asyncio.Event()

        async def fetch() -> int:
            await gate.wait()
            return 7

        call = cache(fetch)
        leader = asyncio.create_task(call())
        await turns()
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S))(call)()
        (flight,) = cache._flights.values()
        assert not flight.waiters
        gate.set()
        assert await leader == 7

    asyncio.run(main())


def test_a_thread_that_waits_goes_when_its_deadline_passes(source: Source) -> None:
    cache = Cache(10.0)
    call = cache(source.fetch)
    source.gate.clear()
    leader = Caller(call)
    assert source.inside.wait(10)
    with pytest.raises(DeadlineExceededError):
        Deadline(SOON_S)(call)()
    (flight,) = cache._flights.values()
    assert not flight.waiters
    source.gate.set()
    assert leader.end() == "answer 1"


def test_a_leader_that_runs_out_of_its_own_time_does_not_fail_those_who_have_more(
    clock: FakeClock, source: Source
) -> None:
    world = World.fake(clock, LoadedDice([]))
    cache = Cache(10.0)
    behind = Guard(Deadline(5.0), world=world, facts=FACTS)(source.fetch)

    def fetch() -> str:
        source.inside.set()
        assert source.gate.wait(10)
        clock.advance(2.0)
        return str(behind())

    call = Guard(cache, world=world, facts=FACTS)(fetch)
    source.gate.clear()
    leader = Caller(Guard(Deadline(1.0), world=world, facts=FACTS)(call))
    assert source.inside.wait(10)
    followers = [Caller(Guard(Deadline(60.0), world=world, facts=FACTS)(call)), Caller(call)]
    until(lambda: cache.snapshot()["shared"] == 2)
    source.gate.set()
    assert isinstance(leader.end(), DeadlineExceededError)
    assert [follower.end() for follower in followers] == ["answer 1"] * 2


def test_a_deadline_inside_of_the_cache_is_the_same_for_all_and_so_is_its_error() -> None:
    async def main() -> None:
        cache = Cache(10.0)
        calls = 0

        async def fetch() -> None:
            nonlocal calls
            calls += 1
            await asyncio.Event().wait()

        call = Guard(cache, Deadline(SOON_S))(fetch)
        results = await asyncio.gather(*[call() for _ in range(4)], return_exceptions=True)
        assert [type(result) for result in results] == [DeadlineExceededError] * 4
        assert calls == 1

    asyncio.run(main())


def test_followers_of_a_loop_that_was_closed_are_no_trouble(clock: FakeClock) -> None:
    cache = Cache(10.0)
    gate = threading.Event()
    inside = threading.Event()

    async def fetch() -> int:
        inside.set()
        await asyncio.to_thread(gate.wait, 10)
        return 7

    call = guarded(cache, clock, fetch)
    leader = Caller(lambda: asyncio.run(call()))
    assert inside.wait(10)
    loop = asyncio.new_event_loop()
    task = loop.create_task(call())
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.call_soon(loop.stop)
    loop.run_forever()
    assert cache.snapshot()["shared"] == 1
    task.cancel()
    loop.run_until_complete(asyncio.wait([task]))
    loop.close()
    gate.set()
    assert leader.end() == 7


@pytest.mark.parametrize("followers", [0, 1])
def test_an_error_is_gone_once_it_is_dealt_with(clock: FakeClock, source: Source, followers: int) -> None:
    class OwnError(Exception):
        pass

    cache = Cache(10.0)
    gone: list[weakref.ref[BaseException]] = []

    def fetch() -> None:
        source.fetch()
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    call = guarded(cache, clock, fetch)

    def fail() -> None:
        with suppress(OwnError):
            call()

    gc.collect()
    gc.disable()
    try:
        source.gate.clear()
        callers = [Caller(fail) for _ in range(1 + followers)]
        until(lambda: cache.snapshot()["shared"] == followers and bool(source.calls))
        source.gate.set()
        for caller in callers:
            caller.end()
        assert [one() for one in gone] == [None]
    finally:
        gc.enable()
