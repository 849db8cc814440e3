"""Bounds without, and with few, cases told apart: what they may say, and what they must not."""

import pytest

from bascule.availability.structure import Basic, Event, Node, Not, Structure, all_of, any_of, at_least
from bascule.availability.trees.bounds import Bounds, bounded
from bascule.availability.trees.modules import whole
from bascule.availability.trees.network import flat

A, B, C, D = (Basic(name) for name in "ABCD")


def bounds(top: Node, cases: int = 1, share: float = 0.5, width: float = 0.0) -> Bounds:
    network = flat(Structure(top, dict.fromkeys("ABCD", Event(share))))
    module = whole(network)
    inputs = [(share - width, share + width)] * len(module.inputs)
    return bounded(module, inputs, expired=lambda: True, most_cases=cases)


def test_what_excludes_each_other_is_not_taken_for_what_goes_together() -> None:
    low, _ = bounds(all_of(A, Not(A)))
    assert low == 0.0
    _, high = bounds(any_of(A, Not(A)))
    assert high == 1.0
    assert bounds(all_of(A, Not(A)), cases=9)[1] < 1e-12
    assert bounds(any_of(A, Not(A)), cases=9)[0] > 1 - 1e-12


def test_what_goes_together_is_at_least_as_likely_as_if_it_did_not() -> None:
    low, high = bounds(all_of(any_of(A, B), any_of(A, C)), share=0.1)
    assert low == pytest.approx(0.19**2)
    assert high == pytest.approx(0.19)
    low, high = bounds(any_of(all_of(A, B), all_of(A, C)), share=0.1)
    assert low == pytest.approx(0.01)
    assert high == pytest.approx(1 - 0.99**2)


def test_what_shares_nothing_is_exact_at_once() -> None:
    low, high = bounds(at_least(2, A, B, any_of(C, D)), share=0.1)
    assert low == pytest.approx(high, rel=1e-12)
    assert low == pytest.approx(0.01 * 0.81 + 2 * 0.09 * 0.19 + 0.01 * 0.19, rel=1e-12)


def test_to_tell_cases_apart_brings_the_bounds_together() -> None:
    bridge = any_of(all_of(A, B), all_of(B, C), all_of(C, D), all_of(D, A))
    gaps = [high - low for low, high in (bounds(bridge, cases, 0.1) for cases in (1, 2, 3, 9))]
    assert gaps == sorted(gaps, reverse=True)
    assert gaps[0] > 1e-3
    assert gaps[-1] < 1e-12


def test_an_input_that_is_not_known_exactly_stays_so() -> None:
    low, high = bounds(all_of(A, B), cases=9, width=0.1)
    assert low == pytest.approx(0.16)
    assert high == pytest.approx(0.36)
