"""What a circuit breaker promises, seen by those who call through it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from typing import Any

import pytest

from bascule.guard import (
    Bulkhead,
    BulkheadFullError,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    CountWindow,
    Guard,
    State,
    Stream,
    TimeWindow,
    World,
)
from bascule.guard.circuit_breaker.states import TRANSITIONS, Event
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact


class Dependency:
    """Something that fails, and takes as long as it is told."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.error: BaseException | None = None
        self.takes_s = 0.0
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        self.clock.advance(self.takes_s)
        if self.error is not None:
            raise self.error
        return "answer"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def dependency(clock: FakeClock) -> Dependency:
    return Dependency(clock)


class Caller:
    """Calls a dependency through a breaker, in a world whose clock a test moves."""

    def __init__(self, breaker: CircuitBreaker, dependency: Dependency) -> None:
        self.facts = Stream()
        self.heard: list[Fact] = []
        self.facts.subscribe(self.heard.append)
        world = World.fake(dependency.clock, LoadedDice([]))
        self.breaker = breaker
        self.dependency = dependency
        self.call = Guard(breaker, name="it", world=world, facts=self.facts)(dependency)

    def fail(self, times: int, error: BaseException | None = None) -> None:
        self.dependency.error = error or ConnectionError("down")
        for _ in range(times):
            with pytest.raises(type(self.dependency.error)):
                self.call()
        self.dependency.error = None

    def succeed(self, times: int) -> None:
        for _ in range(times):
            assert self.call() == "answer"

    def is_refused(self) -> bool:
        before = self.dependency.calls
        with pytest.raises(CircuitOpenError):
            self.call()
        return self.dependency.calls == before

    def told(self) -> list[str]:
        assert self.facts.flush()
        names = [type(fact).__name__ for fact in self.heard]
        return [name for name in names if name.startswith("Circuit")]


def state_of(breaker: CircuitBreaker) -> State:
    """Asked anew each time, which a type checker takes a property not to be."""
    return breaker.state


Make = Callable[..., Caller]


@pytest.fixture
def caller(dependency: Dependency) -> Make:
    def make(**options: Any) -> Caller:
        return Caller(CircuitBreaker(**options), dependency)

    return make


def test_it_opens_at_the_rate_and_not_before(caller: Make) -> None:
    one = caller(failure_rate=0.5, window=CountWindow(10), minimum_calls=10)
    one.succeed(6)
    one.fail(4)
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1)  # five of the last ten
    assert state_of(one.breaker) == State.OPEN
    assert one.is_refused()


def test_it_gives_no_verdict_on_too_few_calls(caller: Make) -> None:
    one = caller(window=CountWindow(10), minimum_calls=5)
    one.fail(4)
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN


def test_a_success_does_not_open_it(caller: Make) -> None:
    one = caller(failure_rate=0.5, window=CountWindow(10), minimum_calls=5)
    one.fail(4)
    one.succeed(1)  # four of five failed, but it was no failure that made it five
    assert state_of(one.breaker) == State.CLOSED


def test_a_count_window_forgets_what_is_older(caller: Make) -> None:
    one = caller(failure_rate=0.5, window=CountWindow(4), minimum_calls=4)
    one.fail(1)
    one.succeed(4)
    one.fail(1)
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN


def test_a_time_window_forgets_what_is_older(caller: Make, clock: FakeClock) -> None:
    one = caller(failure_rate=0.5, window=TimeWindow(10.0, buckets=10), minimum_calls=4)
    one.fail(3)
    clock.advance(11.0)
    one.fail(3)
    assert state_of(one.breaker) == State.CLOSED
    clock.advance(5.0)
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN


def test_a_time_window_that_nobody_called_in_for_long_is_empty(caller: Make, clock: FakeClock) -> None:
    one = caller(window=TimeWindow(10.0, buckets=3), minimum_calls=2)
    one.fail(1)
    clock.advance(1e6)
    one.fail(1)
    snapshot = one.breaker.circuit().snapshot()
    assert snapshot.rates is not None
    assert snapshot.rates.calls == 1


def test_failures_in_a_row_open_it_and_a_success_between_them_does_not(caller: Make) -> None:
    one = caller(window=Consecutive(3))
    one.fail(2)
    one.succeed(1)
    one.fail(2)
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN


