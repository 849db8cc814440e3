"""Whether two samples differ by more than luck, exactly where that can be counted; and by how much. Pure.

Sources: Mann and Whitney, Ann. Math. Stat. 18 (1947), with mid-ranks for ties, and the distribution given the ties
(Lehmann, "Nonparametrics" (1975), chapter 1); Fisher, "Statistical Methods for Research Workers" (1934), 21.02; Hodges
and Lehmann, Ann. Math. Stat. 34 (1963); Holm, Scand. J. Stat. 6 (1979); Tarone, Biometrics 46 (1990).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from statistics import NormalDist
from typing import Literal

from msgspec import Struct

MOST_EXACT = 100
"""Up to so many values in both samples together every arrangement is counted; more are approximated."""

Method = Literal[
    "Mann-Whitney U, exact",
    "permutation of mid-ranks, exact",
    "Mann-Whitney U, normal approximation",
    "Fisher's exact test",
]


class Tested(Struct, frozen=True, kw_only=True):
    """What a two-sided test says.

    Attributes:
        p: How often luck alone makes a difference at least as large.
        least: The smallest p that any arrangement of these very values would have had.
        towards: 1 when the second sample is the higher one (or meets more often), -1 when lower, 0 when neither.
    """

    p: float
    least: float
    towards: int
    method: Method


class Shift(Struct, frozen=True, kw_only=True):
    """By how much the second sample is higher; `low` and `high` are None where so few values support no interval."""

    by: float
    low: float | None
    high: float | None
    confidence: float = 0.95


def rank_test(first: Sequence[float], second: Sequence[float]) -> Tested:
    """Whether one sample tends to higher values. Infinite is the highest value there is, and equal to itself.

    Exact up to `MOST_EXACT` values, with ties as well: then it is the distribution given these ties.

    Raises:
        ValueError: A sample is empty.
    """
    if not first or not second:
        message = "a sample without values cannot be tested"
        raise ValueError(message)
    doubled = _doubled_ranks([*first, *second])
    count, total = len(second), len(doubled)
    # Twice the sum of the second sample's ranks, less its mean: positive when they rank higher.
    off = sum(doubled[len(first) :]) - count * (total + 1)
    towards = (off > 0) - (off < 0)
    if total > MOST_EXACT:
        ordered = sorted(doubled)
        mean = count * (total + 1)
        furthest_off = max(sum(ordered[-count:]) - mean, mean - sum(ordered[:count]))
        p, least = (_approximate(doubled, count, each) for each in (off, furthest_off))
        return Tested(p=p, least=least, towards=towards, method=_APPROXIMATE)
    sums = _rank_sums(tuple(sorted(doubled)), count)
    offs = {abs(at - count * (total + 1)) for at in sums}
    ways = math.comb(total, count)
    beyond = sum(number for at, number in sums.items() if abs(at - count * (total + 1)) >= abs(off))
    furthest = sum(number for at, number in sums.items() if abs(at - count * (total + 1)) == max(offs))
    tied = len(set(doubled)) < total
    return Tested(p=beyond / ways, least=furthest / ways, towards=towards, method=_PERMUTED if tied else _EXACT)


_EXACT: Method = "Mann-Whitney U, exact"
_PERMUTED: Method = "permutation of mid-ranks, exact"
_APPROXIMATE: Method = "Mann-Whitney U, normal approximation"


def _doubled_ranks(values: Sequence[float]) -> list[int]:
    """Twice the rank of each value; equal values share the mean of their ranks, so that twice it is whole."""
    ordered = sorted(values)
    first = {value: at for at, value in reversed(list(enumerate(ordered, 1)))}
    last = {value: at for at, value in enumerate(ordered, 1)}
    return [first[value] + last[value] for value in values]


@lru_cache(maxsize=256)
def _rank_sums(doubled: tuple[int, ...], count: int) -> dict[int, int]:
    """In how many ways `count` of these doubled ranks have each sum.

    The rows are polynomials whose coefficients are packed into one integer each: a coefficient is at most the number
    of all ways, so none runs over into the next.
    """
    width = math.comb(len(doubled), count).bit_length() + 1
    rows = [1] + [0] * count
    for rank in doubled:
        for chosen in range(count, 0, -1):
            rows[chosen] += rows[chosen - 1] << (width * rank)
    return dict(_unpacked(rows[count], width))


def _unpacked(row: int, width: int) -> Iterator[tuple[int, int]]:
    digits = f"{row:b}"[::-1]
    for at in range(0, len(digits), width):
        number = int(digits[at : at + width][::-1], 2)
        if number:
            yield at // width, number


def _approximate(doubled: Sequence[int], count: int, off: int) -> float:
    total = len(doubled)
    mean = total + 1
    # Variance of a sum drawn without replacement, from the doubled ranks as they are: it knows about the ties.
    spread = sum((rank - mean) ** 2 for rank in doubled) / (total - 1)
    deviation = math.sqrt(count * (total - count) / total * spread)
    if deviation == 0:
        return 1.0
    return min(1.0, 2 * NormalDist().cdf(-max(0.0, abs(off) - 1) / deviation))


def fisher_test(met_first: int, of_first: int, met_second: int, of_second: int) -> Tested:
    """Whether one sample meets its objective more often: the exact test of Fisher, given how many met it in all.

    Two-sided: every table that is no likelier than this one counts against luck.

    Raises:
        ValueError: A count is not within 0 and its sample, or a sample is empty.
    """
    if not (0 <= met_first <= of_first and 0 <= met_second <= of_second and of_first and of_second):
        message = f"no table of {met_first} of {of_first} and {met_second} of {of_second}"
        raise ValueError(message)
    met, total = met_first + met_second, of_first + of_second
    possible = range(max(0, met - of_second), min(met, of_first) + 1)
    ways = {each: math.comb(of_first, each) * math.comb(of_second, met - each) for each in possible}
    every = math.comb(total, met)
    p = sum(number for number in ways.values() if number <= ways[met_first]) / every
    least = sum(number for number in ways.values() if number == min(ways.values())) / every
    difference = met_second * of_first - met_first * of_second
    towards = (difference > 0) - (difference < 0)
    return Tested(p=p, least=least, towards=towards, method="Fisher's exact test")


def shift(first: Sequence[float], second: Sequence[float], confidence: float = 0.95) -> Shift | None:
    """The median of all differences, and the interval of shifts that the rank test would not reject.

    None when a sample is empty or has an infinite value: nothing is so much longer than never. With ties the interval
    covers more than it says.
    """
    if not first or not second or not all(map(math.isfinite, [*first, *second])):
        return None
    differences = sorted(b - a for b in second for a in first)
    middle = len(differences) // 2
    median = differences[middle] if len(differences) % 2 else (differences[middle - 1] + differences[middle]) / 2
    depth = _depth(len(first), len(second), confidence)
    if depth < 1:
        return Shift(by=median, low=None, high=None, confidence=confidence)
    return Shift(by=median, low=differences[depth - 1], high=differences[-depth], confidence=confidence)


def _depth(first: int, second: int, confidence: float) -> int:
    """The largest k with P(U < k) at most half of the doubt: the k-th difference from either end bounds the shift."""
    doubt = (1 - confidence) / 2
    total = first + second
    if total > MOST_EXACT:
        deviation = math.sqrt(first * second * (total + 1) / 12)
        return math.floor(first * second / 2 + NormalDist().inv_cdf(doubt) * deviation)
    sums = _rank_sums(tuple(range(2, 2 * total + 1, 2)), second)
    ways, below = math.comb(total, second), 0
    for depth, at in enumerate(sorted(sums)):
        below += sums[at]
        if below / ways > doubt:
            return depth
    return first * second


def least_p(first: int, second: int) -> float:
    """The smallest two-sided p that a rank test of so many values without ties can have."""
    return min(1.0, 2 / math.comb(first + second, first))


def enough_of_each(level: float) -> int:
    """How many values each of two samples needs at least, for a difference to be told at this level at all."""
    count = 1
    while least_p(count, count) > level:
        count += 1
    return count


def level_for(least: Sequence[float], alpha: float = 0.05) -> float:
    """The level at which each test of a family must be able to reject, to have a place in it.

    Tarone's: alpha / K for the smallest K such that no more than K tests have a least p up to alpha / K. Tests that
    can never reject cost the others nothing.
    """
    for size in range(1, len(least) + 1):
        if sum(p <= alpha / size for p in least) <= size:
            return alpha / size
    return alpha


def holm(ps: Sequence[float]) -> list[float]:
    """Each p adjusted for all of them: rejecting those up to alpha errs in any of them with at most alpha."""
    adjusted = [0.0] * len(ps)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(ps)), key=ps.__getitem__)):
        highest = max(highest, min(1.0, ps[index] * (len(ps) - rank)))
        adjusted[index] = highest
    return adjusted
