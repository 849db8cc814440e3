"""What the timer wheel promises: many limits, one timer of the loop, never early, and nothing left behind."""

from __future__ import annotations

import asyncio
import gc
import threading
import time
import weakref
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bascule.guard import CallTimeoutError, Timeout, timer_wheel
from bascule.guard.timer_wheel import TICKS_PER_S, Timer, arm, wheel_of

SOON_S = 0.02


async def forever() -> None:
    await asyncio.Event().wait()


async def limited(limit_s: float, work: Callable[[], Coroutine[Any, Any, Any]] = forever) -> Timer:
    """Work under a limit by hand; gives the timer when it has ended the work."""
    timer = arm(limit_s)
    try:
        await work()
    except asyncio.CancelledError as error:
        if timer.ended(error):
            return timer
        raise
    timer.disarm()
    return timer


def wheel() -> timer_wheel.TimerWheel:
    return wheel_of(asyncio.get_running_loop())


def armed() -> int:
    return sum(len(bucket) for bucket in wheel().buckets.values())


@pytest.mark.parametrize("limit_s", [1e-9, 0.001, 0.0049, 0.005, 0.013, 0.05])
def test_no_limit_ends_early(limit_s: float) -> None:
    async def main() -> None:
        began_s = time.monotonic()
        await limited(limit_s)
        assert time.monotonic() - began_s >= limit_s

    asyncio.run(main())


def test_a_limit_is_due_within_one_tick() -> None:
    async def main() -> None:
        for limit_s in (0.0, 0.001, 0.0049, 0.005, 1.0, 3600.0, 1e9):
            before_s = time.monotonic()
            timer = arm(limit_s)
            after_s = time.monotonic()
            (tick,) = [tick for tick, bucket in wheel().buckets.items() if timer in bucket]
            assert before_s + limit_s < tick / TICKS_PER_S <= after_s + limit_s + 1 / TICKS_PER_S + 1e-6
            timer.disarm()

    asyncio.run(main())


def test_limits_end_in_their_order_however_they_were_set() -> None:
    async def main() -> None:
        ended: list[float] = []

        async def one(limit_s: float) -> None:
            await limited(limit_s)
            ended.append(limit_s)

        limits_s = [0.05, 0.01, 0.03, 0.02, 0.04]
        await asyncio.gather(*[one(limit_s) for limit_s in limits_s])
        assert ended == sorted(limits_s)
        assert armed() == 0

    asyncio.run(main())


def test_many_limits_take_one_timer_of_the_loop() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        timers = 0
        call_later = loop.call_later

        def count(*values: Any, **named: Any) -> asyncio.TimerHandle:
            nonlocal timers
            timers += 1
            return call_later(*values, **named)

        loop.call_later = count  # type: ignore[method-assign, assignment]  # to count is what the test is about
        tasks = [asyncio.create_task(limited(3600.0 + number)) for number in range(100)]
        await asyncio.sleep(0)
        assert armed() == 100
        assert timers == 1
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    asyncio.run(main())


def test_the_wheel_sleeps_when_nothing_is_due() -> None:
    async def main() -> None:
        await limited(SOON_S)
        assert wheel()._next is None
        await limited(3600.0, lambda: asyncio.sleep(0))
        assert armed() == 0
        await limited(SOON_S)  # a sooner one is not kept waiting by what was armed before

    asyncio.run(main())


def test_a_limit_that_was_disarmed_ends_nothing() -> None:
    async def main() -> None:
        timer = await limited(SOON_S, lambda: asyncio.sleep(0))
        assert not timer.has_expired
        await limited(SOON_S * 2)
        task = asyncio.current_task()
        assert task is not None
        assert task.cancelling() == 0

    asyncio.run(main())


def test_long_limits_of_many_short_calls_take_no_more_room_than_a_few() -> None:
    async def main() -> None:
        hanging = arm(1.0)  # so that nothing is cleared away in passing
        for number in range(50_000):
            arm(10.0 + number / TICKS_PER_S).disarm()
        assert len(wheel().buckets) < 5_000
        assert len(wheel()._ticks) == len(wheel().buckets)
        assert armed() == 1
        hanging.disarm()

    asyncio.run(main())


def test_armed_limits_outlive_the_clearing_away_of_others() -> None:
    async def main() -> None:
        ended: list[int] = []

        async def one(number: int) -> None:
            await limited(SOON_S + number / TICKS_PER_S)
            ended.append(number)

        tasks = [asyncio.create_task(one(number)) for number in range(5)]
        await asyncio.sleep(0)
        for number in range(10_000):
            arm(10.0 + number / TICKS_PER_S).disarm()
        await asyncio.gather(*tasks)
        assert ended == [0, 1, 2, 3, 4]

    asyncio.run(main())


def test_each_loop_has_a_wheel_of_its_own_and_closed_loops_are_forgotten() -> None:
    seen: list[timer_wheel.TimerWheel] = []

    async def main() -> None:
        await limited(3600.0, lambda: asyncio.sleep(0))
        seen.append(wheel())

    for _ in range(3):
        asyncio.run(main())
    threads = [threading.Thread(target=asyncio.run, args=(main(),)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({id(one) for one in seen}) == 6
    asyncio.run(main())
    assert sum(loop.is_closed() for loop in timer_wheel._wheels) <= 1


def test_an_error_is_gone_once_its_task_is() -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []

    @Timeout(3600.0)
    async def fail() -> None:
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    async def main() -> None:
        task = asyncio.create_task(fail())
        await asyncio.wait([task])
        assert isinstance(task.exception(), OwnError)

    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        gc.collect()
        gc.disable()
        try:
            runner.run(main())
            runner.run(asyncio.sleep(0))
            assert gone[0]() is None
        finally:
            gc.enable()


def test_a_call_that_ran_out_of_time_is_gone_once_its_task_is() -> None:
    class Argument:
        pass

    gone: list[weakref.ref[Argument]] = []

    @Timeout(SOON_S)
    async def hang(argument: Argument) -> None:
        gone.append(weakref.ref(argument))
        await forever()

    async def main() -> None:
        task = asyncio.create_task(hang(Argument()))
        await asyncio.wait([task])
        assert isinstance(task.exception(), CallTimeoutError)

    with asyncio.Runner() as runner:
        runner.run(asyncio.sleep(0))
        gc.collect()
        gc.disable()
        try:
            runner.run(main())
            runner.run(asyncio.sleep(0))
            assert gone[0]() is None
        finally:
            gc.enable()
