"""A circuit follows another process: by the larger generation, or the larger rank at the same one."""

from __future__ import annotations

import math

import pytest

from bascule.guard import CircuitBreaker, Consecutive, State
from bascule.guard.circuit_breaker.circuit import Circuit


@pytest.fixture
def circuit() -> Circuit:
    circuit = CircuitBreaker(window=Consecutive(1)).circuit()
    assert circuit.adopt(State.CLOSED, 5, 0.0)
    return circuit


@pytest.mark.parametrize("state", list(State))
def test_a_larger_generation_is_followed_whatever_it_says(circuit: Circuit, state: State) -> None:
    assert circuit.adopt(state, 6, 1.0)
    assert (circuit.state, circuit.generation) == (state, 6)


@pytest.mark.parametrize("state", list(State))
def test_a_smaller_one_is_not(circuit: Circuit, state: State) -> None:
    assert not circuit.adopt(state, 4, 1.0)
    assert (circuit.state, circuit.generation) == (State.CLOSED, 5)


@pytest.mark.parametrize(
    ("state", "follows"),
    [(State.HALF_OPEN, False), (State.CLOSED, False), (State.OPEN, True), (State.ISOLATED, True)],
)
def test_at_the_same_one_the_more_careful_state_is_followed(circuit: Circuit, state: State, *, follows: bool) -> None:
    assert circuit.adopt(state, 5, 1.0) is follows


def test_what_it_does_next_counts_on_from_there(circuit: Circuit) -> None:
    circuit.adopt(State.ISOLATED, 70, math.inf)
    circuit.adopt(State.CLOSED, 80, 0.0)
    assert circuit.outcomes is not None
    circuit.failed(circuit.outcomes, 0.1, 0.1)
    assert (circuit.state, circuit.generation) == (State.OPEN, 81)


def test_a_state_is_renumbered_only_while_it_lasts(circuit: Circuit) -> None:
    assert circuit.renumber(5, 9)
    assert not circuit.renumber(5, 10)
    assert not circuit.renumber(9, 8)
    assert (circuit.state, circuit.generation) == (State.CLOSED, 9)


def test_only_an_operator_of_this_process_has_forced_it() -> None:
    breaker = CircuitBreaker(window=Consecutive(1))
    breaker.isolate()
    assert breaker.circuit().snapshot().is_forced
    breaker.circuit().adopt(State.CLOSED, 9, 0.0)
    assert not breaker.circuit().snapshot().is_forced


def test_how_long_a_trial_may_take_is_known_while_there_is_one() -> None:
    circuit = CircuitBreaker(half_open_s=7.0).circuit()
    assert circuit.trial_s() == 0.0
    circuit.adopt(State.HALF_OPEN, 1, 0.0)
    assert 0.0 < circuit.trial_s() <= 7.0
