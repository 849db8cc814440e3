"""Rates that several processes share on one store in memory, turn by turn and on a clock that the test moves."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

import pytest

from bascule.guard import Guard, RateLimit, RateLimitedError, Stream, World
from bascule.guard.facts import SharedStateFound, SharedStateLost
from bascule.guard.shared.facts import SharedValueIgnored
from bascule.guard.shared.leases import LeasedRate
from bascule.guard.shared.memory import MemoryStore
from bascule.guard.shared.permits import Answer, Ask
from bascule.guard.shared.rates import LeasedRates
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

KEY = "{bascule:bascule}:rate:api:"


class Member:
    """One process with a shared limit. Its turns are taken by hand."""

    def __init__(self, clock: FakeClock, store: MemoryStore, limit: RateLimit, credit: int | None = None) -> None:
        world = World.fake(clock, SeededDice(1))
        self.clock = clock
        self.facts = Stream()
        self.heard: list[Fact] = []
        self.facts.subscribe(self.heard.append)
        self.shared = LeasedRates(store, refresh_s=0.1, credit=credit, world=world, facts=self.facts)
        self.shared._courier._starting.acquire()  # no thread ever starts
        self.limit = limit
        self.limit.shared = self.shared
        Guard(self.limit, name="api", world=world, facts=self.facts)
        self.refusals: list[float | None] = []

    def call(self) -> bool:
        try:
            self.limit.take()
        except RateLimitedError as error:
            self.refusals.append(error.retry_after_s)
            return False
        return True

    def calls(self, times: int) -> int:
        return sum(self.call() for _ in range(times))

    def turn(self) -> bool:
        return self.shared._courier.take_turn()

    def told(self, kind: type[Fact]) -> int:
        assert self.facts.flush()
        return sum(isinstance(fact, kind) for fact in self.heard)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock.wall_s)


def test_before_any_answer_a_process_has_its_credit_and_pays_it(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 100.0))
    assert a.calls(12) == 10
    assert store.asked == 0
    a.turn()
    assert store.values[KEY].startswith("b 0.")
    b = Member(clock, store, RateLimit(10, 100.0), credit=3)
    assert b.calls(5) == 3
    b.turn()
    assert b.calls(5) == 0
    b.turn()
    clock.advance(39.0)  # the store lacks 3, and then one must be there
    assert b.calls(5) == 0
    b.turn()
    clock.advance(1.1)
    assert b.calls(5) == 1


def test_a_refusal_says_when_there_will_be_a_permit(clock: FakeClock, store: MemoryStore) -> None:
    a, b = (Member(clock, store, RateLimit(10, 100.0)) for _ in range(2))
    assert a.calls(10) == 10
    a.turn()
    b.call()
    b.turn()
    assert not b.call()
    assert b.refusals[-1] == pytest.approx(20.0, abs=1.0)  # the store lacks 1, and then one must be there


def test_without_credit_there_is_no_call_without_a_lease(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(100, 10.0), credit=0)
    assert not a.call()
    a.turn()
    assert a.call()
    assert not a.call()


def test_what_is_leased_is_not_used_after_its_time(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(100, 10.0), credit=0)
    a.call()
    a.turn()
    clock.advance(a.shared.lease_s + 0.001)
    assert not a.call()


def test_no_call_asks_the_store(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10))
    a.calls(100)
    assert store.asked == 0


def test_alone_each_keeps_to_the_limit_itself_and_that_is_told_once(clock: FakeClock, store: MemoryStore) -> None:
    members = [Member(clock, store, RateLimit(10, 100.0), credit=0) for _ in range(2)]
    store.is_away = True
    for one in members:
        assert one.calls(1) == 0
        one.turn()
        assert one.calls(20) == 10
        one.turn()
        assert (one.told(SharedStateLost), one.told(SharedStateFound)) == (1, 0)
    store.is_away = False
    for one in members:
        one.turn()
        assert (one.told(SharedStateLost), one.told(SharedStateFound)) == (1, 1)
        assert not one.call()


def test_a_store_that_does_not_answer_for_too_long_is_not_waited_for(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 100.0), credit=0)
    assert not a.call()
    clock.advance(a.shared.patience_s + 0.001)  # and no turn was taken: the thread hangs
    assert a.calls(20) == 10


def test_garbage_is_told_once_and_written_over(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 100.0))
    store.values[KEY] = "garbage"
    a.call()
    a.turn()
    assert a.told(SharedValueIgnored) == 1
    assert store.values[KEY].startswith("b ")


class LyingStore(MemoryStore):
    def lease(self, asks: Sequence[Ask]) -> list[Answer]:
        return [Answer(0, float(ask.terms.capacity), 0.0, is_garbage=True) for ask in asks]


def test_a_store_that_gives_nothing_refuses_no_call_by_that(clock: FakeClock) -> None:
    a = Member(clock, LyingStore(clock.wall_s), RateLimit(10, 1.0))
    made = 0
    for _ in range(100):
        made += a.calls(2)
        a.turn()
        clock.advance(0.1)
    assert made == pytest.approx(100, abs=11)


@pytest.mark.parametrize("wait_s", [0.0, 5.0])
def test_a_permit_that_is_given_back_is_there_again(clock: FakeClock, store: MemoryStore, wait_s: float) -> None:
    a = Member(clock, store, RateLimit(2, 2.0, wait_s=wait_s))
    taken = [a.limit.take() for _ in range(2)]
    assert not a.call()  # more is not promised before the store has heard of these
    wait, due_s, rate = taken[-1]
    a.limit.give_back(rate, due_s)
    assert a.limit.take()[0] == pytest.approx(wait)


def test_callers_that_wait_get_their_turns_in_order(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 1.0, wait_s=10.0), credit=20)
    waits = [a.limit.take()[0] for _ in range(20)]
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(1.0)
    with pytest.raises(RateLimitedError):
        a.limit.take()  # more is not promised before the store has heard of these
    a.turn()
    assert a.limit.take()[0] == pytest.approx(1.1)


def test_what_is_not_used_any_more_can_be_forgotten(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 1.0, key=lambda key: key, most_keys=2))
    for key in ("x", "y"):
        a.limit.take(key)
    a.turn()
    clock.advance(10.0)
    a.limit.take("z")
    assert len(a.limit._rates.all()) == 2


def test_a_changed_limit_is_kept_from_the_next_turn_on(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(10, 100.0))
    a.calls(1)
    a.limit.reconfigure(limit=3, per_s=100.0)
    a.turn()
    assert a.calls(20) <= 3
    assert a.shared.terms(a.limit).capacity == 3


def test_a_child_has_nothing_of_what_its_parent_leased(clock: FakeClock, store: MemoryStore) -> None:
    a = Member(clock, store, RateLimit(100, 10.0), credit=0)
    a.calls(5)
    a.turn()
    a.shared.forked()
    assert a.calls(5) == 0


def test_what_cannot_be_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InputError, match=r"LeasedRates\.credit: -1 must be"):
        LeasedRates(store, credit=-1)
    with pytest.raises(InputError, match="refresh_s"):
        LeasedRates(store, refresh_s=0.0)


def test_a_rate_of_its_own_and_one_of_the_store_say_the_same_of_impossible_numbers(
    clock: FakeClock, store: MemoryStore
) -> None:
    a = Member(clock, store, RateLimit(10))
    rate = a.shared.rate(a.limit, "k")
    assert isinstance(rate, LeasedRate)
    assert rate.reserve(0.0, 11) == float("inf")
    assert rate.try_take(0.0, 0) == float("inf")
    assert rate.available(clock.monotonic_s()) == 10


class SlowStore(MemoryStore):
    """Answers late: what it gave is older when it arrives."""

    def __init__(self, clock: FakeClock, dice: random.Random) -> None:
        super().__init__(clock.wall_s)
        self.clock = clock
        self.dice = dice

    def lease(self, asks: Sequence[Ask]) -> list[Answer]:
        self.clock.advance(self.dice.uniform(0, 0.02))
        answers = super().lease(asks)
        self.clock.advance(self.dice.uniform(0, 0.02))
        return answers


def simulate(seed: int, options: dict[str, Any], credit: int | None) -> tuple[list[float], Member]:
    """The times of all calls of three processes that come in bursts, and pause."""
    dice = random.Random(seed)  # noqa: S311 - a history, no secret
    clock = FakeClock(1000.0)
    store = SlowStore(clock, dice)
    members = [Member(clock, store, RateLimit(**options), credit) for _ in range(3)]
    due_s = [1000.0] * 3
    eager = [1.0] * 3
    times: list[float] = []
    while clock.monotonic_s() < 1020.0:
        for which, one in enumerate(members):
            if dice.random() < 0.02:
                eager[which] = dice.choice([0.0, 0.1, 1.0, 5.0])
            tries = int(eager[which]) + (dice.random() < eager[which] % 1)
            times += [clock.monotonic_s()] * one.calls(tries)
            if clock.monotonic_s() >= due_s[which]:
                one.turn()
                due_s[which] = clock.monotonic_s() + dice.uniform(0.09, 0.1)
        clock.advance(0.01)
    return times, members[0]


LIMITS: list[dict[str, Any]] = [
    {"limit": 20, "per_s": 1.0},
    {"limit": 20, "per_s": 1.0, "burst": 3},
    {"limit": 20, "per_s": 2.0, "algorithm": "sliding_window"},
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("credit", [0, 2, None])
@pytest.mark.parametrize("options", LIMITS)
def test_together_they_never_make_more_calls_than_is_stated(
    options: dict[str, Any], credit: int | None, seed: int
) -> None:
    times, one = simulate(seed, options, credit)
    spans = [options["per_s"]] if "algorithm" in options else [0.1, 0.5, 1.0, 2.0, 5.0, 20.0]
    for span_s in spans:
        most = one.shared.most_calls(one.limit, span_s, processes=3)
        start = 0
        for end, at_s in enumerate(times):
            while times[start] <= at_s - span_s:
                start += 1
            assert end - start + 1 <= most, f"within {span_s} s before {at_s}"


def test_without_credit_the_bound_is_the_limits_own(clock: FakeClock, store: MemoryStore) -> None:
    bucket = Member(clock, store, RateLimit(20, 1.0), credit=0)
    assert bucket.shared.most_calls(bucket.limit, 3.0, processes=99) == pytest.approx(20 * 3 + 20)
    window = Member(clock, store, RateLimit(20, 2.0, algorithm="sliding_window"), credit=0)
    assert window.shared.most_calls(window.limit, 2.0, processes=99) == 20


@pytest.mark.parametrize("options", LIMITS)
@pytest.mark.parametrize("members", [1, 3])
def test_the_limit_can_be_used(options: dict[str, Any], members: int, clock: FakeClock, store: MemoryStore) -> None:
    all_of_them = [Member(clock, store, RateLimit(**options)) for _ in range(members)]
    made = 0
    for _ in range(600):  # 60 seconds of more demand than there is
        for one in all_of_them:
            made += one.calls(5)
            one.turn()
        clock.advance(0.1)
    rate_per_s = options["limit"] / options["per_s"]
    window_s = options["per_s"] + (0.3 if "algorithm" in options else 0.0)
    least = 0.9 * 60 * rate_per_s * options["per_s"] / window_s
    assert least <= made <= all_of_them[0].shared.most_calls(all_of_them[0].limit, 60.0, members)
