"""What repeated trials support, and no more: intervals of a probability, and bounds of quantiles. Pure.

Sources: Clopper and Pearson, Biometrika 26 (1934); Hahn and Meeker, "Statistical Intervals" (1991), chapter 5, for
bounds by order statistics; the continued fraction of the incomplete beta function is NIST DLMF 8.17.22.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from msgspec import Struct

QUANTILES: tuple[float, ...] = (0.5, 0.9, 0.95, 0.99)
_TINY = 1e-300


class Interval(Struct, frozen=True, kw_only=True):
    """The probabilities that the trials do not contradict."""

    low: float
    high: float


class Spread(Struct, frozen=True, kw_only=True):
    """Smallest, middle and largest value."""

    min: float
    median: float
    max: float


def incomplete_beta(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b), to about 12 digits."""
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - incomplete_beta(1 - x, b, a)
    front = math.exp(
        a * math.log(x) + b * math.log1p(-x) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) - math.log(a)
    )
    return front / _continued_fraction(x, a, b)


def _continued_fraction(x: float, a: float, b: float) -> float:
    # Lentz's method on 1 + d1/(1+ d2/(1+ ...)).
    value = numerator = 1.0
    denominator = 0.0
    for step in range(1, 1000):
        m = step // 2
        if step % 2:
            d = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            d = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / ((1 + d * denominator) or _TINY)
        numerator = (1 + d / numerator) or _TINY
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return value


def beta_quantile(probability: float, a: float, b: float) -> float:
    """The x at which I_x(a, b) reaches `probability`, by bisection."""
    low, high = 0.0, 1.0
    for _ in range(100):
        middle = (low + high) / 2
        if incomplete_beta(middle, a, b) < probability:
            low = middle
        else:
            high = middle
    return (low + high) / 2


def clopper_pearson(met: int, trials: int, confidence: float = 0.95) -> Interval:
    """The exact interval of the probability that a trial meets its objective.

    Two-sided, with half of the doubt on each side; one-sided when all or none of the trials met it, since then there
    is only one side to err on (10, 29, 59, 299 of as many trials: at least 74, 90, 95, 99 %).

    Raises:
        ValueError: `met` is not within 0 and `trials`, or `confidence` not within 0 and 1.
    """
    if not 0 <= met <= trials or not 0 < confidence < 1:
        message = f"no interval for {met} of {trials} trials at confidence {confidence}"
        raise ValueError(message)
    if trials == 0:
        return Interval(low=0.0, high=1.0)
    doubt = 1 - confidence if met in {0, trials} else (1 - confidence) / 2
    low = 0.0 if met == 0 else beta_quantile(doubt, met, trials - met + 1)
    high = 1.0 if met == trials else beta_quantile(1 - doubt, met + 1, trials - met)
    return Interval(low=low, high=high)


def quantile_bound(values: Sequence[float], quantile: float, confidence: float = 0.95) -> float | None:
    """An upper bound of a quantile, whatever the distribution; None when there are too few values for this confidence.

    The r-th smallest of n values bounds the quantile q with probability P(Binomial(n, q) < r). The largest bounds the
    90 % quantile from n = 29, and the 95 % quantile from n = 59.
    """
    count = len(values)
    ordered = sorted(values)
    for rank in range(1, count + 1):
        # P(Binomial(n, q) <= r - 1) = I_{1-q}(n - r + 1, r)
        if incomplete_beta(1 - quantile, count - rank + 1, rank) >= confidence:
            return ordered[rank - 1]
    return None


def quantile_bounds(values: Sequence[float], confidence: float = 0.95) -> dict[str, float]:
    """The bounds of the usual quantiles that so many values support: `{"P50": ..., "P90": ...}`."""
    bounds = {f"P{quantile * 100:g}": quantile_bound(values, quantile, confidence) for quantile in QUANTILES}
    return {name: bound for name, bound in bounds.items() if bound is not None}


def spread(values: Sequence[float]) -> Spread | None:
    """Smallest, median and largest; None without values. Infinite (never recovered) is a value like any other."""
    if not values:
        return None
    ordered = sorted(values)
    middle = len(ordered) // 2
    median = ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2
    return Spread(min=ordered[0], median=median, max=ordered[-1])
