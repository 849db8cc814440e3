"""What a timeout promises: an attempt ends in time, whose time it was is told, and nothing else is touched."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.guard import (
    AdaptiveTimeout,
    CallTimeoutError,
    Guard,
    NotGuardableError,
    Timeout,
)
from bascule.guard.timeout import _Limited
from bascule.kernel.errors import InputError

SOON_S = 0.02


async def forever() -> None:
    await asyncio.Event().wait()


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


def cancelling() -> int:
    task = asyncio.current_task()
    assert task is not None
    return task.cancelling()


# Coroutines


def test_a_coroutine_is_cancelled_when_its_time_is_up(run: Run) -> None:
    ended: list[str] = []

    async def call() -> None:
        try:
            await forever()
        finally:
            ended.append("yes")

    async def main() -> None:
        with pytest.raises(CallTimeoutError, match=r"guard 'it': no answer within 0\.02 s") as caught:
            await Guard(Timeout(SOON_S), name="it")(call)()
        assert isinstance(caught.value, TimeoutError)
        assert (caught.value.guard, caught.value.limit_s) == ("it", SOON_S)
        assert isinstance(caught.value.__cause__, asyncio.CancelledError)
        assert cancelling() == 0

    run(main)
    assert ended == ["yes"]


def test_one_who_is_in_time_gets_the_result(run: Run) -> None:
    async def call() -> int:
        await asyncio.sleep(0)
        return 7

    async def main() -> None:
        assert await Timeout(3600.0)(call)() == 7

    run(main)


def test_the_users_own_timeout_error_stays_the_users(run: Run) -> None:
    own = TimeoutError("own")

    async def fail() -> None:
        raise own

    async def with_own_timeout() -> None:
        async with asyncio.timeout(SOON_S / 4):
            await forever()

    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            await Timeout(3600.0)(fail)()
        assert caught.value is own
        with pytest.raises(TimeoutError) as caught:
            await Timeout(3600.0)(with_own_timeout)()
        assert not isinstance(caught.value, CallTimeoutError)

    run(main)


@pytest.mark.parametrize(("inner_s", "outer_s", "name"), [(SOON_S, 3600.0, "inner"), (3600.0, SOON_S, "outer")])
def test_of_nested_limits_the_sooner_one_is_told(run: Run, inner_s: float, outer_s: float, name: str) -> None:
    async def main() -> None:
        inner = Guard(Timeout(inner_s), name="inner")(forever)
        with pytest.raises(CallTimeoutError) as caught:
            await Guard(Timeout(outer_s), name="outer")(inner)()
        assert caught.value.guard == name
        assert cancelling() == 0

    run(main)


def test_of_nested_limits_that_end_together_one_is_told(run: Run) -> None:
    async def main() -> None:
        inner = Guard(Timeout(SOON_S), name="inner")(forever)
        with pytest.raises(CallTimeoutError):
            await Guard(Timeout(SOON_S), name="outer")(inner)()
        assert cancelling() == 0
        await asyncio.sleep(0)  # and no cancellation is left over

    run(main)


def test_limits_go_with_those_of_asyncio_inside_and_outside(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(TimeoutError) as caught:
            async with asyncio.timeout(SOON_S):
                await Timeout(3600.0)(forever)()
        assert not isinstance(caught.value, CallTimeoutError)
        with pytest.raises(CallTimeoutError):
            async with asyncio.timeout(3600.0):
                await Timeout(SOON_S)(forever)()
        assert cancelling() == 0

    run(main)


def test_a_cancellation_by_somebody_else_stays_one_and_is_not_counted(run: Run) -> None:
    async def main() -> None:
        timeout = Timeout(3600.0)
        inside = asyncio.Event()

        async def call() -> None:
            inside.set()
            await forever()

        task = asyncio.create_task(timeout(call)())
        await inside.wait()
        task.cancel("by somebody")
        with pytest.raises(asyncio.CancelledError, match="by somebody"):
            await task
        assert timeout.snapshot() == {"limit_s": 3600.0, "timeouts": 0, "abandoned": 0}

    run(main)


def test_a_cancellation_at_the_same_moment_as_the_end_is_not_lost(run: Run) -> None:
    async def main() -> None:
        timeout = Timeout(SOON_S)
        cancelled = asyncio.Event()
        go_on = asyncio.Event()

        async def call() -> None:
            try:
                await forever()
            except asyncio.CancelledError:
                cancelled.set()
                await go_on.wait()  # somebody cancels while the time is up already
                raise

        task = asyncio.create_task(timeout(call)())
        await cancelled.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert task.cancelled()

    run(main)


def test_a_cancellation_before_the_first_step_begins_nothing() -> None:
    async def main() -> None:
        calls: list[int] = []

        async def call() -> None:
            calls.append(1)

        task = asyncio.create_task(Timeout(SOON_S)(call)())
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert calls == []

    asyncio.run(main())


def test_a_coroutine_that_swallows_the_end_gives_its_result_and_can_be_cancelled_later(run: Run) -> None:
    async def stubborn() -> str:
        try:
            await forever()
        except asyncio.CancelledError:
            await asyncio.sleep(0)
            return "anyway"
        raise AssertionError

    async def main() -> None:
        assert await Timeout(SOON_S)(stubborn)() == "anyway"
        assert cancelling() == 0
        await asyncio.sleep(0)
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.sleep(0)
        task.uncancel()

    run(main)


def test_an_error_made_of_the_end_stays_an_error(run: Run) -> None:
    async def call() -> None:
        try:
            await forever()
        except asyncio.CancelledError as error:
            raise ConnectionError("cut off") from error

    async def main() -> None:
        with pytest.raises(ConnectionError, match="cut off"):
            await Timeout(SOON_S)(call)()
        assert cancelling() == 0

    run(main)


def test_a_task_group_inside_is_ended_with_all_of_its_tasks(run: Run) -> None:
    ended: list[int] = []

    async def child(number: int) -> None:
        try:
            await forever()
        finally:
            ended.append(number)

    async def call() -> None:
        async with asyncio.TaskGroup() as group:
            for number in range(3):
                group.create_task(child(number))

    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            await Timeout(SOON_S)(call)()
        assert sorted(ended) == [0, 1, 2]

    run(main)


def test_it_needs_a_task() -> None:
    async def call() -> None:
        raise AssertionError("it was begun")

    async def main() -> None:
        raised: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def drive() -> None:
            coroutine = Timeout(1.0)(call)()
            try:
                coroutine.send(None)
            except RuntimeError as error:
                raised.set_result(error)

        asyncio.get_running_loop().call_soon(drive)
        assert "a time limit needs a task" in str(await raised)

    asyncio.run(main())


def test_a_block_has_a_limit_in_a_coroutine_and_is_refused_elsewhere(run: Run) -> None:
    async def main() -> None:
        with pytest.raises(CallTimeoutError):
            async with Timeout(SOON_S).block():
                await forever()
        async with Timeout(3600.0).block():
            await asyncio.sleep(0)
        assert cancelling() == 0

    run(main)
    with pytest.raises(NotGuardableError, match="nothing can interrupt it"), Timeout(1.0).block():
        raise AssertionError("it was entered")


@pytest.mark.parametrize("make", [Timeout, AdaptiveTimeout])
def test_streams_are_refused_with_the_reason(make: Callable[[float], _Limited]) -> None:
    def items() -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    for call in (items, items_async, contextmanager(items)):
        with pytest.raises(NotGuardableError, match="its consumer decides how long a stream takes"):
            make(1.0)(call)


def test_one_limit_serves_several_loops_and_threads_at_once(run: Run) -> None:
    timeout = Timeout(SOON_S)
    start = threading.Barrier(3)
    raised: list[object] = []

    async def many() -> None:
        raised.extend(await asyncio.gather(*[timeout(forever)() for _ in range(10)], return_exceptions=True))

    def run_one() -> None:
        start.wait()
        run(many)

    threads = [threading.Thread(target=run_one) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [type(one) for one in raised] == [CallTimeoutError] * 30


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"limit_s": 0}, r"Timeout\.limit_s: 0 must be a number above 0 and at most 1e\+09"),
        ({"limit_s": -1}, r"Timeout\.limit_s: -1 "),
        ({"limit_s": float("nan")}, r"Timeout\.limit_s: nan "),
        ({"limit_s": float("inf")}, r"Timeout\.limit_s: inf "),
        ({"limit_s": None}, r"Timeout\.limit_s: None "),
        ({"limit_s": 1, "workers": 0}, r"Timeout\.workers: 0 must be a whole number from 1 to 1000"),
        ({"limit_s": 1, "workers": 1001}, r"Timeout\.workers: 1001 "),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Timeout(**options)


def test_the_limit_may_change_while_calls_run() -> None:
    async def main() -> None:
        timeout = Timeout(3600.0)
        call = timeout(forever)
        timeout.reconfigure(limit_s=SOON_S)
        with pytest.raises(CallTimeoutError):
            await call()
        assert timeout.snapshot()["timeouts"] == 1

    asyncio.run(main())
