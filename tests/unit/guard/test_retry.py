"""What a retry promises: what it tries again, how often, after which wait, and what it leaves alone."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from types import SimpleNamespace
from typing import Any

import pytest

from bascule.guard import (
    BulkheadFullError,
    CallRefusedError,
    CircuitBreaker,
    CircuitOpenError,
    Deadline,
    DeadlineExceededError,
    Exponential,
    Fixed,
    Guard,
    Retry,
    RetryBudget,
    Stream,
    World,
)
from bascule.guard.facts import GuardFact
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact


class Flaky:
    """Fails as often as it is told, then answers; a callable object."""

    def __init__(self, *errors: BaseException) -> None:
        self.errors = list(errors)
        self.calls = 0

    def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "answer"

    async def again(self) -> str:
        return self()


class Waits:
    """A world that takes no time and writes down how long it was waited."""

    def __init__(self, *rolls: float) -> None:
        self.clock = FakeClock(100.0)
        self.waited_s: list[float] = []
        self.rolls = rolls

    @property
    def world(self) -> World:
        def wait(seconds: float) -> None:
            self.waited_s.append(round(seconds, 9))
            self.clock.advance(seconds)

        async def wait_async(seconds: float) -> None:
            wait(seconds)

        dice = LoadedDice(self.rolls)
        return World(
            now_s=self.clock.monotonic_s,
            wall_s=self.clock.wall_s,
            uniform=dice.uniform,
            sleep=wait,
            sleep_async=wait_async,
        )


@pytest.fixture
def waits() -> Waits:
    return Waits()


def guard(retry: Retry, waits: Waits | None = None, facts: Stream | None = None) -> Guard[Any]:
    return Guard(retry, name="it", world=(waits or Waits()).world, facts=facts or Stream())


def now(**options: Any) -> Retry:
    """A retry without waits and without a budget."""
    return Retry(**{"backoff": Fixed(0.0), "budget": None, **options})


def http_error(value: object) -> Exception:
    error = ConnectionError("asked to wait")
    vars(error)["response"] = SimpleNamespace(headers={"Retry-After": value})
    return error


# What is tried again


def test_a_call_is_made_attempts_times_in_all_and_the_last_error_is_raised_as_it_was() -> None:
    errors = [ConnectionError(str(number)) for number in range(3)]
    flaky = Flaky(*errors)
    with pytest.raises(ConnectionError) as caught:
        guard(now(attempts=3)).call(flaky)
    assert flaky.calls == 3
    assert caught.value is errors[2]
    assert caught.value.__cause__ is None
    assert caught.value.__notes__ == ["bascule: given up after 3 of 3 attempts (attempts)"]


def test_a_success_ends_it() -> None:
    flaky = Flaky(ConnectionError())
    assert guard(now(attempts=3)).call(flaky) == "answer"
    assert flaky.calls == 2


def test_one_attempt_is_no_retry() -> None:
    flaky = Flaky(ConnectionError())
    with pytest.raises(ConnectionError):
        guard(now(attempts=1)).call(flaky)
    assert flaky.calls == 1


@pytest.mark.parametrize("on", [ConnectionError, (ValueError, OSError), lambda error: isinstance(error, OSError)])
def test_only_errors_that_are_meant_are_tried_again(on: Any) -> None:
    flaky = Flaky(ConnectionError(), KeyError("other"), ConnectionError())
    with pytest.raises(KeyError) as caught:
        guard(now(attempts=9, on=on)).call(flaky)
    assert flaky.calls == 2
    assert not hasattr(caught.value, "__notes__"), "an error that was not meant was not given up"


@pytest.mark.parametrize("ending", [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError])
@pytest.mark.parametrize("on", [Exception, lambda _error: True])
def test_what_ends_a_task_or_a_program_passes_at_once(ending: type[BaseException], on: Any) -> None:
    flaky = Flaky(ending())
    with pytest.raises(ending):
        guard(now(attempts=3, on=on)).call(flaky)
    assert flaky.calls == 1


def test_an_error_in_the_users_own_predicate_is_raised_with_the_error_it_was_asked_about() -> None:
    first = ConnectionError("first")

    def on(_error: Exception) -> bool:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError) as caught:
        guard(now(on=on)).call(Flaky(first))
    assert caught.value.__context__ is first


def test_a_refused_call_is_not_tried_again() -> None:
    flaky = Flaky(CircuitOpenError("other", 1.0))
    with pytest.raises(CircuitOpenError):
        guard(now(attempts=3)).call(flaky)
    assert flaky.calls == 1


@pytest.mark.parametrize("on", [CircuitOpenError, (ConnectionError, CircuitOpenError), CallRefusedError])
def test_a_refused_call_is_tried_again_where_it_is_named(on: Any) -> None:
    flaky = Flaky(CircuitOpenError("other", None))
    assert guard(now(attempts=3, on=on)).call(flaky) == "answer"


def test_naming_one_refusal_does_not_name_the_others() -> None:
    flaky = Flaky(CircuitOpenError("other", None), BulkheadFullError("other", None))
    with pytest.raises(BulkheadFullError):
        guard(now(attempts=5, on=(Exception, CircuitOpenError))).call(flaky)
    assert flaky.calls == 2


def test_which_refusals_are_named_may_change_while_calls_run() -> None:
    retry = now(attempts=3)
    call = guard(retry)(Flaky(CircuitOpenError("a", None), CircuitOpenError("a", None)))
    with pytest.raises(CircuitOpenError):
        call()
    retry.reconfigure(on=CircuitOpenError)
    assert call() == "answer"


def test_an_open_circuit_inside_ends_the_attempts() -> None:
    breaker = CircuitBreaker()
    flaky = Flaky()
    both = Guard(now(attempts=3), breaker, world=Waits().world, facts=Stream())
    breaker.force_open()
    with pytest.raises(CircuitOpenError):
        both.call(flaky)
    assert flaky.calls == 0


# Results


def test_a_bad_result_is_tried_again_and_the_last_one_is_returned() -> None:
    results = iter([None, None, "late"])
    assert guard(now(attempts=2, on_result=lambda result: result is None)).call(lambda: next(results)) is None
    assert next(results) == "late"


def test_a_good_result_after_bad_ones_is_returned() -> None:
    async def main() -> None:
        results = iter([0, 0, 7, 8])

        async def ask() -> int:
            return next(results)

        assert await guard(now(attempts=5, on_result=lambda result: not result)).call(ask) == 7

    asyncio.run(main())


def test_a_bad_result_costs_budget_and_waits_like_an_error() -> None:
    waits = Waits()
    retry = Retry(9, backoff=Fixed(2.0), budget=RetryBudget(0.1, 2), on_result=lambda _result: True)
    guard(retry, waits).call(lambda: 1)
    assert waits.waited_s == [2.0, 2.0]


# Waits


def test_waits_grow_and_luck_decides_on_the_share_of_them() -> None:
    waits = Waits(0.5, 0.25, 1.0)
    retry = Retry(4, backoff=Exponential(0.1, factor=2.0, cap_s=0.3), budget=None)
    with pytest.raises(ConnectionError):
        guard(retry, waits).call(Flaky(*[ConnectionError() for _ in range(4)]))
    assert waits.waited_s == [0.05, 0.05, 0.3]


def test_decorrelated_waits_are_told_the_wait_before() -> None:
    waits = Waits(0.5, 0.5)
    retry = Retry(3, backoff=Exponential(1.0, cap_s=100.0, jitter="decorrelated"), budget=None)
    with pytest.raises(ConnectionError):
        guard(retry, waits).call(Flaky(*[ConnectionError() for _ in range(3)]))
    assert waits.waited_s == [2.0, 3.5]


def test_the_first_retry_comes_at_once_on_request_and_rolls_no_dice() -> None:
    waits = Waits(1.0)
    retry = Retry(3, backoff=Exponential(1.0), first_immediate=True, budget=None)
    with pytest.raises(ConnectionError):
        guard(retry, waits).call(Flaky(*[ConnectionError() for _ in range(3)]))
    assert waits.waited_s == [0.0, 2.0]


@pytest.mark.parametrize(
    ("asked", "cap_s", "waited_s"),
    [
        ("7", 60.0, 7.0),
        ("700", 60.0, 60.0),
        ("0", 60.0, 1.0),
        ("7", None, 1.0),
        ("7", 0.0, 1.0),
        ("-7", 60.0, 1.0),
        ("nan", 60.0, 1.0),
        ("9" * 400, 60.0, 1.0),
        (b"7", 60.0, 1.0),
        (float("inf"), 60.0, 1.0),
    ],
)
def test_retry_after_makes_a_wait_longer_never_shorter_and_is_capped(
    asked: object, cap_s: float | None, waited_s: float
) -> None:
    waits = Waits()
    retry = Retry(2, backoff=Fixed(1.0), retry_after_cap_s=cap_s, budget=None)
    assert guard(retry, waits).call(Flaky(http_error(asked))) == "answer"
    assert waits.waited_s == [waited_s]


def test_retry_after_holds_back_an_immediate_first_retry() -> None:
    waits = Waits()
    retry = Retry(2, first_immediate=True, budget=None)
    guard(retry, waits).call(Flaky(http_error("3")))
    assert waits.waited_s == [3.0]


def test_a_refusal_that_is_named_is_asked_again_when_it_says() -> None:
    waits = Waits()
    guard(Retry(2, backoff=Fixed(0.0), on=CircuitOpenError, budget=None), waits).call(Flaky(CircuitOpenError("a", 4.0)))
    assert waits.waited_s == [4.0]


@pytest.mark.parametrize(("wait_s", "is_begun"), [(1.0, False), (0.999, True), (2.0, False)])
def test_no_wait_is_begun_that_would_end_after_the_deadline(wait_s: float, is_begun: bool) -> None:
    waits = Waits()
    flaky = Flaky(ConnectionError())
    both = Guard(Deadline(1.0), Retry(2, backoff=Fixed(wait_s), budget=None), world=waits.world, facts=Stream())
    if is_begun:
        assert both.call(flaky) == "answer"
    else:
        with pytest.raises(ConnectionError) as caught:
            both.call(flaky)
        assert caught.value.__notes__ == ["bascule: given up after 1 of 2 attempts (deadline)"]
        assert waits.waited_s == []


def test_the_wait_of_a_retry_after_is_held_to_the_deadline_too() -> None:
    waits = Waits()
    both = Guard(Deadline(1.0), Retry(2, backoff=Fixed(0.0), budget=None), world=waits.world, facts=Stream())
    with pytest.raises(ConnectionError):
        both.call(Flaky(http_error("5")))
    assert waits.waited_s == []


def test_no_attempt_begins_when_the_wait_before_it_took_longer_than_it_should() -> None:
    waits = Waits()

    def oversleep(seconds: float) -> None:
        waits.clock.advance(seconds + 1.0)

    late = replace(waits.world, sleep=oversleep)
    flaky = Flaky(ConnectionError())
    retry = Retry(2, backoff=Fixed(0.9), budget=None)
    with pytest.raises(DeadlineExceededError):
        Guard(Deadline(1.0), retry, world=late, facts=Stream()).call(flaky)
    assert flaky.calls == 1


# Notes


def test_notes_on_one_error_that_is_raised_many_times_are_bounded() -> None:
    same = ConnectionError("always the same")
    call = guard(now(attempts=1))(Flaky(*[same] * 100))
    for _ in range(100):
        with pytest.raises(ConnectionError):
            call()
    assert len(same.__notes__) == 3


class SlottedError(Exception):
    """An error without a dictionary of its own class."""

    __slots__ = ("code",)


@dataclass(frozen=True)
class FrozenError(Exception):
    """An error that lets nobody set an attribute, so that it takes no note."""

    code: int = 7


class MuteError(Exception):
    """An error whose notes are no list."""

    __notes__ = None  # type: ignore[assignment]  # that is the point


class AngryError(Exception):
    """An error that answers any question about it with another one."""

    def __getattr__(self, name: str) -> object:
        raise RuntimeError(name)


@pytest.mark.parametrize("kind", [SlottedError, FrozenError, MuteError, AngryError])
def test_an_error_that_takes_no_note_is_raised_all_the_same(kind: type[Exception]) -> None:
    last = kind()
    raised: BaseException | None = None
    try:
        guard(now(attempts=2)).call(Flaky(kind(), last))
    except Exception as error:  # noqa: BLE001 - a report of such an error would fail in turn
        raised = error
    assert raised is last, type(raised)


# Budget


def test_a_total_outage_is_met_with_at_most_a_fifth_more_load() -> None:
    flaky = Flaky(*[ConnectionError() for _ in range(10_000)])
    call = guard(Retry(5, backoff=Fixed(0.0)))(flaky)
    for made in range(1, 1001):
        with pytest.raises(ConnectionError):
            call()
        assert flaky.calls <= made + 10 + 0.1 * made
        if made >= 100:
            assert flaky.calls <= 1.2 * made
    assert flaky.calls >= 1000 + 100


def test_one_budget_bounds_several_retries_together() -> None:
    budget = RetryBudget(0.1, 3)
    flakies = [Flaky(*[ConnectionError() for _ in range(9)]) for _ in range(2)]
    for flaky in flakies:
        with pytest.raises(ConnectionError):
            guard(now(attempts=9, budget=budget)).call(flaky)
    assert [flaky.calls for flaky in flakies] == [4, 1]


def test_a_budget_that_is_used_up_is_told_as_the_reason() -> None:
    with pytest.raises(ConnectionError) as caught:
        guard(now(attempts=9, budget=RetryBudget(0.1, 1))).call(Flaky(*[ConnectionError() for _ in range(9)]))
    assert caught.value.__notes__ == ["bascule: given up after 2 of 9 attempts (budget)"]


# Facts and numbers


def test_its_decisions_are_told() -> None:
    facts = Stream()
    heard: list[Fact] = []
    facts.subscribe(heard.append)
    waits = Waits()
    with pytest.raises(ConnectionError):
        guard(Retry(2, backoff=Fixed(0.5), budget=None), waits, facts).call(Flaky(ConnectionError(), ConnectionError()))
    assert facts.flush()
    told = [(type(fact).__name__, fact.guard) for fact in heard if isinstance(fact, GuardFact)]
    assert told == [("AttemptFailed", "it"), ("RetriesGivenUp", "it")]
    assert "wait_s=0.5" in repr(heard[0])
    assert "reason='attempts'" in repr(heard[1])


def test_its_snapshot_counts() -> None:
    retry = Retry(2, backoff=Fixed(0.0))
    call = guard(retry)(Flaky(ConnectionError(), ConnectionError(), ConnectionError()))
    with pytest.raises(ConnectionError):
        call()
    call()
    assert retry.snapshot() == {
        "attempts": 2, "retried": 2, "given_up": 1, "budget": {"tokens": 8.1, "reserve": 10.0},
    }  # fmt: skip


# Options


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"attempts": 0}, r"Retry\.attempts: 0 must be a whole number from 1"),
        ({"attempts": -1}, r"Retry\.attempts: -1 "),
        ({"attempts": 2.0}, r"Retry\.attempts: 2\.0 "),
        ({"attempts": True}, r"Retry\.attempts: True "),
        ({"attempts": "3"}, r"Retry\.attempts: '3' "),
        ({"on": BaseException}, r"Retry\.on: .*BaseException.* under Exception"),
        ({"on": (OSError, KeyboardInterrupt)}, r"Retry\.on: .*KeyboardInterrupt"),
        ({"on": asyncio.CancelledError}, r"Retry\.on: .*CancelledError"),
        ({"on": 5}, r"Retry\.on: 5 "),
        ({"on": int}, r"Retry\.on: .*int"),
        ({"on_result": 5}, r"Retry\.on_result: 5 must be a function or None"),
        ({"retry_after_cap_s": -1}, r"Retry\.retry_after_cap_s: -1 "),
        ({"retry_after_cap_s": float("nan")}, r"Retry\.retry_after_cap_s: nan "),
        ({"backoff": 1.0}, r"Retry\.backoff: 1\.0 must be a backoff"),
        ({"budget": 0.1}, r"Retry\.budget: 0\.1 must be a RetryBudget or None"),
    ],
)
def test_an_impossible_option_is_refused_with_its_name_value_and_rule(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        Retry(**options)


def test_options_change_while_calls_run_and_what_was_counted_stays() -> None:
    retry = Retry(1, backoff=Fixed(0.0))
    call = guard(retry)(Flaky(*[ConnectionError() for _ in range(3)]))
    with pytest.raises(ConnectionError):
        call()
    retry.reconfigure(attempts=5)
    assert call() == "answer"
    assert retry.snapshot()["given_up"] == 1
    with pytest.raises(InputError, match=r"Retry\.attempts: 0"):
        retry.reconfigure(attempts=0, backoff=Fixed(9.0))
    assert retry.backoff == Fixed(0.0)
    with pytest.raises(InputError, match="no option 'tries'"):
        retry.reconfigure(tries=1)
    with pytest.raises(InputError, match="on_result cannot be switched on or off"):
        retry.reconfigure(on_result=bool)
