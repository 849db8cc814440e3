"""What a limited number of simulated months supports, and no more. Pure.

Sources: Wilson, JASA 22 (1927) 209; Hahn and Meeker, "Statistical Intervals" (1991), section 5.2, for bounds of a
quantile by order statistics; Law, "Simulation Modeling and Analysis", section 9.5.3, for batch means; Abramowitz and
Stegun, 26.7.5, for the quantile of Student's t.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import NamedTuple

import numpy as np

from bascule.availability.simulation.intervals import Times

_BLOCKS = 100


class Estimate(NamedTuple):
    """A figure, and between what bounds it is with the confidence that was asked for."""

    value: float
    low: float
    high: float


def student_t(probability: float, degrees: int) -> float:
    """The quantile of Student's t, to about three digits from 10 degrees of freedom on."""
    z = NormalDist().inv_cdf(probability)
    if degrees == 1:
        return math.tan(math.pi * (probability - 0.5))
    if degrees == 2:
        a = 2 * probability - 1
        return a * math.sqrt(2 / (1 - a * a))
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92160,
    )
    return z + math.fsum(term / degrees**power for power, term in enumerate(terms, 1))


def wilson(hits: int, trials: int, confidence: float) -> Estimate:
    """The share of trials that are hits, with the score interval of Wilson."""
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share = hits / trials
    middle = (share + z * z / (2 * trials)) / (1 + z * z / trials)
    half = z * math.sqrt(share * (1 - share) / trials + (z / (2 * trials)) ** 2) / (1 + z * z / trials)
    # At the ends rounding must not leave out what was seen.
    return Estimate(share, min(share, max(0.0, middle - half)), max(share, min(1.0, middle + half)))


def ranks(probability: float, trials: int, confidence: float) -> tuple[int, int]:
    """The ranks, from 1 on, of the sorted values between which a quantile is; 0 and trials + 1 are beyond all values.

    Each bound is missed with at most half of the doubt: ranks are from the exact binomial distribution.
    """
    middle = trials * probability
    reach = 12 * math.sqrt(middle * (1 - probability)) + 40
    lowest, highest = max(0, math.floor(middle - reach)), min(trials, math.ceil(middle + reach))
    below = np.arange(lowest, highest, dtype=np.float64)
    steps = np.log(trials - below) - np.log(below + 1) + math.log(probability) - math.log1p(-probability)
    logs = np.concatenate(([0.0], np.cumsum(steps)))
    weights = np.exp(logs - logs.max())
    reached = np.cumsum(weights) / weights.sum()
    doubt = (1 - confidence) / 2
    low = lowest + int(np.searchsorted(reached, doubt, side="right"))
    return low, lowest + int(np.searchsorted(reached, 1 - doubt)) + 1


def mean_of(values: Times, most: float, confidence: float) -> Estimate:
    """The mean of a series whose neighbours may depend on each other, by batch means; of values from 0 to `most`.

    At most 100 batches of at least 10 values, as long as there are 20 values; fewer values are taken one by one.
    """
    value = float(values.mean())
    blocks = min(_BLOCKS, len(values) // 10) if len(values) >= 20 else len(values)
    if blocks < 2:
        return Estimate(value, 0.0, most)
    size = len(values) // blocks
    means = values[: blocks * size].reshape(blocks, size).mean(axis=1)
    half = student_t((1 + confidence) / 2, blocks - 1) * float(means.std(ddof=1)) / math.sqrt(blocks)
    return Estimate(value, max(0.0, value - half), min(most, value + half))
