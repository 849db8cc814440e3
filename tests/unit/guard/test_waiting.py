"""What a place in a queue promises: it is granted or abandoned and never both, to a thread or to a task of any loop."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from bascule.guard.waiting import TaskWaiter, ThreadWaiter, Waiter


def run_uvloop(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    uvloop = pytest.importorskip("uvloop")  # not there for every interpreter
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main())


def run_asyncio(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(main())


Run = Callable[[Callable[[], Coroutine[Any, Any, None]]], None]


@pytest.fixture(params=[run_asyncio, run_uvloop], ids=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Both event loops; the second one where it is installed."""
    chosen: Run = request.param
    if chosen is run_uvloop:
        pytest.importorskip("uvloop")
    return chosen


def test_a_place_is_granted_once() -> None:
    waiter = ThreadWaiter()
    steps = [waiter.is_waiting, waiter.grant(), waiter.grant(), waiter.abandon(), waiter.is_waiting]
    assert steps == [True, True, False, False, False]
    assert waiter.wait(0.0)


def test_a_turn_that_is_given_up_is_handed_back_once() -> None:
    waiter = ThreadWaiter()
    assert [waiter.grant(), waiter.abandon(), waiter.abandon()] == [True, False, True]


def test_a_place_that_was_given_up_is_not_granted() -> None:
    waiter = ThreadWaiter()
    assert [waiter.abandon(), waiter.grant(), waiter.abandon()] == [True, False, True]
    assert not waiter.wait(0.0)


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 1e-9])
def test_a_thread_that_is_not_granted_in_time_goes_on(within_s: float) -> None:
    assert not ThreadWaiter().wait(within_s)


@pytest.mark.parametrize("within_s", [10.0, 1e9, 1e18, float("inf")])
def test_a_thread_waits_until_it_is_granted_however_long_it_would(within_s: float) -> None:
    waiter = ThreadWaiter()
    results: list[bool] = []
    thread = threading.Thread(target=lambda: results.append(waiter.wait(within_s)))
    thread.start()
    assert waiter.grant()
    thread.join(10)
    assert results == [True]


@pytest.mark.parametrize("make", [ThreadWaiter, None])
def test_of_a_grant_and_an_abandonment_at_the_same_moment_one_wins(make: Callable[[], Waiter] | None) -> None:
    async def one_task() -> Waiter:
        return TaskWaiter()

    for _ in range(200):
        loop = asyncio.new_event_loop()
        waiter = make() if make is not None else loop.run_until_complete(one_task())
        start = threading.Barrier(3)
        won: list[str] = []

        def act(name: str, waiter: Waiter = waiter, start: threading.Barrier = start, won: list[str] = won) -> None:
            start.wait()
            if (waiter.abandon if name == "abandon" else waiter.grant)():
                won.append(name)

        threads = [threading.Thread(target=act, args=(name,)) for name in ("grant", "abandon", "grant")]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        loop.close()
        assert len(won) == 1


def test_a_task_waits_until_a_thread_grants_it(run: Run) -> None:
    async def main() -> None:
        waiter = TaskWaiter()
        thread = threading.Thread(target=waiter.grant)
        waiting = asyncio.create_task(waiter.wait(3600.0))
        await asyncio.sleep(0)
        thread.start()
        assert await waiting
        thread.join()

    run(main)


def test_a_task_granted_before_it_waits_does_not_wait(run: Run) -> None:
    async def main() -> None:
        waiter = TaskWaiter()
        assert waiter.grant()
        assert await waiter.wait(3600.0)

    run(main)


@pytest.mark.parametrize("within_s", [-1.0, 0.0, 0.001])
def test_a_task_that_is_not_granted_in_time_goes_on(run: Run, within_s: float) -> None:
    async def main() -> None:
        waiter = TaskWaiter()
        assert not await waiter.wait(within_s)
        assert waiter.abandon()

    run(main)


@pytest.mark.parametrize("within_s", [1e9, 1e12, float("inf")])
def test_a_task_may_wait_as_long_as_a_thread(run: Run, within_s: float) -> None:
    async def main() -> None:
        waiter = TaskWaiter()
        waiting = asyncio.create_task(waiter.wait(within_s))
        await asyncio.sleep(0)
        assert not waiting.done()
        waiter.grant()
        assert await waiting

    run(main)


def test_a_task_that_is_cancelled_can_still_tell_whether_it_was_granted(run: Run) -> None:
    async def main() -> None:
        for is_granted in (False, True):
            waiter = TaskWaiter()
            waiting = asyncio.create_task(waiter.wait(3600.0))
            await asyncio.sleep(0)
            if is_granted:
                assert waiter.grant()
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert waiter.abandon() is not is_granted

    run(main)


def test_a_wait_leaves_no_timer_of_the_loop_behind() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        handles: list[asyncio.TimerHandle] = []
        call_later = loop.call_later

        def remember(*values: Any, **named: Any) -> asyncio.TimerHandle:
            handle = call_later(*values, **named)
            handles.append(handle)
            return handle

        loop.call_later = remember  # type: ignore[method-assign, assignment]  # to remember them is what the test needs
        granted, cancelled = TaskWaiter(), TaskWaiter()
        granted.grant()
        assert await granted.wait(3600.0)
        task = asyncio.create_task(cancelled.wait(3600.0))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert [handle.cancelled() for handle in handles] == [True, True]

    asyncio.run(main())


def test_a_task_of_a_loop_that_is_closed_is_not_granted() -> None:
    async def make() -> TaskWaiter:
        return TaskWaiter()

    waiter = asyncio.run(make())
    assert not waiter.grant()


def test_who_does_not_say_how_it_is_woken_is_no_waiter() -> None:
    with pytest.raises(TypeError, match="Waiter does not say how it is woken"):
        Waiter().grant()
