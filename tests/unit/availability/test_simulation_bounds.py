"""Intervals are as wide as their formulas say, and ranks as the binomial distribution says."""

import math

import numpy as np
import pytest

from bascule.availability.simulation.bounds import mean_of, ranks, student_t, wilson


@pytest.mark.parametrize(
    ("probability", "degrees", "tabled"),
    [
        (0.975, 1, 12.706),
        (0.975, 2, 4.303),
        (0.975, 10, 2.228),
        (0.975, 30, 2.042),
        (0.975, 99, 1.984),
        (0.9995, 99, 3.392),
        (0.5, 7, 0.0),
    ],
)
def test_students_t_is_as_in_the_tables(probability: float, degrees: int, tabled: float) -> None:
    assert student_t(probability, degrees) == pytest.approx(tabled, abs=0.002)


def test_wilsons_interval_is_where_the_score_is_as_large_as_the_confidence_allows() -> None:
    value, low, high = wilson(7, 50, 0.95)
    assert value == 0.14
    for bound in (low, high):
        assert abs(value - bound) / math.sqrt(bound * (1 - bound) / 50) == pytest.approx(1.959964, abs=1e-6)


@pytest.mark.parametrize("hits", [0, 20])
def test_wilsons_interval_contains_what_was_seen_at_the_ends(hits: int) -> None:
    value, low, high = wilson(hits, 20, 0.99)
    assert 0 <= low <= value <= high <= 1
    assert high - low > 0.1


def below(rank: int, probability: float, trials: int) -> float:
    """The probability that fewer than `rank` of the values are below the quantile."""
    return math.fsum(
        math.comb(trials, k) * probability**k * (1 - probability) ** (trials - k) for k in range(min(rank, trials + 1))
    )


@pytest.mark.parametrize("probability", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("trials", [1, 2, 10, 59, 200])
@pytest.mark.parametrize("confidence", [0.8, 0.95])
def test_ranks_are_the_narrowest_that_the_binomial_distribution_allows(
    probability: float, trials: int, confidence: float
) -> None:
    low, high = ranks(probability, trials, confidence)
    doubt = (1 - confidence) / 2
    assert 0 <= low < high <= trials + 1
    assert low == 0 or below(low, probability, trials) <= doubt
    assert below(low + 1, probability, trials) > doubt
    assert high > trials or below(high, probability, trials) >= 1 - doubt
    assert below(high - 1, probability, trials) < 1 - doubt


def test_ranks_of_a_million_are_as_the_normal_distribution_has_them() -> None:
    low, high = ranks(0.999, 1_000_000, 0.95)
    half = 1.959964 * math.sqrt(1e6 * 0.999 * 0.001)
    assert low == pytest.approx(999_000 - half, abs=2)
    assert high == pytest.approx(999_000 + half, abs=2)


def test_batch_means_see_that_neighbours_depend_on_each_other() -> None:
    dice = np.random.default_rng(1)
    alone = dice.random(10_000)
    alike = np.repeat(dice.random(1000), 10)
    assert mean_of(alone, 1.0, 0.95).high - mean_of(alone, 1.0, 0.95).low == pytest.approx(
        2 * 1.984 / math.sqrt(12 * 10_000), rel=0.25
    )
    assert mean_of(alike, 1.0, 0.95).high - mean_of(alike, 1.0, 0.95).low == pytest.approx(
        2 * 1.984 / math.sqrt(12 * 1000), rel=0.25
    )


def test_a_mean_of_few_values_stays_within_what_is_possible() -> None:
    assert mean_of(np.array([0.5]), 3.0, 0.95) == (0.5, 0.0, 3.0)
    value, low, high = mean_of(np.array([0.0, 3.0, 0.0]), 3.0, 0.95)
    assert (value, low, high) == (1.0, 0.0, 3.0)
