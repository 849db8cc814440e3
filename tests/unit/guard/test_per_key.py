"""State for each key stays within its bound, whatever keys come from outside."""

from __future__ import annotations

import threading
import tracemalloc
from collections.abc import Hashable

import pytest

from bascule.guard.per_key import PerKey
from bascule.kernel.errors import InputError


class State:
    """A state that is idle or not, as a test says; it counts how often it was asked."""

    def __init__(self, key: Hashable) -> None:
        self.key = key
        self.idle = True
        self.asked = 0

    @property
    def is_idle(self) -> bool:
        self.asked += 1
        return self.idle


def test_each_key_keeps_its_state() -> None:
    states = PerKey(State, 10)
    assert states.of("a") is states.of("a")
    assert states.of("a") is not states.of("b")
    assert [state.key for state in states.all()] == ["a", "b"]


def test_keys_that_are_equal_share_a_state() -> None:
    states = PerKey(State, 10)
    assert states.of(1) is states.of(1.0)
    assert states.of(("a", 1)) is states.of(("a", 1))


def test_a_flood_of_keys_makes_room_by_forgetting_idle_ones() -> None:
    states = PerKey(State, 5)
    for key in range(1000):
        assert states.of(key).key == key
    assert len(states.all()) == 5


def test_what_is_not_idle_is_never_forgotten() -> None:
    states = PerKey(State, 3)
    busy = states.of("busy")
    busy.idle = False
    for key in range(100):
        states.of(key)
    assert states.of("busy") is busy
    assert len(states.all()) == 3


def test_when_none_is_idle_new_keys_share_one_until_one_is() -> None:
    states = PerKey(State, 2)
    first, second = states.of("a"), states.of("b")
    first.idle = second.idle = False
    shared = states.of("c")
    assert states.of("d") is shared
    assert shared.key == PerKey.SHARED
    assert set(states.all()) == {first, second, shared}
    first.idle = True
    assert states.of("d") is not shared
    states.of("d").idle = False
    assert states.of("a") is shared, "there is no room for it again"


def test_a_key_called_as_the_shared_one_has_a_state_of_its_own() -> None:
    states = PerKey(State, 2)
    own = states.of(PerKey.SHARED)
    own.idle = states.of("b").idle = False
    assert states.of("c") is not own


def test_making_room_asks_a_few_states_only_and_others_the_next_time() -> None:
    states = PerKey(State, 100)
    made = [states.of(key) for key in range(100)]
    for state in made:
        state.idle = False
    states.of("new")
    assert sum(state.asked for state in made) == 8
    made[99].idle = True
    for key in range(12):
        states.of(("new", key))
    assert made[99] not in states.all()
    assert max(state.asked for state in made) <= 2


def test_making_room_needs_no_copy_of_all_keys() -> None:
    states = PerKey(State, 20_000)
    for key in range(20_000):
        states.of(key).idle = key > 0
    tracemalloc.start()
    states.of("new")
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 20_000


def test_a_lower_bound_holds_for_new_keys() -> None:
    states = PerKey(State, 5)
    for key in range(5):
        states.of(key)
    states.most = 2
    for key in range(5, 50):
        states.of(key)
    assert len(states.all()) == 5, "each new one takes the place of an idle one"


def test_a_key_that_cannot_be_hashed_is_refused_with_what_to_do() -> None:
    states = PerKey(State, 5)
    with pytest.raises(InputError, match=r"a dict cannot be a key: .*let key= make something that can be hashed"):
        states.of({})  # type: ignore[arg-type] # which is what is tried
    assert states.all() == []


def test_what_goes_wrong_in_making_a_state_is_not_taken_for_the_keys_fault() -> None:
    def fails(key: Hashable) -> State:
        raise TypeError(f"no state for {key}")

    states = PerKey(fails, 5)
    with pytest.raises(TypeError, match="no state for a") as raised:
        states.of("a")
    assert not isinstance(raised.value, InputError)


def test_threads_that_ask_at_once_get_the_same_state() -> None:
    states, start = PerKey(State, 10), threading.Barrier(8)
    seen: list[list[int]] = []

    def ask() -> None:
        start.wait(30)
        seen.append([id(states.of(key)) for key in range(10) for _ in range(20)])

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(seen) == 8
    assert all(one == seen[0] for one in seen)
