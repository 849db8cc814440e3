"""Closed forms from textbooks, tiny probabilities, and chains that have no answer."""

from __future__ import annotations

import math

import pytest

from bascule.availability.markov import (
    MOST_STATES,
    dense,
    frequency,
    mean_sojourn,
    probability,
    steady_state,
)
from bascule.kernel.errors import InputError

FAILS, MENDS = 1e-4, 0.25


def test_one_unit_is_up_mttr_and_mtbf_say_how_long() -> None:
    chain = {"up": {"down": FAILS}, "down": {"up": MENDS}}
    long_run = steady_state(chain)
    assert long_run["down"] == pytest.approx(FAILS / (FAILS + MENDS), rel=1e-14)
    assert frequency(long_run, chain, {"down"}) == pytest.approx(1 / (1 / FAILS + 1 / MENDS), rel=1e-14)
    assert mean_sojourn(long_run, chain, {"down"}) == pytest.approx(1 / MENDS, rel=1e-14)
    assert mean_sojourn(long_run, chain, lambda state: state == "up") == pytest.approx(1 / FAILS, rel=1e-14)


def test_a_set_is_entered_from_outside_alone() -> None:
    chain = {"up": {"worse": 1.0}, "worse": {"worst": 2.0, "up": 3.0}, "worst": {"worse": 5.0}}
    long_run = steady_state(chain)
    assert frequency(long_run, chain, {"worse", "worst"}) == pytest.approx(long_run["up"], rel=1e-14)
    assert mean_sojourn(long_run, chain, {"worse", "worst"}) == pytest.approx((1 / 3) * (1 + 2 / 5), rel=1e-14)


def test_a_processor_pair_with_imperfect_coverage_as_in_the_textbook() -> None:
    """Two processors; a failure is covered (c) and takes a reconfiguration, or not, and takes a reboot.

    Source: Trivedi, 2nd ed., ch. 8, availability of two processors with reconfiguration and reboot: in short outages
    nothing else happens, so that each flow into them comes out again: pi(x) = 2 lambda p(x) pi(2) t(x).
    """
    fails, mends, covered, reconfigures, reboots = 1 / 6000, 1 / 4, 0.95, 360.0, 12.0
    chain: dict[object, dict[object, float]] = {
        2: {"reconfiguring": 2 * fails * covered, "rebooting": 2 * fails * (1 - covered)},
        "reconfiguring": {1: reconfigures},
        "rebooting": {1: reboots},
        1: {2: mends, 0: fails},
        0: {1: mends},
    }
    weights = {
        2: 1.0,
        "reconfiguring": 2 * fails * covered / reconfigures,
        "rebooting": 2 * fails * (1 - covered) / reboots,
        1: 2 * fails / mends,
        0: 2 * (fails / mends) ** 2,
    }
    total = sum(weights.values())
    long_run = steady_state(chain)
    for state, weight in weights.items():
        assert long_run[state] == pytest.approx(weight / total, rel=1e-12)
    unavailability = probability(long_run, {"reconfiguring", "rebooting", 0})
    assert unavailability == pytest.approx(3.15319e-6, rel=1e-5)


def test_probabilities_of_1e_15_and_far_below_are_right_to_the_last_digits() -> None:
    steps, ratio = 12, 1e-7
    chain = {
        step: {**({step + 1: ratio} if step < steps else {}), **({step - 1: 1.0} if step else {})}
        for step in range(steps + 1)
    }
    long_run = steady_state(chain)
    for step in range(steps + 1):
        assert long_run[step] == pytest.approx(ratio**step * (1 - ratio), rel=1e-13)
    assert long_run[steps] < 1e-80


def test_a_first_state_that_is_next_to_impossible_does_no_harm() -> None:
    steps, ratio = 60, 1e9
    chain = {
        step: {**({step + 1: ratio} if step < steps else {}), **({step - 1: 1.0} if step else {})}
        for step in range(steps + 1)
    }
    long_run = steady_state(chain)
    assert long_run[steps] == pytest.approx(1 - 1 / ratio, rel=1e-14)
    assert long_run[steps - 3] == pytest.approx(1e-27, rel=1e-8)
    assert long_run[0] == 0.0, "1e-540 is below all numbers"


def test_lists_are_a_chain_too_and_their_diagonal_is_ignored() -> None:
    long_run = steady_state(dense([[-3, 1, 2], [4, -4, 0], [5, 0, 99]]))
    weights = [1.0, 1 / 4, 2 / 5]
    assert list(long_run.values()) == pytest.approx([each / sum(weights) for each in weights], rel=1e-14)


def test_one_state_is_where_it_always_is() -> None:
    assert steady_state({"alone": {}}) == {"alone": 1.0}
    assert mean_sojourn({"alone": 1.0}, {"alone": {}}, {"alone"}) == math.inf


@pytest.mark.parametrize(
    ("chain", "told"),
    [
        ({"a": {"b": 1.0}, "b": {}}, "state 'b' never leads to state 'a'"),
        ({"a": {}, "b": {"a": 1.0}}, "state 'b' cannot be reached from state 'a'"),
        ({"a": {"b": 1.0}, "b": {"a": 0.0}}, "reducible"),
        ({"a": {"c": 1.0}}, "'c', which is no state"),
        ({"a": {"b": -1.0}, "b": {"a": 1.0}}, "is -1.0"),
        ({"a": {"b": math.nan}, "b": {"a": 1.0}}, "is nan"),
        ({"a": {"b": math.inf}, "b": {"a": 1.0}}, "is inf"),
        ({}, "0 states"),
    ],
)
def test_what_has_no_long_run_is_refused(chain: dict[str, dict[str, float]], told: str) -> None:
    with pytest.raises(InputError, match=told):
        steady_state(chain)


def test_what_would_take_too_long_is_refused_at_once() -> None:
    ring = {state: {(state + 1) % (MOST_STATES + 1): 1.0} for state in range(MOST_STATES + 1)}
    with pytest.raises(InputError, match="2001 states"):
        steady_state(ring)
    del ring[MOST_STATES]
    ring[MOST_STATES - 1] = {0: 1.0}
    assert steady_state(ring)[7] == pytest.approx(1 / MOST_STATES, rel=1e-12)


def test_a_matrix_that_is_not_square_is_refused() -> None:
    with pytest.raises(InputError, match="row 1 of the matrix"):
        dense([[0, 1], [1]])


def test_a_full_matrix_that_would_take_minutes_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.availability.markov.MOST_UPDATES", 1000)
    full = dense([[1.0] * 20 for _ in range(20)])
    with pytest.raises(InputError, match="too dense"):
        steady_state(full)
