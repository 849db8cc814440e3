"""What a hedge promises to plain functions, whose attempts run in worker threads and cannot be ended."""

from __future__ import annotations

import contextvars
import gc
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import pytest
from calling import Caller, until

from bascule.guard import (
    Deadline,
    DeadlineExceededError,
    Guard,
    Hedge,
    RetryBudget,
    Stream,
    WorkersBusyError,
    World,
)
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.facts import Fact

SOON_S = 0.02
WHERE = contextvars.ContextVar("where", default="nowhere")


class Attempts:
    """Attempts by number, each of which is held until it is told how to end."""

    def __init__(self, count: int) -> None:
        self.gates = [threading.Event() for _ in range(count)]
        self.inside = [threading.Event() for _ in range(count)]
        self.errors: dict[int, BaseException] = {}
        self.begun = 0
        self._lock = threading.Lock()

    def __call__(self) -> int:
        with self._lock:
            number = self.begun
            self.begun += 1
        self.inside[number].set()
        assert self.gates[number].wait(20)
        if number in self.errors:
            raise self.errors[number]
        return number

    def release(self) -> None:
        for gate in self.gates:
            gate.set()


@pytest.fixture
def attempts() -> Iterator[Attempts]:
    held = Attempts(5)
    yield held
    held.release()


def generous() -> RetryBudget:
    return RetryBudget(10.0, 1000)


def test_an_answer_in_time_is_taken_and_nothing_else_begun(attempts: Attempts) -> None:
    attempts.gates[0].set()
    assert Hedge(3600.0).call(attempts) == 0
    assert attempts.begun == 1


def test_the_first_answer_is_taken_and_the_loser_is_counted_until_it_returns(attempts: Attempts) -> None:
    hedge = Hedge(0.0, budget=generous())
    caller = Caller(lambda: hedge.call(attempts))
    assert attempts.inside[1].wait(10)
    attempts.gates[1].set()
    assert caller.end() == 1
    shown = hedge.snapshot()
    assert (shown["started"], shown["won"], shown["abandoned"]) == (1, 1, 1)
    attempts.release()
    until(lambda: hedge.snapshot()["abandoned"] == 0)


def test_when_one_fails_the_others_are_waited_for(attempts: Attempts) -> None:
    attempts.errors[0] = ConnectionError("first")
    caller = Caller(lambda: Hedge(0.0, budget=generous()).call(attempts))
    assert attempts.inside[1].wait(10)
    attempts.gates[0].set()
    attempts.gates[1].set()
    assert caller.end() == 1


def test_when_all_fail_the_error_of_the_first_that_failed_is_raised(attempts: Attempts) -> None:
    hedge = Hedge(0.0, budget=generous())
    attempts.errors = {0: ConnectionError("slow"), 1: ConnectionError("quick")}
    caller = Caller(lambda: hedge.call(attempts))
    assert attempts.inside[1].wait(10)
    attempts.gates[1].set()
    until(lambda: hedge.pool is not None and hedge.pool._unclaimed == 1)
    attempts.gates[0].set()
    assert caller.end() is attempts.errors[1]


def test_attempts_see_the_callers_context() -> None:
    token = WHERE.set("caller")
    try:
        assert Hedge(3600.0).call(WHERE.get) == "caller"
    finally:
        WHERE.reset(token)


def test_what_an_attempt_raises_stays_what_it_is() -> None:
    for kind in (TimeoutError, KeyboardInterrupt, SystemExit, GeneratorExit):
        own = kind("own")

        def fail(error: BaseException = own) -> None:
            raise error

        with pytest.raises(kind) as caught:
            Hedge(3600.0).call(fail)
        assert caught.value is own


