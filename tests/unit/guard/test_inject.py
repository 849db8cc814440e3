"""Each injection does to a call what it says while its experiment is on, and nothing at all otherwise."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from injecting import ALLOWED, Dependency, Stage

from bascule.guard import (
    Bulkhead,
    Cache,
    CallTimeoutError,
    CircuitBreaker,
    CircuitOpenError,
    Consecutive,
    Deadline,
    DeadlineExceededError,
    Disturbances,
    Fallback,
    Fixed,
    Guard,
    Guards,
    Hedge,
    InjectCorruption,
    InjectedError,
    InjectError,
    InjectLatency,
    InjectResult,
    NotGuardableError,
    RateLimit,
    Retry,
    Timeout,
)
from bascule.guard.facts import FaultInjectedInCall
from bascule.guard.inject.corruptions import cut, garble
from bascule.guard.inject.policies import Injection
from bascule.kernel.errors import InputError

MAKE: dict[str, Callable[..., Injection]] = {
    "InjectError": InjectError,
    "InjectLatency": InjectLatency,
    "InjectResult": lambda rate, **options: InjectResult(rate, "wrong", **options),
    "InjectCorruption": lambda rate, **options: InjectCorruption(rate, cut, **options),
}
WAYS = ["plain", "async"]


def ask(guard: Any, dependency: Dependency, way: str, *args: str) -> str:
    """Call it once, guarded."""
    if way == "plain":
        return str(guard(dependency.ask)(*args))
    return str(asyncio.run(guard(dependency.ask_async)(*args)))


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", sorted(MAKE))
def test_nothing_is_injected_that_was_not_switched_on(kind: str, way: str) -> None:
    stage, dependency = Stage(), Dependency()
    guard = stage.guard(MAKE[kind](1.0, disturbances=stage.switch))
    stage.switch.on("another", for_s=60.0)
    assert ask(guard, dependency, way) == "good ada"
    assert (dependency.calls, stage.clock.monotonic_s()) == (1, 100.0)
    assert stage.told(FaultInjectedInCall) == []


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", sorted(MAKE))
def test_each_fault_is_told_and_counted_and_ends_with_the_block(kind: str, way: str) -> None:
    stage, dependency = Stage([0.2, 0.9]), Dependency()
    guard = stage.guard(Fallback("failed"), MAKE[kind](0.5, disturbances=stage.switch))
    expected = {
        "InjectError": "failed",
        "InjectLatency": "good ada",
        "InjectResult": "wrong",
        "InjectCorruption": "good",
    }
    with stage.switch.on("prices", for_s=60.0) as experiment:
        assert ask(guard, dependency, way) == expected[kind]  # the dice fall below the rate
        assert ask(guard, dependency, way) == "good ada"  # and above it
        assert experiment.injected == {kind: 1}
    assert ask(guard, dependency, way) == "good ada"
    assert dependency.calls == (2 if kind in {"InjectError", "InjectResult"} else 3)
    assert stage.clock.monotonic_s() == (101.0 if kind == "InjectLatency" else 100.0)
    (told,) = stage.told(FaultInjectedInCall)
    assert (told.guard, told.policy, told.experiment) == ("prices", kind, "prices")
    assert guard.snapshot()[kind] == {"experiment": "prices", "rate": 0.5, "injected": 1}


@pytest.mark.parametrize("way", WAYS)
def test_an_error_after_the_call_leaves_the_call_done(way: str) -> None:
    stage, dependency = Stage(), Dependency()
    guard = stage.guard(InjectError(1.0, TimeoutError, after=True, disturbances=stage.switch))
    with stage.switch.on("prices", for_s=1.0), pytest.raises(TimeoutError, match="experiment 'prices'"):
        ask(guard, dependency, way)
    assert dependency.calls == 1


def test_an_error_may_be_made_of_the_arguments() -> None:
    stage = Stage()
    guard = stage.guard(InjectError(1.0, lambda who: KeyError(f"for {who}"), disturbances=stage.switch))
    with stage.switch.on("prices", for_s=1.0), pytest.raises(KeyError, match="bob"):
        guard.call(Dependency().ask, "bob")
    wrong: Any = lambda who: who  # noqa: E731 - it stands for a mistake
    guard = stage.guard(InjectError(1.0, wrong, disturbances=stage.switch))
    with stage.switch.on("prices", for_s=1.0), pytest.raises(InputError, match="'bob', which is no exception"):
        guard.call(Dependency().ask, "bob")


def test_a_wrong_answer_may_be_made_of_the_arguments() -> None:
    stage = Stage()
    guard = stage.guard(InjectResult(1.0, function=lambda who: f"bad {who}", disturbances=stage.switch))
    with stage.switch.on("prices", for_s=1.0):
        assert ask(guard, Dependency(), "plain", "bob") == ask(guard, Dependency(), "async", "bob") == "bad bob"


def test_none_is_a_wrong_answer_too() -> None:
    stage = Stage()
    with stage.switch.on("prices", for_s=1.0):
        assert stage.guard(InjectResult(1.0, None, disturbances=stage.switch)).call(Dependency().ask) is None


@pytest.mark.parametrize("way", WAYS)
def test_latency_has_jitter_and_ends_with_the_lease(way: str) -> None:
    stage, dependency = Stage([0.5]), Dependency()
    guard = stage.guard(InjectLatency(1.0, 2.0, 1.0, disturbances=stage.switch))
    with stage.switch.on("prices", for_s=60.0):
        ask(guard, dependency, way)
    assert stage.clock.monotonic_s() == 102.5
    long = stage.guard(InjectLatency(1.0, 600.0, disturbances=stage.switch))
    with stage.switch.on("prices", for_s=5.0):
        ask(long, dependency, way)
    assert stage.clock.monotonic_s() == 107.5


@pytest.mark.parametrize("way", WAYS)
def test_an_injected_error_is_one_to_every_policy_around_it(way: str) -> None:
    stage, dependency = Stage(), Dependency()
    breaker = CircuitBreaker(window=Consecutive(2))
    guard = stage.guard(
        Retry(2, backoff=Fixed(0.0)), breaker, InjectError(1.0, ConnectionError, disturbances=stage.switch)
    )
    with stage.switch.on("prices", for_s=1.0) as experiment:
        with pytest.raises(ConnectionError):
            ask(guard, dependency, way)
        with pytest.raises(CircuitOpenError):
            ask(guard, dependency, way)
    assert experiment.injected == {"InjectError": 2}
    assert dependency.calls == 0


@pytest.mark.parametrize("limit", [Timeout(0.02), Deadline(0.02)])
def test_injected_latency_is_cut_by_a_limit_of_time_as_real_latency_is(limit: Any) -> None:
    dependency = Dependency()
    switch = Disturbances(environment=ALLOWED)  # in the real world: the limit runs on the loop's own clock
    guard = Guard(limit, InjectLatency(1.0, 30.0, disturbances=switch), name="prices")
    with switch.on("prices", for_s=60.0), pytest.raises((CallTimeoutError, DeadlineExceededError)):
        ask(guard, dependency, "async")
    assert dependency.calls == 0


def test_an_attempt_after_the_deadline_meets_no_fault() -> None:
    stage, dependency = Stage(), Dependency()
    injected = InjectLatency(1.0, 2.0, disturbances=stage.switch)
    guard = stage.guard(Deadline(1.0), Retry(5, backoff=Fixed(0.0)), injected)
    with stage.switch.on("prices", for_s=60.0) as experiment:
        ask(guard, dependency, "plain")
    assert experiment.injected == {"InjectLatency": 1}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", sorted(MAKE))
def test_an_injection_works_in_a_chain_of_every_policy(kind: str, way: str) -> None:
    dependency = Dependency()
    switch = Disturbances(environment=ALLOWED)  # in the real world: the chain has worker threads
    slow = {"delay_s": 0.0} if kind == "InjectLatency" else {}
    guard = Guard(
        Cache(60.0), Deadline(60.0), Retry(2, backoff=Fixed(0.0)), Hedge(50.0), RateLimit(1000), CircuitBreaker(),
        Bulkhead(9), Timeout(50.0), MAKE[kind](1.0, disturbances=switch, **slow), name="prices",
    )  # fmt: skip
    with switch.on("prices", for_s=60.0) as experiment:
        if kind == "InjectError":
            with pytest.raises(InjectedError):
                ask(guard, dependency, way)
        else:
            wanted = {"InjectResult": "wrong", "InjectLatency": "good ada", "InjectCorruption": "good"}[kind]
            assert ask(guard, dependency, way) == wanted
    assert experiment.injected == {kind: 2 if kind == "InjectError" else 1}
    assert ask(guard, dependency, way, "bob") == "good bob"


def numbers() -> Iterator[int]:
    yield from range(2)


async def numbers_async() -> AsyncIterator[int]:
    for number in range(2):
        yield number


@pytest.mark.parametrize("after", [False, True])
def test_streams_meet_errors_before_their_first_item_or_after_their_last(after: bool) -> None:
    stage = Stage()
    guard = stage.guard(InjectError(1.0, after=after, disturbances=stage.switch))
    seen: list[int] = []

    async def read() -> None:
        async for number in guard(numbers_async)():
            seen.append(number)  # noqa: PERF401 - what was seen before the error counts

    with stage.switch.on("prices", for_s=1.0):
        with pytest.raises(InjectedError):
            seen.extend(guard(numbers)())
        with pytest.raises(InjectedError):
            asyncio.run(read())
    assert seen == ([0, 1, 0, 1] if after else [])
    assert list(guard(numbers)()) == [0, 1]


def test_blocks_and_methods_meet_faults_too() -> None:
    stage, entered = Stage(), []
    guard = stage.guard(InjectError(1.0, disturbances=stage.switch))

    class Shop:
        @guard
        def price(self) -> int:
            return 1

    with stage.switch.on("prices", for_s=1.0):
        with pytest.raises(InjectedError), guard.block():
            entered.append(1)
        with pytest.raises(InjectedError):
            Shop().price()
    assert entered == []
    with guard.block():
        entered.append(Shop().price())
    assert entered == [1]


@pytest.mark.parametrize("kind", ["InjectResult", "InjectCorruption"])
def test_what_has_no_result_is_refused_where_a_result_is_injected(kind: str) -> None:
    with pytest.raises(NotGuardableError, match="its items are its result"):
        MAKE[kind](1.0)(numbers)
    with pytest.raises(NotGuardableError, match="a block has no result"), MAKE[kind](1.0).block():
        pytest.fail("the block was entered")


@pytest.mark.parametrize("kind", sorted(MAKE))
def test_an_injection_stands_innermost(kind: str) -> None:
    with pytest.raises(InputError, match="an injection stands outside of Retry, which would not meet what it injects"):
        Guard(MAKE[kind](0.1), Retry(3))
    Guard(Retry(3), InjectLatency(0.1), MAKE[kind](0.1))


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: InjectError(1.5), "InjectError.rate: 1.5 must be a share of calls from 0 to 1"),
        (lambda: InjectError(rate=True), "InjectError.rate: True must be"),
        (lambda: InjectError(float("nan")), "InjectError.rate: nan must be"),
        (
            lambda: MAKE["InjectError"](0.1, KeyboardInterrupt),
            "InjectError.error: .* an exception type under Exception",
        ),
        (lambda: MAKE["InjectError"](0.1, after=1), "InjectError.after"),
        (lambda: InjectError(0.1, experiment="a\n"), "InjectError.experiment"),
        (lambda: MAKE["InjectError"](0.1, disturbances=None), "InjectError.disturbances"),
        (lambda: InjectLatency(0.1, -1.0), "InjectLatency.delay_s"),
        (lambda: InjectLatency(0.1, 1e4), "InjectLatency.delay_s"),
        (lambda: InjectResult(0.1), "InjectResult: give a value or a function"),
        (lambda: InjectResult(0.1, 1, function=str), "InjectResult: give a value or a function"),
        (lambda: InjectResult(0.1, function=numbers), "InjectResult.function: .* a plain function"),
        (lambda: InjectCorruption(0.1), "InjectCorruption.corrupt: .* a function of the result"),
        (lambda: InjectCorruption(0.1, Dependency().ask_async), "InjectCorruption.corrupt: .* a plain function"),
    ],
)
def test_an_injection_that_cannot_be_is_refused(make: Callable[[], Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        make()


def test_a_file_of_guards_holds_injections_whose_rate_changes_while_calls_run() -> None:
    stage = Stage([0.1, 0.1])
    told: dict[str, Any] = {"prices": {"retry": {"attempts": 1}, "inject_error": {"rate": 0.0, "error": "OSError"}}}
    guards = Guards(told, world=stage.world, facts=stage.facts, disturbances=stage.switch)
    call = guards["prices"](Dependency().ask)
    with stage.switch.on("prices", for_s=60.0):
        assert call() == "good ada"
        told["prices"]["inject_error"]["rate"] = 0.5
        assert guards.update(told) == ["prices.inject_error.rate: 0.0 -> 0.5"]
        with pytest.raises(OSError, match="injected by"):
            call()
    with pytest.raises(InputError, match="disturbances"):
        Guards({"prices": {"inject_error": {"rate": 0.1, "disturbances": "on"}}})


def test_damage_shows() -> None:
    assert (cut("abcd"), cut(b"abc"), cut("")) == ("ab", b"a", "")
    assert (garble("abcd"), garble("a#b"), garble(b"abcd"), garble(b"")) == ("ab#d", "a?b", b"abCd", b"")


def test_every_injection_of_the_room_is_tried_here() -> None:
    from bascule.guard.inject import policies  # noqa: PLC0415 - the module as a whole is looked at

    made = {name for name, one in vars(policies).items() if inspect.isclass(one) and issubclass(one, Injection)}
    assert made - {"Injection"} == set(MAKE)
