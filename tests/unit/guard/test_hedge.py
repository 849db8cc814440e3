"""What a hedge promises to coroutines: the first good answer, losers that have ended, and a bounded load."""

from __future__ import annotations

import asyncio
import functools
import gc
import weakref
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from bascule.guard import (
    Deadline,
    DeadlineExceededError,
    Fallback,
    Guard,
    Hedge,
    NotGuardableError,
    RetryBudget,
    Stream,
    World,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

SOON_S = 0.02


def run(main: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run it and see that no task is left behind."""

    async def watched() -> None:
        await main()
        assert asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(watched())


class Attempts:
    """Attempts by number, each of which waits until it is told how to end."""

    def __init__(self) -> None:
        self.ends: list[asyncio.Future[object]] = []
        self.ended: list[str] = []
        self.begun = asyncio.Condition()

    async def __call__(self) -> object:
        end: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        number = len(self.ends)
        self.ends.append(end)
        async with self.begun:
            self.begun.notify_all()
        try:
            result = await end
        except asyncio.CancelledError:
            await asyncio.sleep(0)  # it takes its time to clean up
            self.ended.append(f"{number} cancelled")
            raise
        except BaseException:
            self.ended.append(f"{number} failed")
            raise
        self.ended.append(f"{number} answered")
        return result

    async def number(self, count: int) -> None:
        async with self.begun:
            await asyncio.wait_for(self.begun.wait_for(lambda: len(self.ends) >= count), 10)


async def turns(count: int = 10) -> None:
    """Let every task of the loop come to where it waits."""
    for _ in range(count):
        await asyncio.sleep(0)


def generous() -> RetryBudget:
    return RetryBudget(10.0, 1000)


# Answers


def test_an_answer_in_time_is_taken_and_nothing_else_begun() -> None:
    async def main() -> None:
        attempts = Attempts()
        hedge = Hedge(3600.0)
        task = asyncio.create_task(hedge(attempts)())
        await attempts.number(1)
        attempts.ends[0].set_result("answer")
        assert await task == "answer"
        assert len(attempts.ends) == 1
        assert hedge.snapshot()["started"] == 0

    run(main)


@pytest.mark.parametrize("winner", [0, 1, 2])
def test_the_first_answer_is_taken_and_the_others_have_ended_by_then(winner: int) -> None:
    async def main() -> None:
        attempts = Attempts()
        hedge = Hedge(0.0, most=2, budget=generous())
        task = asyncio.create_task(hedge(attempts)())
        await attempts.number(3)
        attempts.ends[winner].set_result(winner)
        assert await task == winner
        losers = [f"{number} cancelled" for number in range(3) if number != winner]
        assert attempts.ended == [f"{winner} answered", *losers]
        assert hedge.snapshot()["won"] == (winner > 0)

    run(main)


def test_no_more_attempts_are_begun_than_it_may() -> None:
    async def main() -> None:
        attempts = Attempts()
        task = asyncio.create_task(Hedge(0.0, most=1, budget=generous())(attempts)())
        await attempts.number(2)
        await turns(100)
        assert len(attempts.ends) == 2
        attempts.ends[1].set_result(7)
        assert await task == 7

    run(main)


def test_when_one_fails_the_others_are_waited_for() -> None:
    async def main() -> None:
        attempts = Attempts()
        task = asyncio.create_task(Hedge(0.0, budget=generous())(attempts)())
        await attempts.number(2)
        attempts.ends[0].set_exception(ConnectionError("first"))
        await turns()
        assert not task.done()
        attempts.ends[1].set_result("second")
        assert await task == "second"

    run(main)


class EmptyError(Exception):
    """An error that is as good as False."""

    def __bool__(self) -> bool:
        return False


@pytest.mark.parametrize("kind", [ConnectionError, TimeoutError, EmptyError])
def test_when_all_fail_the_error_of_the_first_that_failed_is_raised(kind: type[Exception]) -> None:
    async def main() -> None:
        attempts = Attempts()
        task = asyncio.create_task(Hedge(0.0, most=2, budget=generous())(attempts)())
        await attempts.number(3)
        errors = [kind(number) for number in range(3)]
        for number in (1, 0, 2):
            attempts.ends[number].set_exception(errors[number])
            await turns()
        with pytest.raises(kind) as caught:
            await task
        assert caught.value is errors[1]

    run(main)


def test_an_attempt_that_fails_before_the_wait_is_over_is_not_hedged() -> None:
    async def fail() -> None:
        raise ConnectionError

    async def main() -> None:
        hedge = Hedge(3600.0)
        with pytest.raises(ConnectionError):
            await hedge(fail)()
        assert hedge.snapshot()["started"] == 0

    run(main)


def test_a_cancellation_of_its_own_is_the_failure_of_an_attempt() -> None:
    async def give_up() -> None:
        raise asyncio.CancelledError

    async def main() -> None:
        with pytest.raises(asyncio.CancelledError):
            await Hedge(3600.0)(give_up)()

    run(main)


def test_a_loser_whose_cleaning_up_fails_disturbs_nobody() -> None:
    loops: list[dict[str, Any]] = []

    async def main() -> None:
        asyncio.get_running_loop().set_exception_handler(lambda _loop, context: loops.append(context))
        begun = 0
        first = asyncio.Event()

        async def call() -> int:
            nonlocal begun
            begun += 1
            if begun == 2:
                return 7
            try:
                return int(await first.wait())
            except asyncio.CancelledError as error:
                raise ValueError("while cleaning up") from error

        assert await Hedge(0.0, budget=generous())(call)() == 7
        gc.collect()

    run(main)
    assert loops == []


# Ends from outside


def test_a_cancellation_from_outside_ends_every_attempt_first() -> None:
    async def main() -> None:
        attempts = Attempts()
        hedge = Hedge(0.0, most=2, budget=generous())
        task = asyncio.create_task(hedge(attempts)())
        await attempts.number(3)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert attempts.ended == ["0 cancelled", "1 cancelled", "2 cancelled"]
        assert hedge.snapshot()["won"] == 0

    run(main)


def test_a_second_cancellation_does_not_leave_attempts_behind() -> None:
    async def main() -> None:
        both, cleaning, go_on = asyncio.Event(), asyncio.Event(), asyncio.Event()
        ended: list[int] = []
        begun = 0

        async def call() -> None:
            nonlocal begun
            begun += 1
            if begun == 2:
                both.set()
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                try:
                    await go_on.wait()
                finally:
                    ended.append(1)

        task = asyncio.create_task(Hedge(0.0, budget=generous())(call)())
        await both.wait()
        task.cancel()
        await cleaning.wait()
        task.cancel()  # whoever cancels is impatient
        with pytest.raises(asyncio.CancelledError):
            await task
        assert len(ended) == 2

    run(main)


def test_a_cancellation_while_losers_end_is_not_lost() -> None:
    async def main() -> None:
        cleaning = asyncio.Event()
        go_on = asyncio.Event()
        ended: list[int] = []
        begun = 0

        async def call() -> int:
            nonlocal begun
            begun += 1
            if begun == 2:
                return 7
            try:
                await asyncio.Event().wait()
            finally:
                cleaning.set()
                try:
                    await go_on.wait()
                finally:
                    ended.append(1)
            return 0

        task = asyncio.create_task(Hedge(0.0, budget=generous())(call)())
        await cleaning.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert ended == [1]

    run(main)


def test_a_deadline_ends_every_attempt() -> None:
    async def main() -> None:
        attempts = Attempts()
        with pytest.raises(DeadlineExceededError):
            await Guard(Deadline(SOON_S), Hedge(0.0, budget=generous()))(attempts)()
        assert sorted(attempts.ended) == ["0 cancelled", "1 cancelled"]

    run(main)


# How much


def test_under_uniform_slowness_hedges_keep_to_their_budget() -> None:
    async def main() -> None:
        calls = 0
        begun, done = asyncio.Event(), asyncio.Event()

        async def slow() -> None:
            nonlocal calls
            calls += 1
            if calls == 200:
                begun.set()
            await done.wait()

        hedge = Hedge(0.0, most=3)
        tasks = [asyncio.create_task(hedge(slow)()) for _ in range(200)]
        await begun.wait()
        await turns(50)
        done.set()
        await asyncio.gather(*tasks)
        assert 200 < calls <= 200 + 10 + 0.1 * 200
        assert hedge.snapshot()["started"] == calls - 200

    run(main)


def test_nothing_is_hedged_before_enough_is_known() -> None:
    clock = FakeClock()
    hedge = Hedge(minimum_calls=3, percentile=50.0)
    guard = Guard(hedge, world=World.fake(clock, LoadedDice([])), facts=Stream())

    async def take(seconds: float) -> None:
        clock.advance(seconds)

    async def main() -> None:
        call = guard(take)
        delays = [hedge.delay_s()]
        for seconds in (1.0, 2.0, 3.0):
            await call(seconds)
            delays.append(hedge.delay_s())
        assert delays == [None, None, None, 2.0]

    run(main)


def test_a_fixed_wait_needs_no_knowledge_and_errors_teach_nothing() -> None:
    async def fail() -> None:
        raise ConnectionError

    async def main() -> None:
        assert Hedge(1.5).delay_s() == 1.5
        hedge = Hedge(minimum_calls=1)
        for _ in range(3):
            with pytest.raises(ConnectionError):
                await hedge(fail)()
        assert hedge.delay_s() is None

    run(main)


def test_what_it_decides_is_told() -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)

    async def main() -> None:
        attempts = Attempts()
        task = asyncio.create_task(Guard(Hedge(0.0, budget=generous()), name="it", facts=facts)(attempts)())
        await attempts.number(2)
        attempts.ends[1].set_result(7)
        assert await task == 7

    run(main)
    assert facts.flush()
    told = [(type(fact).__name__, getattr(fact, "attempt", None), getattr(fact, "guard", None)) for fact in heard]
    assert told == [("HedgeStarted", 2, "it"), ("HedgeWon", 2, "it")]


def test_an_error_is_gone_once_its_task_is() -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []

    @Hedge(3600.0)
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


# Shapes and options


def test_streams_and_blocks_are_refused_with_the_reason() -> None:
    def items() -> Iterator[int]:
        yield 1

    async def items_async() -> AsyncIterator[int]:
        yield 1

    for call in (items, items_async, contextmanager(items)):
        with pytest.raises(NotGuardableError, match="two streams cannot both be read"):
            Hedge(1.0)(call)
    with pytest.raises(NotGuardableError, match="a block cannot be run a second time"), Hedge(1.0).block():
        raise AssertionError("it was entered")


def test_methods_and_partials_are_hedged() -> None:
    class Service:
        @Hedge(3600.0)
        async def method(self, number: int) -> int:
            return number

    async def main() -> None:
        assert await Service().method(7) == 7
        assert await Hedge(3600.0)(functools.partial(Service.method, Service()))(8) == 8

    run(main)


def test_a_fallback_inside_is_refused() -> None:
    with pytest.raises(InputError, match="would win the race; put the Fallback outside"):
        Guard(Hedge(1.0), Fallback(7))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"after_s": -1}, r"Hedge\.after_s: -1 must be a number of at least 0"),
        ({"after_s": float("nan")}, r"Hedge\.after_s: nan "),
        ({"percentile": 0}, r"Hedge\.percentile: 0 must be a number above 0 and at most 100"),
        ({"percentile": 100.1}, r"Hedge\.percentile: 100\.1 "),
        ({"most": 0}, r"Hedge\.most: 0 must be a whole number from 1 to 10"),
        ({"budget": None}, r"Hedge\.budget: None must be a RetryBudget"),
        ({"minimum_calls": 0}, r"Hedge\.minimum_calls: 0 "),
        ({"workers": 1}, r"Hedge\.workers: 1 must be a whole number from 2 to 1000"),
    ],
)
def test_an_impossible_option_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Hedge(**options)


def test_options_change_and_what_was_learned_stays() -> None:
    async def quick() -> None:
        await asyncio.sleep(0)

    async def main() -> None:
        hedge = Hedge(minimum_calls=1)
        await hedge(quick)()
        known_s = hedge.delay_s()
        hedge.reconfigure(most=2, percentile=50.0)
        assert hedge.delay_s() == known_s is not None
        hedge.reconfigure(after_s=9.0)
        assert hedge.delay_s() == 9.0

    run(main)