def test_a_deadline_ends_the_wait_and_the_attempts_are_left_behind(attempts: Attempts) -> None:
    clock = FakeClock(100.0)
    hedge = Hedge(0.0, budget=generous())
    guard = Guard(Deadline(SOON_S), hedge, world=World.fake(clock, LoadedDice([])), facts=Stream())
    caller = Caller(lambda: guard.call(attempts))
    assert attempts.inside[0].wait(10)
    assert attempts.inside[1].wait(10)
    clock.advance(SOON_S)
    assert isinstance(caller.end(), DeadlineExceededError)
    assert hedge.snapshot()["abandoned"] == 2


def test_no_attempt_is_begun_after_the_deadline() -> None:
    clock = FakeClock(100.0)
    world = World.fake(clock, LoadedDice([]))
    calls: list[int] = []
    inner = Guard(Hedge(3600.0), world=world, facts=Stream())

    @Guard(Deadline(1.0), world=world, facts=Stream())
    def outer() -> None:
        clock.advance(1.0)
        inner.call(calls.append, 1)

    with pytest.raises(DeadlineExceededError):
        outer()
    assert calls == []


def test_under_uniform_slowness_hedges_keep_to_their_budget() -> None:
    hedge = Hedge(0.0, most=3, budget=RetryBudget(0.1, 2), workers=100)
    done = threading.Event()
    calls: list[int] = []

    def slow() -> None:
        calls.append(1)
        assert done.wait(20)

    callers = [Caller(lambda: hedge.call(slow)) for _ in range(20)]
    until(lambda: len(calls) >= 22)
    done.set()
    for caller in callers:
        assert caller.end() is None
    assert 22 <= len(calls) <= 20 + 2 + 2
    assert hedge.snapshot()["started"] == len(calls) - 20


def test_a_call_without_a_free_thread_is_refused_and_told(attempts: Attempts) -> None:
    facts = Stream()
    heard: list[Fact] = []
    hedge = Hedge(3600.0, workers=2)
    guard = Guard(hedge, name="it", facts=facts)
    assert guard.call(lambda: 7) == 7
    assert hedge.pool is not None
    for number in (0, 1):
        job = hedge.pool.begin(attempts, lambda _job: None)
        assert attempts.inside[number].wait(10)
        hedge.pool.abandon(job)
    facts.subscribe(heard.append)
    with pytest.raises(WorkersBusyError, match="guard 'it'"):
        guard.call(attempts)
    assert facts.flush()
    assert [type(fact).__name__ for fact in heard] == ["CallRefused"]
    assert attempts.begun == 2


def test_a_hedge_that_got_no_thread_is_not_told_as_begun(attempts: Attempts, monkeypatch: pytest.MonkeyPatch) -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    hedge = Hedge(0.0, budget=generous(), workers=2)
    guard = Guard(hedge, facts=facts)
    assert guard.call(lambda: 7) == 7
    assert facts.flush()
    heard.clear()
    before = hedge.snapshot()["started"]
    refused = threading.Event()
    pool = hedge.pool
    assert pool is not None
    begin = pool.begin

    def begin_first_alone(*values: Any) -> Any:
        if attempts.inside[0].is_set():
            refused.set()
            raise WorkersBusyError("guard")
        return begin(*values)

    monkeypatch.setattr(pool, "begin", begin_first_alone)
    monkeypatch.setattr(hedge, "after_s", SOON_S)
    caller = Caller(lambda: guard.call(attempts))
    assert refused.wait(10)
    attempts.gates[0].set()
    assert caller.end() == 0
    assert facts.flush()
    assert heard == []
    assert hedge.snapshot()["started"] == before


def test_an_error_is_gone_once_it_is_dealt_with() -> None:
    class OwnError(Exception):
        pass

    gone: list[weakref.ref[BaseException]] = []
    hedge = Hedge(3600.0)

    def fail() -> None:
        error = OwnError()
        gone.append(weakref.ref(error))
        try:
            raise error
        finally:
            del error

    def run() -> None:
        try:
            hedge.call(fail)
        except OwnError:
            return

    gc.collect()
    gc.disable()
    try:
        run()
        until(lambda: gone[0]() is None)
    finally:
        gc.enable()