def test_an_ignored_error_neither_counts_nor_resets_a_row(caller: Make) -> None:
    one = caller(window=Consecutive(3), ignore=KeyError)
    one.fail(2)
    one.fail(5, KeyError("not found"))
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN


def test_slow_calls_open_it(caller: Make, dependency: Dependency) -> None:
    one = caller(slow_call_s=1.0, slow_rate=0.5, window=CountWindow(4), minimum_calls=4)
    one.succeed(2)
    dependency.takes_s = 1.0
    one.succeed(1)
    assert state_of(one.breaker) == State.CLOSED
    one.succeed(1)
    assert state_of(one.breaker) == State.OPEN


def test_a_result_can_be_a_failure(dependency: Dependency) -> None:
    breaker = CircuitBreaker(window=Consecutive(2), on_result=lambda result: bool(result == "answer"))
    call = breaker(dependency)
    assert call() == "answer"
    assert call() == "answer"
    assert state_of(breaker) == State.OPEN


def test_only_errors_that_it_is_about_count(caller: Make) -> None:
    one = caller(window=Consecutive(1), on=(ConnectionError, TimeoutError))
    one.fail(3, ValueError("ours"))
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1, ConnectionResetError("theirs"))
    assert state_of(one.breaker) == State.OPEN


def test_a_function_says_which_errors_count(caller: Make) -> None:
    one = caller(window=Consecutive(1), on=lambda error: "5" in str(error))
    one.fail(3, ValueError("404"))
    assert state_of(one.breaker) == State.CLOSED
    one.fail(1, ValueError("503"))
    assert state_of(one.breaker) == State.OPEN


def test_what_ends_a_program_is_neither_success_nor_failure(caller: Make) -> None:
    one = caller(window=Consecutive(1))
    for error in (KeyboardInterrupt(), SystemExit(1), GeneratorExit(), asyncio.CancelledError()):
        one.fail(1, error)
    assert state_of(one.breaker) == State.CLOSED


def test_a_refusal_further_in_is_neither_success_nor_failure() -> None:
    breaker, bulkhead = CircuitBreaker(window=Consecutive(1)), Bulkhead(1)
    assert bulkhead.gate().enter()
    call = Guard(breaker, bulkhead)(lambda: 1)
    with pytest.raises(BulkheadFullError):
        call()
    assert state_of(breaker) == State.CLOSED


def test_it_says_when_to_ask_again(caller: Make, clock: FakeClock) -> None:
    one = caller(window=Consecutive(1), open_s=30.0)
    one.fail(1)
    clock.advance(10.0)
    with pytest.raises(CircuitOpenError) as refused:
        one.call()
    assert refused.value.retry_after_s == pytest.approx(20.0)
    assert "'it'" in str(refused.value)


def test_probes_close_it_and_everything_is_told(caller: Make, clock: FakeClock) -> None:
    one = caller(window=Consecutive(1), open_s=30.0, half_open_probes=2)
    one.fail(1)
    clock.advance(30.0)
    one.succeed(1)
    assert state_of(one.breaker) == State.HALF_OPEN
    one.succeed(1)
    assert state_of(one.breaker) == State.CLOSED
    assert one.told() == ["CircuitOpened", "CircuitHalfOpened", "CircuitClosed"]


def test_a_failed_probe_opens_it_for_longer(caller: Make, clock: FakeClock) -> None:
    one = caller(window=Consecutive(1), open_s=10.0, open_factor=2.0, open_most_s=25.0, half_open_probes=1)
    one.fail(1)
    for open_s in (10.0, 20.0, 25.0, 25.0):
        assert one.breaker.circuit().snapshot().retry_after_s == pytest.approx(open_s)
        clock.advance(open_s)
        one.fail(1)
    clock.advance(25.0)
    one.succeed(1)
    one.fail(1)
    assert one.breaker.circuit().snapshot().retry_after_s == pytest.approx(10.0), "a success begins anew"


def test_rates_decide_about_probes_as_early_as_they_can(caller: Make, clock: FakeClock) -> None:
    one = caller(failure_rate=0.5, window=CountWindow(1), minimum_calls=1, half_open_probes=4)
    one.fail(1)
    clock.advance(30.0)
    one.fail(1)
    assert state_of(one.breaker) == State.HALF_OPEN
    one.succeed(2)
    assert state_of(one.breaker) == State.HALF_OPEN, "one more failure would make it half of four"
    one.succeed(1)
    assert state_of(one.breaker) == State.CLOSED


