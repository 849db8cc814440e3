"""The trend test against a count of every order there is, and what it says in general."""

from __future__ import annotations

import math
from itertools import combinations, permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.measure.rank_trend import MOST_EXACT, _approximate, _inversions, enough_in_a_row, slope, trend_test

VALUES = st.lists(st.sampled_from([0.0, 1.0, 2.5, 4.0, 7.0, math.inf]), min_size=1, max_size=6)


def score(values: tuple[float, ...] | list[float]) -> int:
    return sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))


@settings(deadline=None)
@given(VALUES)
def test_p_is_the_share_of_orders_with_at_least_as_clear_a_trend(values: list[float]) -> None:
    scores = [abs(score(order)) for order in permutations(values)]
    tested = trend_test(values)
    assert tested.p == pytest.approx(sum(one >= abs(score(values)) for one in scores) / len(scores))
    assert tested.least == pytest.approx(sum(one == max(scores) for one in scores) / len(scores))


@settings(deadline=None)
@given(VALUES)
def test_the_other_way_round_it_is_as_clear_and_points_back(values: list[float]) -> None:
    forth, back = trend_test(values), trend_test(values[::-1])
    assert forth.p == back.p
    assert forth.towards == -back.towards


@settings(deadline=None)
@given(st.lists(st.integers(1, 6), min_size=1, max_size=6))
def test_every_order_is_counted_once(ties: list[int]) -> None:
    ways = math.factorial(sum(ties)) // math.prod(map(math.factorial, ties))
    counted = _inversions(tuple(sorted(ties)))
    assert sum(counted) == ways
    assert list(counted) == list(counted)[::-1]


@settings(deadline=None)
@given(st.permutations(range(40)))
def test_the_approximation_is_near_the_count(order: list[int]) -> None:
    tested = trend_test([float(one) for one in order])
    assert _approximate((1,) * 40, tested.score) == pytest.approx(tested.p, abs=0.01)


def test_more_values_than_are_counted_are_approximated_and_it_is_said() -> None:
    tested = trend_test([float(one) for one in range(MOST_EXACT + 1)])
    assert tested.method == "Mann-Kendall, normal approximation"
    assert tested.p < 1e-9
    assert trend_test([3.0] * (MOST_EXACT + 1)).p == 1.0


@pytest.mark.parametrize("count", range(2, 8))
def test_so_many_values_are_enough_and_one_less_is_not(count: int) -> None:
    level = trend_test([float(one) for one in range(count)]).p
    assert enough_in_a_row(level) == count
    assert enough_in_a_row(level * 0.999) == count + 1


def test_a_slope_is_that_of_most_pairs_and_never_is_left_out() -> None:
    assert slope([1.0, 3.0, 5.0, 100.0, 9.0]) == pytest.approx(2.0)
    assert slope([1.0, math.inf, 5.0]) == pytest.approx(2.0)
    assert slope([math.inf, 2.0]) is None


@pytest.mark.parametrize("values", [[], [1.0, math.nan]])
def test_no_values_or_no_numbers_are_refused(values: list[float]) -> None:
    with pytest.raises(ValueError, match="trend"):
        trend_test(values)
