"""Circuits of several processes on one store in memory, turn by turn and on a clock that the test moves."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from bascule.guard import CircuitBreaker, CircuitOpenError, Consecutive, Guard, State, Stream, World
from bascule.guard.facts import SharedStateFound, SharedStateLost
from bascule.guard.shared.circuits import SharedCircuits, name_in_store
from bascule.guard.shared.facts import SharedValueIgnored
from bascule.guard.shared.memory import MemoryStore
from bascule.guard.shared.records import read
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.errors import InputError
from bascule.kernel.facts import Fact

KEY = "{bascule:bascule}:circuit:pay:"
OPEN_S = 30.0


class Member:
    """One process: a breaker that opens at the first failure, and what shares it. Its turns are taken by hand."""

    def __init__(self, clock: FakeClock, store: MemoryStore) -> None:
        world = World.fake(clock, LoadedDice([0.5] * 1000))
        self.facts = Stream()
        self.heard: list[Fact] = []
        self.facts.subscribe(self.heard.append)
        self.breaker = CircuitBreaker(window=Consecutive(1), open_s=OPEN_S, half_open_probes=1, half_open_s=10.0)
        self.guard = Guard(self.breaker, name="pay", world=world, facts=self.facts)
        self.guarded = self.guard(self._call)
        self.is_down = False
        self.shared = SharedCircuits(store, refresh_s=1.0, world=world, facts=self.facts)
        self.shared._courier._starting.acquire()  # no thread ever starts
        self.shared.share(self.breaker)

    def _call(self) -> str:
        if self.is_down:
            raise ConnectionError("down")
        return "answer"

    def fail(self) -> None:
        self.is_down = True
        with pytest.raises(ConnectionError):
            self.guarded()
        self.is_down = False

    def is_refused(self) -> bool:
        try:
            self.guarded()
        except CircuitOpenError:
            return True
        return False

    def turn(self) -> None:
        self.shared._courier.take_turn()

    @property
    def now(self) -> tuple[State, int]:
        circuit = self.breaker.circuit()
        return circuit.state, circuit.generation

    def told(self, kind: type[Fact]) -> int:
        assert self.facts.flush()
        return sum(isinstance(fact, kind) for fact in self.heard)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1000.0)


@pytest.fixture
def store(clock: FakeClock) -> MemoryStore:
    return MemoryStore(clock.wall_s)


Make = Callable[[], Member]


@pytest.fixture
def member(clock: FakeClock, store: MemoryStore) -> Iterator[Make]:
    made: list[Member] = []

    def make() -> Member:
        made.append(Member(clock, store))
        return made[-1]

    yield make
    for one in made:
        one.shared.close()


def turns(*members: Member) -> None:
    for one in members:
        one.turn()


def test_one_opens_and_the_others_follow(member: Make) -> None:
    a, b, c = member(), member(), member()
    turns(a, b, c)
    a.fail()
    turns(a, b, c)
    assert a.now == b.now == c.now == (State.OPEN, 1)
    assert b.is_refused()


def test_the_one_that_opened_probes_and_the_others_wait_for_what_it_finds(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S)
    assert b.is_refused()  # the opener's turn
    a.breaker.circuit().admit()  # its probe is on its way
    assert a.now == (State.HALF_OPEN, 2)
    turns(a, b)
    assert b.now == (State.OPEN, 2)
    clock.advance(5.0)
    turns(a, b)
    assert b.is_refused()


def test_all_close_when_the_probe_went_well(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S)
    assert not a.is_refused()
    turns(a, b)
    assert a.now == b.now == (State.CLOSED, 3)


def test_all_open_anew_when_the_probe_failed(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S)
    a.fail()
    turns(a, b)
    assert a.now == b.now == (State.OPEN, 3)
    clock.advance(OPEN_S - 1)
    assert b.is_refused()


def test_another_one_probes_when_the_opener_is_gone(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S + 5)
    assert not b.is_refused()
    b.turn()
    a.turn()
    assert a.now == b.now == (State.CLOSED, 3)


def test_another_one_probes_when_a_trial_is_never_decided(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S)
    a.breaker.circuit().admit()
    turns(a, b)
    clock.advance(14.1)  # the trial of 10 s, and the longest that one holds back
    assert not b.is_refused()
    assert b.now == (State.CLOSED, 4)


def test_of_two_that_begin_a_trial_at_once_the_second_steps_back(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    clock.advance(OPEN_S + 5)
    a.breaker.circuit().admit()
    late = b.breaker.circuit().admit()
    turns(a, b)
    assert (a.now, b.now) == ((State.HALF_OPEN, 2), (State.OPEN, 2))
    b.breaker.circuit().failed(late, 0.1, clock.monotonic_s())  # of a trial that is no more
    turns(b, a)
    assert (a.now, b.now) == ((State.HALF_OPEN, 2), (State.OPEN, 2))


def test_what_only_listens_writes_nothing(member: Make, store: MemoryStore) -> None:
    a = member()
    a.turn()
    assert store.values == {}


def test_a_new_process_follows_at_its_first_turn(member: Make) -> None:
    a = member()
    a.fail()
    a.turn()
    late = member()
    late.turn()
    assert late.now == (State.OPEN, 1)


def test_an_older_generation_is_not_followed(member: Make, store: MemoryStore, clock: FakeClock) -> None:
    a = member()
    a.fail()
    clock.advance(OPEN_S)
    assert not a.is_refused()
    a.turn()
    store.values[KEY] = "2 open 0 99999999999999 b"
    a.turn()
    assert a.now == (State.CLOSED, 3)
    assert store.values[KEY].startswith("3 closed")


def test_a_store_that_lost_its_memory_is_told_anew(member: Make, store: MemoryStore) -> None:
    a, b = member(), member()
    a.fail()
    turns(a, b)
    store.values.clear()
    b.turn()
    assert store.values[KEY].startswith("1 open")


@pytest.mark.parametrize("order", ["isolate, open", "open, isolate"])
def test_an_operators_word_counts_whatever_the_others_have_done(
    member: Make, store: MemoryStore, clock: FakeClock, order: str
) -> None:
    a, b = member(), member()
    store.is_away = True
    turns(a, b)
    for _ in range(5):
        b.fail()
        clock.advance(OPEN_S)
        assert not b.is_refused()
    a.breaker.isolate()
    store.is_away = False
    turns(*((a, b, a) if order == "isolate, open" else (b, a, b)))
    turns(a, b)
    assert a.now == b.now
    assert a.now[0] is State.ISOLATED


def test_only_an_operator_ends_an_isolation(member: Make, clock: FakeClock) -> None:
    a, b = member(), member()
    a.breaker.isolate()
    turns(a, b)
    clock.advance(1e6)
    turns(a, b)
    assert a.is_refused()
    assert b.is_refused()
    b.breaker.force_close()
    turns(b, a)
    assert a.now == b.now == (State.CLOSED, 2)


def test_forced_open_and_forced_closed_travel(member: Make) -> None:
    a, b = member(), member()
    a.breaker.force_open()
    turns(a, b)
    assert b.now == (State.OPEN, 1)
    b.breaker.force_close()
    turns(b, a)
    assert a.now == (State.CLOSED, 2)


def test_a_store_that_is_away_changes_nothing_and_is_told_once(member: Make, store: MemoryStore) -> None:
    a, b = member(), member()
    store.is_away = True
    a.fail()
    for _ in range(3):
        turns(a, b)
    assert (a.now, b.now) == ((State.OPEN, 1), (State.CLOSED, 0))
    assert (a.told(SharedStateLost), a.told(SharedStateFound)) == (1, 0)
    store.is_away = False
    turns(a, b)
    turns(a, b)
    assert b.now == (State.OPEN, 1)
    assert (a.told(SharedStateLost), a.told(SharedStateFound)) == (1, 1)


def test_no_call_asks_the_store(member: Make, store: MemoryStore, clock: FakeClock) -> None:
    a = member()
    a.fail()
    assert a.is_refused()
    clock.advance(OPEN_S)
    assert not a.is_refused()
    assert store.asked == 0


def test_garbage_is_ignored_told_once_and_replaced(member: Make, store: MemoryStore) -> None:
    a = member()
    store.values[KEY] = "'; DROP TABLE circuits"
    turns(a, a)
    assert a.now == (State.CLOSED, 0)
    assert a.told(SharedValueIgnored) == 1
    a.fail()
    turns(a, a)
    assert store.values[KEY].startswith("1 open")
    store.values[KEY] = "garbage again"
    a.turn()
    assert a.told(SharedValueIgnored) == 2


def test_nobody_can_make_it_stay_open_for_longer_than_it_may(
    member: Make, store: MemoryStore, clock: FakeClock
) -> None:
    a = member()
    store.values[KEY] = "7 open 0 9999999999999999 b"
    a.turn()
    assert a.is_refused()
    clock.advance(a.breaker.open_most_s + 4)
    assert not a.is_refused()


def test_each_key_has_a_circuit_of_its_own_everywhere(clock: FakeClock, store: MemoryStore) -> None:
    def breaker() -> CircuitBreaker:
        made = CircuitBreaker(window=Consecutive(1), key=lambda host: host)
        Guard(made, name="hosts")
        return made

    a, b = breaker(), breaker()
    both = []
    for one in (a, b):
        shared = SharedCircuits(store, world=World.fake(clock, LoadedDice([0.5] * 1000)))
        shared._courier._starting.acquire()
        shared.share(one)
        both.append(shared)
    for host in ("x", "y", "{z}", "\n" * 500, "\ud800"):
        a.circuit(host)
        b.circuit(host)
    a.force_open("x")
    a.force_open("{z}")
    a.force_open("\ud800")
    for shared in both:
        shared.turn()
    states = [b.circuit(host).state for host in ("x", "y", "{z}", "\n" * 500, "\ud800")]
    assert states == [State.OPEN, State.CLOSED, State.OPEN, State.CLOSED, State.OPEN]
    assert all(len(key) < 300 and key.isprintable() and key.count("{") == 1 for key in store.values)


def test_of_too_many_circuits_some_are_looked_at_each_time(clock: FakeClock, store: MemoryStore) -> None:
    breaker = CircuitBreaker(window=Consecutive(1), key=lambda host: host)
    shared = SharedCircuits(store, most_circuits=4, world=World.fake(clock, LoadedDice([0.5] * 1000)))
    shared._courier._starting.acquire()
    shared.share(breaker, "hosts")
    for host in range(10):
        breaker.force_open(host)
    for looked_at in (4, 8, 10):
        shared.turn()
        assert len(store.values) == looked_at


def test_a_name_in_the_store_is_short_and_its_own() -> None:
    long = ["a" * 1000, "a" * 1001, "\n" * 1000]
    assert len({name_in_store(name) for name in long}) == 3
    assert max(len(name_in_store(name)) for name in long) <= 100
    assert name_in_store("api.example:443") == "api.example%3A443"


def test_a_breaker_without_a_name_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InputError, match="has no name"):
        SharedCircuits(store).share(CircuitBreaker())


def test_two_breakers_under_one_name_are_refused(store: MemoryStore) -> None:
    with SharedCircuits(store) as shared:
        shared.share(CircuitBreaker(), "x")
        with pytest.raises(InputError, match="another breaker"):
            shared.share(CircuitBreaker(), "x")
    with pytest.raises(InputError, match="closed"):
        shared.share(CircuitBreaker(), "y")


def test_what_cannot_be_is_refused(store: MemoryStore) -> None:
    with pytest.raises(InputError, match=r"SharedCircuits\.name: 'a}' must be"):
        SharedCircuits(store, name="a}")
    with pytest.raises(InputError, match="refresh_s"):
        SharedCircuits(store, refresh_s=0)
    with pytest.raises(InputError, match="keep_s"):
        SharedCircuits(store, keep_s=0.1)


def test_what_is_read_is_never_longer_open_than_a_time_can_be() -> None:
    record = read("1 open 0 9999999999999999 b", 0)
    assert record is not None
    assert record.for_s == 1e9