def test_an_ignored_error_gives_its_probe_back(caller: Make, clock: FakeClock) -> None:
    one = caller(window=Consecutive(1), half_open_probes=1, ignore=KeyError)
    one.fail(1)
    clock.advance(30.0)
    one.fail(5, KeyError("not found"))
    assert state_of(one.breaker) == State.HALF_OPEN
    one.succeed(1)
    assert state_of(one.breaker) == State.CLOSED


def test_an_operator_opens_closes_and_isolates(caller: Make, clock: FakeClock) -> None:
    one = caller(open_s=5.0)
    one.breaker.force_open()
    assert one.is_refused()
    clock.advance(5.0)
    one.succeed(1)
    one.breaker.isolate()
    clock.advance(1e6)
    assert one.is_refused()
    with pytest.raises(CircuitOpenError) as refused:
        one.call()
    assert refused.value.retry_after_s is None
    one.breaker.force_close()
    one.succeed(1)


def test_each_key_has_a_circuit_of_its_own() -> None:
    def fetch(host: str) -> str:
        if host == "bad":
            raise ConnectionError(host)
        return host

    breaker = CircuitBreaker(window=Consecutive(1), key=lambda host: host)
    call = breaker(fetch)
    with pytest.raises(ConnectionError):
        call("bad")
    with pytest.raises(CircuitOpenError):
        call("bad")
    assert call("good") == "good"
    snapshot: Any = breaker.snapshot()
    assert {key: one["state"] for key, one in snapshot.items()} == {"bad": "open", "good": "closed"}


def test_changed_options_keep_what_is_remembered(caller: Make) -> None:
    one = caller(failure_rate=0.9, window=CountWindow(10), minimum_calls=4)
    one.succeed(2)
    one.fail(2)
    one.breaker.reconfigure(failure_rate=0.5)
    one.fail(1)
    assert state_of(one.breaker) == State.OPEN
    one.breaker.reconfigure(open_s=1.0)
    assert state_of(one.breaker) == State.OPEN


def test_every_transition_is_in_the_table() -> None:
    assert (State.OPEN, Event.PROVED) not in TRANSITIONS
    assert (State.ISOLATED, Event.WAITED) not in TRANSITIONS
    assert {TRANSITIONS[state, Event.ISOLATED] for state in State} == {State.ISOLATED}


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"failure_rate": 1.5}, "failure_rate: 1.5"),
        ({"failure_rate": 0}, "failure_rate: 0"),
        ({"failure_rate": math.nan}, "failure_rate: nan"),
        ({"slow_rate": -0.1}, "slow_rate: -0.1"),
        ({"slow_call_s": 0}, "slow_call_s: 0"),
        ({"minimum_calls": 0}, "minimum_calls: 0"),
        ({"minimum_calls": 11, "window": CountWindow(10)}, "at most window.size, which is 10"),
        ({"window": 10}, "window: 10"),
        ({"open_s": 0}, "open_s: 0"),
        ({"open_factor": 0.5}, "open_factor: 0.5"),
        ({"open_most_s": 1.0}, "open_most_s: 1.0"),
        ({"half_open_probes": 0}, "half_open_probes: 0"),
        ({"half_open_concurrency": 4}, "half_open_concurrency: 4"),
        ({"half_open_s": -1}, "half_open_s: -1"),
        ({"on": KeyboardInterrupt}, "CircuitBreaker.on"),
        ({"ignore": "ValueError"}, "CircuitBreaker.ignore"),
        ({"key": "host"}, "CircuitBreaker.key"),
        ({"most_keys": 0}, "most_keys: 0"),
    ],
)
def test_what_cannot_be_is_refused_with_field_value_and_rule(options: dict[str, Any], field: str) -> None:
    with pytest.raises(InputError) as refused:
        CircuitBreaker(**options)
    assert field in str(refused.value)
    assert "must be" in str(refused.value)


@pytest.mark.parametrize("make", [lambda: CountWindow(0), lambda: TimeWindow(0.0), lambda: Consecutive(0)])
def test_impossible_windows_are_refused(make: Callable[[], object]) -> None:
    with pytest.raises(InputError, match="must be"):
        make()
