import math
import random

import pytest

from bascule.measure.two_samples import enough_of_each, fisher_test, holm, level_for, rank_test, shift


def test_the_rank_test_agrees_with_known_values() -> None:
    first = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46]
    assert rank_test(first, [1.15, 0.88, 0.90, 0.74, 1.21]).p == pytest.approx(0.2544, abs=5e-5)  # R: wilcox.test


def test_three_against_three_can_never_tell_and_four_against_four_can() -> None:
    assert rank_test([1, 2, 3], [4, 5, 6]).least == pytest.approx(0.1)
    assert rank_test([1, 2, 3, 4], [5, 6, 7, math.inf]).p == pytest.approx(2 / 70)
    assert (enough_of_each(0.05), enough_of_each(0.005)) == (4, 6)


def test_equal_values_tell_nothing() -> None:
    assert rank_test([0.0] * 9, [0.0] * 9).p == 1.0


def test_luck_alone_is_called_a_difference_no_more_often_than_allowed() -> None:
    dice = random.Random(7)  # noqa: S311 - a repeatable simulation, no secret
    draws = [[float(dice.randrange(6)) for _ in range(14)] for _ in range(1500)]
    assert sum(rank_test(draw[:7], draw[7:]).p <= 0.05 for draw in draws) / 1500 <= 0.065


def test_fisher_agrees_with_known_values() -> None:
    assert fisher_test(3, 4, 1, 4).p == pytest.approx(0.4857, abs=5e-5)  # the lady tasting tea
    assert fisher_test(10, 10, 0, 10).towards == -1


def test_the_shift_has_an_interval_only_where_so_many_values_support_one() -> None:
    few, enough = shift([1, 2, 3], [4, 5, 6]), shift([1, 2, 3, 4], [5, 6, 7, 8])
    assert few is not None
    assert (few.by, few.low) == (3, None)
    assert enough is not None
    assert (enough.low, enough.by, enough.high) == (1, 4, 7)
    assert shift([1.0], [math.inf]) is None


def test_holm_and_the_level_of_what_can_be_told() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert level_for([0.001, 0.001, 1.0], 0.05) == 0.025
