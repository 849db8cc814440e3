import math

import pytest

from bascule.measure.statistics import (
    clopper_pearson,
    incomplete_beta,
    quantile_bound,
    quantile_bounds,
    spread,
)


@pytest.mark.parametrize(("trials", "low"), [(10, 0.7411), (29, 0.9019), (59, 0.9505), (299, 0.9900)])
def test_trials_without_failure_bound_the_probability_as_published(trials: int, low: float) -> None:
    interval = clopper_pearson(trials, trials)
    assert interval.low == pytest.approx(low, abs=5e-5)
    assert interval.high == 1.0


@pytest.mark.parametrize(
    ("met", "trials", "low", "high"),
    [
        # R: binom.test(met, trials)$conf.int
        (8, 10, 0.4439045, 0.9747893),
        (5, 10, 0.1870860, 0.8129140),
        (1, 10, 0.002528579, 0.4450161),
        (95, 100, 0.8871651, 0.9835681),
    ],
)
def test_the_interval_agrees_with_known_values(met: int, trials: int, low: float, high: float) -> None:
    interval = clopper_pearson(met, trials)
    assert interval.low == pytest.approx(low, abs=1e-6)
    assert interval.high == pytest.approx(high, abs=1e-6)


def test_the_interval_at_its_edges() -> None:
    assert clopper_pearson(0, 0).low == 0.0
    assert clopper_pearson(0, 0).high == 1.0
    assert clopper_pearson(0, 10).high == pytest.approx(1 - 0.05**0.1)
    for met, trials, confidence in [(-1, 3, 0.95), (4, 3, 0.95), (1, 3, 1.0)]:
        with pytest.raises(ValueError, match="no interval"):
            clopper_pearson(met, trials, confidence)


def test_the_incomplete_beta_function() -> None:
    assert incomplete_beta(0.3, 1, 1) == pytest.approx(0.3)
    assert incomplete_beta(0.5, 3, 3) == pytest.approx(0.5)
    assert (incomplete_beta(-1, 2, 3), incomplete_beta(2, 2, 3)) == (0.0, 1.0)
    tail = sum(math.comb(20, k) * 0.3**k * 0.7 ** (20 - k) for k in range(4, 21))
    assert incomplete_beta(0.3, 4, 17) == pytest.approx(tail, rel=1e-10)


@pytest.mark.parametrize(("quantile", "least"), [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299)])
def test_a_quantile_bound_appears_with_the_first_count_that_supports_it(quantile: float, least: int) -> None:
    values = [float(n) for n in range(least)]
    assert quantile_bound(values[:-1], quantile) is None
    assert quantile_bound(values, quantile) == values[-1]


def test_more_values_than_needed_allow_a_bound_below_the_largest() -> None:
    values = [float(n) for n in range(1, 47)]
    assert quantile_bound(values, 0.9) == 45.0, "46 values: the second largest bounds P90 (Hahn and Meeker)"


def test_never_a_p95_of_ten_trials() -> None:
    assert set(quantile_bounds([1.0] * 10)) == {"P50"}
    assert set(quantile_bounds([1.0] * 29)) == {"P50", "P90"}
    assert quantile_bounds([]) == {}


def test_the_spread() -> None:
    assert spread([]) is None
    middle = spread([3.0, 1.0, 2.0, 10.0])
    assert middle is not None
    assert (middle.min, middle.median, middle.max) == (1.0, 2.5, 10.0)
    endless = spread([1.0, math.inf, 2.0])
    assert endless is not None
    assert (endless.median, endless.max) == (2.0, math.inf)
