"""The traps that are about a circuit: who gets through half-open, whose outcome counts, and what is held meanwhile."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bascule.guard import CircuitBreaker, CircuitOpenError, Consecutive, Guard, State, World
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


def state_of(breaker: CircuitBreaker) -> State:
    """Asked anew each time, which a type checker takes a property not to be."""
    return breaker.state


def test_half_open_lets_only_the_permitted_probes_through(clock: FakeClock) -> None:
    entered, release = threading.Semaphore(0), threading.Event()
    passed: list[int] = []
    refused: list[int] = []
    breaker = CircuitBreaker(window=Consecutive(1), half_open_probes=3, half_open_concurrency=3)

    def call() -> None:
        entered.release()
        release.wait(10)

    guarded = Guard(breaker, world=World.fake(clock, LoadedDice([])))(call)
    breaker.force_open()
    clock.advance(30.0)
    begin = threading.Barrier(50)

    def work(number: int) -> None:
        begin.wait()
        try:
            guarded()
        except CircuitOpenError:
            refused.append(number)
        else:
            passed.append(number)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(50)]
    for one in threads:
        one.start()
    for _ in range(3):
        assert entered.acquire(timeout=10)
    while len(refused) < 47:
        threads[0].join(0.001)
    assert not entered.acquire(blocking=False), "a fourth got through"
    release.set()
    for one in threads:
        one.join()
    assert len(passed) == 3
    assert state_of(breaker) == State.CLOSED


def hanging(guard: Guard[Any]) -> tuple[Callable[[], Any], Callable[[object], None]]:
    """A call that is under way, and what ends it: with an error, or with an answer."""

    def stream() -> Iterator[None]:
        answer = yield
        if isinstance(answer, BaseException):
            raise answer

    running: Any = guard(stream)()

    def end(answer: object) -> None:
        with pytest.raises((StopIteration, ConnectionError)):
            running.send(answer)

    return lambda: next(running), end


def in_world(breaker: CircuitBreaker, clock: FakeClock) -> Guard[Any]:
    return Guard(breaker, world=World.fake(clock, LoadedDice([])))


def test_an_outcome_of_an_earlier_generation_is_discarded(clock: FakeClock) -> None:
    breaker = CircuitBreaker(window=Consecutive(1))
    guard = in_world(breaker, clock)
    begin, end = hanging(guard)
    begin()
    breaker.force_open()
    breaker.force_close()
    end(ConnectionError("late"))
    assert state_of(breaker) == State.CLOSED


def test_a_late_success_cannot_close_an_open_circuit(clock: FakeClock) -> None:
    breaker = CircuitBreaker(window=Consecutive(1), half_open_probes=1)
    guard = in_world(breaker, clock)
    begin, end = hanging(guard)
    begin()
    breaker.force_open()
    end(None)
    assert state_of(breaker) == State.OPEN


def test_a_late_probe_of_an_earlier_trial_is_discarded(clock: FakeClock) -> None:
    breaker = CircuitBreaker(window=Consecutive(1), half_open_probes=1, open_s=10.0, half_open_s=10.0)
    guard = in_world(breaker, clock)
    begin, end = hanging(guard)
    breaker.force_open()
    clock.advance(10.0)
    begin()
    clock.advance(10.0)
    again, end_again = hanging(guard)
    with pytest.raises(CircuitOpenError):
        again()
    assert state_of(breaker) == State.OPEN, "the probe hung"
    clock.advance(10.0)
    again, end_again = hanging(guard)
    again()
    assert state_of(breaker) == State.HALF_OPEN
    end(None)
    assert state_of(breaker) == State.HALF_OPEN, "the first trial's probe says nothing about the second"
    end_again(None)
    assert state_of(breaker) == State.CLOSED


def test_a_cancelled_probe_gives_its_permit_back(clock: FakeClock) -> None:
    breaker = CircuitBreaker(window=Consecutive(1), half_open_probes=1)
    guard = Guard(breaker, world=World.fake(clock, LoadedDice([])))

    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    async def answer() -> int:
        return 1

    async def main() -> None:
        breaker.force_open()
        clock.advance(30.0)
        task = asyncio.ensure_future(guard(hang)())
        await asyncio.sleep(0)
        with pytest.raises(CircuitOpenError):
            await guard(answer)()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert state_of(breaker) == State.HALF_OPEN
        assert await guard(answer)() == 1

    asyncio.run(main())
    assert state_of(breaker) == State.CLOSED


def test_no_lock_is_held_during_the_call() -> None:
    breaker = CircuitBreaker(window=Consecutive(2), half_open_probes=2, half_open_concurrency=2)
    inner = breaker(breaker.snapshot)
    done: list[object] = []

    def outer() -> None:
        thread = threading.Thread(target=lambda: done.append(inner()))
        thread.start()
        thread.join(10)

    breaker(outer)()
    assert done, "another thread gets through while the call runs"
