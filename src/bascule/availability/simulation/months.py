"""What simulated months tell of a system's downtime. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np

from bascule.availability.simulation.bounds import Estimate, mean_of, ranks, wilson
from bascule.availability.simulation.intervals import Keys, Times, times

QUANTILES: tuple[float, ...] = (0.5, 0.9, 0.95, 0.99, 0.999)
YEAR_S = 365.25 * 86400
FEW_OUTAGES = 100
_BINS_PER_DECADE = 5
_LEAST_BIN_S = 1e-3
# Lengths are counted by the exponent and the first ten bits of the mantissa of their float64, from 2**-40 to 2**60 s:
# bins no wider than a thousandth of what they hold.
_SHIFT, _PER_OCTAVE = 42, 1024
_FIRST_LENGTH, _LENGTHS = (1023 - 40) * _PER_OCTAVE, 100 * _PER_OCTAVE


@dataclass(frozen=True, slots=True)
class Quantile:
    """The downtime in seconds that a month exceeds with at most 1 - `probability`, and its bounds."""

    probability: float
    downtime_s: Estimate


@dataclass(frozen=True, slots=True)
class Histogram:
    """Months by their downtime: those without any apart, the others in bins that grow by the same factor.

    Attributes:
        zero: Months without downtime.
        edges_s: The bins' edges in seconds, one more than there are bins. What is shorter than a millisecond is counted
            in the bin that starts there.
        counts: Months in each bin, which contains its lower edge.
    """

    zero: int
    edges_s: tuple[float, ...]
    counts: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Outages:
    """How often the system went down, and for how long.

    Attributes:
        count: Outages that started in the simulated months.
        per_year: That, per year of 365.25 days.
        mean_s: Their mean length in seconds: all downtime divided by `count`; None where none started.
        p95_s: The length in seconds that one of twenty exceeds, to a thousandth of it, of those that ended before their
            batch of months did; None where there is none.
    """

    count: int
    per_year: float
    mean_s: float | None
    p95_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Months:
    """The downtime of simulated months.

    Attributes:
        months: How many were simulated.
        month_s: How long a month is, in seconds.
        complete: Whether these are as many as were asked for.
        confidence: That of every interval here.
        downtime_s: The mean downtime of a month in seconds, with its interval by batch means.
        quantiles: Of a month's downtime, with bounds by order statistics from the exact binomial distribution, as if
            months were independent. An upper bound that so few months do not have is the length of a month.
        no_downtime: The probability of a month without any, with its interval by Wilson.
        histogram: The months by their downtime.
        outages: How often, and for how long.
        rare: Whether fewer than 100 outages were seen, so that neither the tail of the distribution nor the interval of
            its mean is to be relied on; never where no basic event changes its state, and nothing is left to luck.
    """

    months: int
    month_s: float
    complete: bool
    confidence: float
    downtime_s: Estimate
    quantiles: tuple[Quantile, ...]
    no_downtime: Estimate
    histogram: Histogram
    outages: Outages
    rare: bool
    _sorted_s: Times = field(repr=False, compare=False)

    def probability_within(self, budget_s: float) -> Estimate:
        """The probability that a month's downtime is at most this many seconds, with its interval by Wilson.

        Neighbouring months are taken as independent: they are, but for outages that last from one into the next.
        """
        hits = self.months - len(self._sorted_s) + int(np.searchsorted(self._sorted_s, budget_s, side="right"))
        return wilson(hits if budget_s >= 0 else 0, self.months, self.confidence)


class Tally:
    """Counts the outages of one batch of months after the other."""

    def __init__(self) -> None:
        self.started = 0
        self.seen = 0
        self._lengths = np.zeros(_LENGTHS, np.int64)

    def add(self, outages: Keys, last_key: int) -> None:
        """Count the outages of a batch, which ends at this key.

        One that is under way as the batch begins has not started in it, and has an unknown length, as has one that
        goes on as the batch ends.
        """
        if not len(outages):
            return
        is_first_cut, is_last_cut = int(outages[0] == 0), int(outages[-1] == last_key)
        self.seen += len(outages) // 2
        self.started += len(outages) // 2 - is_first_cut
        starts, ends = times(outages)
        lengths = (ends - starts)[is_first_cut : len(starts) - is_last_cut]
        bins = np.clip((lengths.view(np.int64) >> _SHIFT) - _FIRST_LENGTH, 0, _LENGTHS - 1)
        self._lengths += np.bincount(bins, minlength=_LENGTHS)

    def outages(self, downtime_s: float, span_s: float) -> Outages:
        """What was counted, in a span in which the system was down for so long."""
        mean_s = downtime_s / self.started if self.started else None
        return Outages(self.started, self.started / span_s * YEAR_S, mean_s, self._length_at(0.95))

    def _length_at(self, probability: float) -> float | None:
        reached = np.cumsum(self._lengths)
        if not reached[-1]:
            return None
        number = int(np.searchsorted(reached, math.ceil(probability * reached[-1])))
        middle = (number + _FIRST_LENGTH << _SHIFT) + (1 << _SHIFT - 1)
        return float(np.int64(middle).view(np.float64))


def months_of(
    downtimes_s: Times, tally: Tally, *, month_s: float, complete: bool, confidence: float, is_moving: bool
) -> Months:
    """The figures of these months, in their order; `is_moving` where a basic event changes its state at all."""
    months = len(downtimes_s)
    ordered_s = np.sort(downtimes_s[downtimes_s > 0])
    zero = months - len(ordered_s)
    return Months(
        months=months,
        month_s=month_s,
        complete=complete,
        confidence=confidence,
        downtime_s=mean_of(downtimes_s, month_s, confidence),
        quantiles=tuple(_quantile(one, ordered_s, months, month_s, confidence) for one in QUANTILES),
        no_downtime=wilson(zero, months, confidence),
        histogram=_histogram(ordered_s, zero),
        outages=tally.outages(float(downtimes_s.sum()), months * month_s),
        rare=is_moving and tally.seen < FEW_OUTAGES,
        _sorted_s=ordered_s,
    )


def _quantile(probability: float, ordered_s: Times, months: int, month_s: float, confidence: float) -> Quantile:
    zero = months - len(ordered_s)

    def at(rank: int) -> float:
        if rank > months:
            return month_s
        return float(ordered_s[rank - zero - 1]) if rank > zero else 0.0

    low, high = ranks(probability, months, confidence)
    return Quantile(probability, Estimate(at(math.ceil(probability * months)), at(low), at(high)))


def _histogram(ordered_s: Times, zero: int) -> Histogram:
    if not len(ordered_s):
        return Histogram(zero, (), ())
    first, last = (
        math.floor(math.log10(max(one, _LEAST_BIN_S)) * _BINS_PER_DECADE) for one in (ordered_s[0], ordered_s[-1])
    )
    edges_s = [10 ** (number / _BINS_PER_DECADE) for number in range(first, last + 2)]
    below = np.searchsorted(ordered_s, edges_s)
    # All are in a bin, whatever the logarithm was rounded to.
    below[0], below[-1] = 0, len(ordered_s)
    return Histogram(zero, tuple(edges_s), tuple(int(count) for count in np.diff(below)))
