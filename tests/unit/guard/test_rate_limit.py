"""A rate limit lets so many calls through, makes others wait their turn or refuses them, and loses no permit."""

from __future__ import annotations

import asyncio
import itertools
import threading
from typing import Any

import pytest

from bascule.guard import Deadline, Guard, RateLimit, RateLimitedError, Stream, World
from bascule.guard.facts import CallRefused
from bascule.guard.rates import Rate
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

ALGORITHMS = ["token_bucket", "sliding_window"]
PATIENCE_S = 30.0


def answer(*_: object) -> str:
    return "answer"


class Limited:
    """A rate limit in a world of its own, and what came of calls through it."""

    def __init__(self, limit: RateLimit, *around: Deadline) -> None:
        self.clock = FakeClock(1000.0)
        self.limit = limit
        self.facts = Stream()
        self.guard = Guard(*around, limit, name="api", world=World.fake(self.clock, LoadedDice([])), facts=self.facts)
        self.calls = self.guard(answer)

    def through(self, most: int, *args: object) -> int:
        """How many of so many calls get through now."""
        passed = 0
        for _ in range(most):
            try:
                self.calls(*args)
            except RateLimitedError:
                continue
            passed += 1
        return passed


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"limit": 0}, r"RateLimit\.limit: 0 must be a whole number from 1"),
        ({"limit": 2.5}, r"RateLimit\.limit: 2.5 must be a whole number"),
        ({"per_s": 0}, r"RateLimit\.per_s: 0 must be a number above 0"),
        ({"per_s": float("inf")}, r"RateLimit\.per_s: inf must be a number"),
        ({"algorithm": "leaky"}, r"RateLimit\.algorithm: 'leaky' must be token_bucket or sliding_window"),
        ({"algorithm": None}, r"RateLimit\.algorithm: None must be token_bucket or sliding_window"),
        ({"burst": 0}, r"RateLimit\.burst: 0 must be a whole number from 1"),
        ({"warm_up_s": -1}, r"RateLimit\.warm_up_s: -1 must be"),
        ({"algorithm": "sliding_window", "burst": 5}, r"RateLimit\.burst: 5 must be left out"),
        ({"algorithm": "sliding_window", "warm_up_s": 5}, r"RateLimit\.warm_up_s: 5 must be left out"),
        ({"wait_s": -1}, r"RateLimit\.wait_s: -1 must be"),
        ({"key": 5}, r"RateLimit\.key: 5 must be a function or None"),
        ({"most_keys": 0}, r"RateLimit\.most_keys: 0 must be a whole number from 1"),
        ({"limit": 1_000_000, "per_s": 0.001}, r"RateLimit\.rate_per_s: .* must be .* at most 1e\+06"),
        ({"shared": "redis"}, r"RateLimit\.shared: 'redis' must be"),
    ],
)
def test_impossible_options_are_refused_with_field_value_and_rule(options: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        RateLimit(**{"limit": 1, **options})


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_the_limit_holds_and_comes_back(algorithm: Any) -> None:
    limited = Limited(RateLimit(5, 10.0, algorithm=algorithm))
    seen = [limited.through(100)]
    limited.clock.advance(9.9)
    seen.append(limited.through(100))
    limited.clock.advance(0.2)
    seen.append(limited.through(100))
    assert seen == ([5, 4, 1] if algorithm == "token_bucket" else [5, 0, 5])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_refused_call_is_told_when_to_ask_again(algorithm: Any) -> None:
    limited = Limited(RateLimit(1, 10.0, algorithm=algorithm))
    told: list[Fact] = []
    limited.facts.subscribe(told.append)
    limited.calls()
    limited.clock.advance(4.0)
    with pytest.raises(RateLimitedError) as refused:
        limited.calls()
    assert refused.value.retry_after_s == pytest.approx(6.0)
    assert str(refused.value) == "guard 'api': the rate limit is reached (ask again in 6 s)"
    assert limited.facts.flush(PATIENCE_S)
    assert told == [CallRefused(at_s=1004.0, guard="api", policy="RateLimit")]
    limited.clock.advance(6.0)
    assert limited.calls() == "answer"
    assert limited.limit.snapshot() == {"limit": 1, "per_s": 10.0, "available": 0, "refused": 1}


def test_a_burst_may_be_smaller_or_larger_than_the_limit() -> None:
    assert Limited(RateLimit(10, 1.0, burst=3)).through(100) == 3
    large = Limited(RateLimit(10, 1.0, burst=30))
    seen = [large.through(100)]
    large.clock.advance(1.0)
    seen.append(large.through(100))
    assert seen == [30, 10]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_calls_wait_for_their_turn_in_order(algorithm: Any) -> None:
    limited = Limited(RateLimit(1, 10.0, algorithm=algorithm, wait_s=20.0))
    began: list[float] = []
    for _ in range(3):
        limited.calls()
        began.append(limited.clock.monotonic_s())
    assert began == pytest.approx([1000.0, 1010.0, 1020.0])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_tasks_wait_for_their_turn_too(algorithm: Any) -> None:
    limited = Limited(RateLimit(2, 10.0, algorithm=algorithm, wait_s=20.0))

    async def call() -> float:
        return limited.clock.monotonic_s()

    guarded = limited.guard(call)

    async def main() -> list[float]:
        return [await guarded() for _ in range(4)]

    began = asyncio.run(main())
    waited = [at - 1000.0 for at in began]
    assert waited == pytest.approx([0, 0, 5, 10] if algorithm == "token_bucket" else [0, 0, 10, 10])


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_who_would_wait_too_long_is_refused_at_once_and_takes_nothing(algorithm: Any) -> None:
    limited = Limited(RateLimit(1, 10.0, algorithm=algorithm, wait_s=9.0))
    limited.calls()
    for _ in range(5):
        with pytest.raises(RateLimitedError):
            limited.calls()
    assert limited.clock.monotonic_s() == 1000.0
    limited.clock.advance(2.0)
    assert limited.calls() == "answer"
    assert limited.clock.monotonic_s() == pytest.approx(1010.0)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_nobody_waits_beyond_the_deadline(algorithm: Any) -> None:
    limited = Limited(RateLimit(1, 10.0, algorithm=algorithm, wait_s=100.0), Deadline(5.0))
    limited.calls()
    with pytest.raises(RateLimitedError):
        limited.calls()
    limited.clock.advance(6.0)
    assert limited.calls() == "answer"


class Ticking(FakeClock):
    """A clock that goes on a little each time it is read, as real ones do."""

    def monotonic_s(self) -> float:
        self.advance(1e-6)
        return super().monotonic_s()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("clock", [FakeClock(1000.0), Ticking(1000.0)])
def test_a_wait_that_is_broken_off_gives_its_permit_back(algorithm: Any, clock: FakeClock) -> None:
    limit = RateLimit(2, 10.0, algorithm=algorithm, wait_s=100.0)
    is_broken = [True]

    def sleep(wait_s: float) -> None:
        if is_broken[0]:
            raise KeyboardInterrupt
        clock.advance(wait_s)

    async def sleep_async(wait_s: float) -> None:
        if is_broken[0]:
            raise asyncio.CancelledError
        clock.advance(wait_s)

    world = World(
        now_s=clock.monotonic_s, wall_s=clock.wall_s, uniform=lambda low, _: low, sleep=sleep, sleep_async=sleep_async
    )
    calls = Guard(limit, world=world)(answer)

    async def coroutine() -> str:
        return answer()

    calls_async = limit(coroutine)
    began_s = clock.monotonic_s()
    calls()
    calls()
    for _ in range(5):
        with pytest.raises(KeyboardInterrupt):
            calls()
        with pytest.raises(asyncio.CancelledError):
            asyncio.run(calls_async())
    is_broken[0] = False
    assert calls() == "answer"
    due_s = 5.0 if algorithm == "token_bucket" else 10.0
    assert clock.monotonic_s() - began_s == pytest.approx(due_s, abs=0.001)


def test_a_cold_bucket_begins_at_a_third_of_its_rate() -> None:
    limited = Limited(RateLimit(10, 1.0, warm_up_s=100.0, wait_s=10.0))
    began: list[float] = []
    for _ in range(4):
        limited.calls()
        began.append(limited.clock.monotonic_s())
    waits = [later - earlier for earlier, later in itertools.pairwise(began)]
    assert waits == pytest.approx([0.3, 0.3, 0.3], rel=0.02)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_key_has_a_rate_of_its_own(algorithm: Any) -> None:
    limited = Limited(RateLimit(2, 10.0, algorithm=algorithm, key=lambda host: host))
    assert [limited.through(10, host) for host in ("a", "b", "a")] == [2, 2, 0]


@pytest.mark.parametrize(
    "options",
    [{"algorithm": "sliding_window"}, {}, {"burst": 5}, {"warm_up_s": 3.0}, {"warm_up_s": 3.0, "burst": 5}],
)
def test_a_flood_of_keys_is_bounded_and_rested_keys_are_forgotten(options: dict[str, Any]) -> None:
    limited = Limited(RateLimit(2, 1.0, key=lambda host: host, most_keys=10, **options))
    seen: list[int] = []
    for host in range(100):
        seen.append(limited.through(1, host))
        limited.clock.advance(5.0)
    assert seen == [1] * 100
    assert len(limited.limit._rates.all()) == 10, "none had to share, since those before had rested"


@pytest.mark.parametrize(
    "options",
    [{"algorithm": "sliding_window"}, {}, {"burst": 5}, {"warm_up_s": 30.0}],
)
def test_keys_that_have_not_rested_are_not_forgotten(options: dict[str, Any]) -> None:
    limited = Limited(RateLimit(2, 10.0, key=lambda host: host, most_keys=3, **options))
    for host in range(3):
        limited.through(10, host)
    limited.clock.advance(1.0)
    for host in range(3, 30):
        limited.through(1, host)
    assert [limited.through(10, host) for host in range(3)] == [0, 0, 0]
    assert len(limited.limit._rates.all()) == 4


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_a_changed_limit_holds_at_once_and_what_was_let_through_counts(algorithm: Any) -> None:
    limited = Limited(RateLimit(5, 10.0, algorithm=algorithm))
    seen = [limited.through(5)]
    limited.limit.reconfigure(limit=8)
    seen.append(limited.through(10))
    limited.clock.advance(10.0)
    seen.append(limited.through(100))
    assert seen == [5, 3, 8]


@pytest.mark.parametrize(("before", "after"), [ALGORITHMS, ALGORITHMS[::-1]])
def test_what_was_let_through_counts_under_another_algorithm_too(before: Any, after: Any) -> None:
    limited = Limited(RateLimit(5, 10.0, algorithm=before, key=lambda host: host))
    seen = [limited.through(3, "a"), limited.through(10, "b")]
    limited.limit.reconfigure(algorithm=after)
    seen += [limited.through(10, "a"), limited.through(10, "b"), limited.through(10, "c")]
    limited.clock.advance(10.0)
    seen += [limited.through(10, "a"), limited.through(10, "b")]
    assert seen == [3, 5, 2, 0, 5, 5, 5]


def test_an_impossible_change_changes_nothing() -> None:
    limit = RateLimit(5)
    with pytest.raises(InputError):
        limit.reconfigure(limit=3, per_s=0)
    with pytest.raises(InputError, match="cannot be switched on or off"):
        limit.reconfigure(key=str)
    assert limit.options() == RateLimit(5).options()


class Recorded:
    """A store of shared rates that writes down what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, str]] = []

    def rate(self, limit: RateLimit, key: str) -> Rate:
        self.asked.append((limit.limit, key))
        return limit.new_local_rate()


def test_a_shared_rate_is_asked_for_once_for_each_key() -> None:
    store = Recorded()
    limited = Limited(RateLimit(2, key=lambda host: host, shared=store))
    assert [limited.through(5, host) for host in ("a", "b", "a")] == [2, 2, 0]
    assert store.asked == [(2, "a"), (2, "b")]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_threads_together_keep_to_the_limit(algorithm: Any) -> None:
    limited, start = Limited(RateLimit(50, 10.0, algorithm=algorithm)), threading.Barrier(8)
    passed: list[int] = []

    def work() -> None:
        start.wait(PATIENCE_S)
        passed.append(limited.through(100))

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sum(passed) == 50


def test_a_key_that_cannot_be_hashed_is_refused_with_what_to_do() -> None:
    with pytest.raises(InputError, match="a list cannot be a key"):
        RateLimit(1, key=lambda one: one).call(answer, [])
