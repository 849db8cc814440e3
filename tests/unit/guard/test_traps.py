"""The traps of resilience libraries that are not about a circuit alone: those stand in `test_circuit_breaker_traps.py`.

`benchmarks/guard_traps.py` puts the same questions to other libraries; docs/guard-traps.md is its answer.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import AsyncIterator, Coroutine, Iterator
from types import MappingProxyType
from typing import Any

import pytest
from calling import until

from bascule.guard import (
    Bulkhead,
    CallTimeoutError,
    CircuitBreaker,
    Consecutive,
    Deadline,
    Exponential,
    Fixed,
    Guard,
    Hedge,
    NotGuardableError,
    Retry,
    RetryBudget,
    State,
    Stream,
    Timeout,
    WorkersBusyError,
    World,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice, SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact


def fake(clock: FakeClock | None = None) -> World:
    return World.fake(clock or FakeClock(), SeededDice(1))


# 7


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
def test_retry_never_swallows_what_ends_a_task_or_a_program(error: type[BaseException]) -> None:
    calls = 0

    def ends() -> None:
        nonlocal calls
        calls += 1
        raise error

    with pytest.raises(error):
        Guard(Retry(5, on=lambda _: True), world=fake())(ends)()
    assert calls == 1


@pytest.mark.parametrize("error", [BaseException, KeyboardInterrupt, (ValueError, asyncio.CancelledError)])
def test_retry_cannot_even_be_told_to(error: Any) -> None:
    with pytest.raises(InputError, match=r"Retry\.on: .* must be an exception type under Exception"):
        Retry(on=error)


def test_retry_does_not_swallow_a_cancellation_between_attempts() -> None:
    async def main() -> None:
        async def fails() -> None:
            raise ConnectionError

        task = asyncio.ensure_future(Retry(5, backoff=Fixed(1000.0))(fails)())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())


# 9


def test_what_cannot_be_guarded_is_refused_when_it_is_decorated() -> None:
    def stream() -> Iterator[int]:
        yield 1

    async def async_stream() -> AsyncIterator[int]:
        yield 1

    for policy in (Timeout(1.0), Deadline(1.0), Hedge(1.0)):
        for shape in (stream, async_stream):
            with pytest.raises(NotGuardableError, match="cannot guard a"):
                policy(shape)
    for never in (int, 3, property(lambda _: 1)):
        anything: Any = never
        with pytest.raises(NotGuardableError):
            Retry(3)(anything)


def test_a_plain_function_that_gives_work_away_is_noticed() -> None:
    async def work() -> int:
        return 1

    def gives_a_coroutine() -> Coroutine[Any, Any, int]:
        return work()

    def gives_a_generator() -> Iterator[int]:
        return (one for one in [1])

    for shape in (gives_a_coroutine, gives_a_generator):
        with pytest.raises(NotGuardableError, match="would go unguarded"):
            Retry(3)(shape)()


# 10


def test_a_time_limit_in_threads_is_bounded_carries_context_and_counts_what_it_left_behind() -> None:
    name: contextvars.ContextVar[str] = contextvars.ContextVar("name")
    timeout = Timeout(0.05, workers=2)
    release = threading.Event()

    def hang() -> None:
        release.wait(10)

    name.set("caller")
    assert timeout(name.get)() == "caller"
    for _ in range(2):
        with pytest.raises(CallTimeoutError):
            timeout(hang)()
    assert timeout.snapshot()["abandoned"] == 2
    with pytest.raises(WorkersBusyError):
        timeout(name.get)()
    release.set()
    until(lambda: timeout.snapshot()["abandoned"] == 0)
    assert timeout(name.get)() == "caller"


# 11


def test_the_users_own_timeout_error_stays_the_users() -> None:
    class OwnError(TimeoutError):
        pass

    def raises() -> None:
        raise OwnError("mine")

    async def raises_too() -> None:
        raise OwnError("mine")

    timeout = Timeout(10.0)
    with pytest.raises(OwnError, match="mine"):
        timeout(raises)()
    with pytest.raises(OwnError, match="mine"):
        asyncio.run(timeout(raises_too)())
    assert timeout.snapshot()["timeouts"] == 0


# 12


def test_a_retry_budget_keeps_a_total_outage_at_a_fifth_more_load() -> None:
    attempts = 0

    def down() -> None:
        nonlocal attempts
        attempts += 1
        raise ConnectionError

    call = Guard(Retry(4), world=fake())(down)
    for _ in range(1000):
        with pytest.raises(ConnectionError):
            call()
    assert attempts <= 1200
    assert attempts > 1000, "it does retry"


# 13


def test_hedges_under_uniform_slowness_keep_to_their_budget_and_leave_nothing_running() -> None:
    running = 0
    attempts = 0

    async def slow() -> int:
        nonlocal running, attempts
        attempts += 1
        running += 1
        try:
            for _ in range(20):
                await asyncio.sleep(0)
        finally:
            running -= 1
        return 1

    async def main() -> None:
        call = Hedge(0.0, budget=RetryBudget(0.1, 5))(slow)
        for _ in range(200):
            assert await call() == 1
            assert running == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())
    assert 200 < attempts <= 200 + 5 + 20


# 14


def test_a_wait_never_goes_beyond_the_deadline() -> None:
    clock = FakeClock()

    def down() -> None:
        clock.advance(0.3)
        raise ConnectionError

    call = Guard(Deadline(2.0), Retry(100, backoff=Fixed(0.5), budget=None), world=fake(clock))(down)
    with pytest.raises(ConnectionError) as given_up:
        call()
    assert clock.monotonic_s() <= 2.0
    assert "deadline" in given_up.value.__notes__[0]


# 15


@pytest.mark.parametrize(("asked", "waited_s"), [("7", 7.0), ("3600", 20.0), ("Tue, 14 Nov 2023 22:13:30 GMT", 10.0)])
def test_retry_after_is_honoured_and_capped(asked: str, waited_s: float) -> None:
    class HttpError(Exception):
        headers = MappingProxyType({"Retry-After": asked})

    clock = FakeClock()
    answers = iter([HttpError(), None])

    def asks() -> None:
        error = next(answers)
        if error is not None:
            raise error

    Guard(Retry(2, backoff=Fixed(0.0), retry_after_cap_s=20.0), world=fake(clock))(asks)()
    assert clock.monotonic_s() == pytest.approx(waited_s)


# 16


def test_a_wall_clock_that_jumps_changes_nothing() -> None:
    clock = FakeClock()
    world = World.fake(clock, LoadedDice([]))
    breaker = CircuitBreaker(window=Consecutive(1), open_s=10.0)
    call = Guard(breaker, Bulkhead(1), world=world)(lambda: 1)
    breaker.force_open()
    clock._wall_offset_s += 1e9
    assert breaker.circuit().snapshot().retry_after_s == pytest.approx(10.0)
    clock.advance(10.0)
    clock._wall_offset_s -= 2e9
    assert call() == 1


# 17


def test_one_guard_serves_several_loops_and_threads_at_once() -> None:
    guard = Guard(Retry(3), CircuitBreaker(), Bulkhead(2, queue=100, wait_s=10.0), Timeout(10.0))
    together = 0
    most = 0
    lock = threading.Lock()

    def enter(by: int) -> None:
        nonlocal together, most
        with lock:
            together += by
            most = max(most, together)

    async def task() -> int:
        enter(1)
        await asyncio.sleep(0)
        enter(-1)
        return 1

    def plain() -> int:
        enter(1)
        enter(-1)
        return 1

    answers: list[int] = []

    async def several() -> None:
        answers.extend(await asyncio.gather(*(guard(task)() for _ in range(20))))

    def loops() -> None:
        asyncio.run(several())

    def calls() -> None:
        answers.extend(guard(plain)() for _ in range(20))

    threads = [threading.Thread(target=work) for work in (loops, calls, loops, calls)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(answers) == 80
    assert most <= 2
    snapshot: Any = guard.snapshot()["Bulkhead"]
    assert (snapshot["in_flight"], snapshot["waiting"]) == (0, 0)


# 18, 19


def test_a_listener_that_raises_breaks_nothing_and_keeps_nobody_from_hearing() -> None:
    facts = Stream()
    heard: list[Fact] = []

    def raises(_: Fact) -> None:
        raise RuntimeError

    facts.subscribe(raises)
    facts.subscribe(heard.append)
    breaker = CircuitBreaker()
    Guard(breaker, world=fake(), facts=facts)(lambda: 1)()
    breaker.force_open()
    assert facts.flush()
    assert "CircuitOpened" in [type(fact).__name__ for fact in heard]


def test_a_listener_that_blocks_holds_no_call_up() -> None:
    facts = Stream(size=10)
    held, release = threading.Event(), threading.Event()
    heard: list[Fact] = []

    def blocks(fact: Fact) -> None:
        held.set()
        release.wait(10)
        heard.append(fact)

    facts.subscribe(blocks)
    answers: Iterator[Any] = iter([ConnectionError(), 1] * 100)

    def flaky() -> int:
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return int(answer)

    call = Guard(Retry(2, backoff=Exponential(0.001), budget=None), world=fake(), facts=facts)(flaky)
    assert call() == 1
    assert held.wait(10)
    for _ in range(99):
        assert call() == 1  # while the listener is held
    assert not heard
    assert facts.dropped > 0
    release.set()
    assert facts.flush()
    assert len(heard) <= 12


# 20


def test_an_excluded_error_leaves_the_counts_alone() -> None:
    def raises(error: Exception) -> None:
        raise error

    breaker = CircuitBreaker(window=Consecutive(3), ignore=KeyError)
    call = breaker(raises)
    for error in (OSError(), OSError(), KeyError(), OSError()):
        with pytest.raises(type(error)):
            call(error)
    assert breaker.state is State.OPEN
