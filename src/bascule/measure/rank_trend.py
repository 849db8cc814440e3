"""Whether values rise or fall in the order they came, by more than luck, exactly where that can be counted. Pure.

Sources: Mann, Econometrica 13 (1945); Kendall, "Rank Correlation Methods" (1948), chapter 4 for ties; the number of
inversions of a multiset is distributed as a q-multinomial coefficient (MacMahon, 1913; Stanley, "Enumerative
Combinatorics" 1 (2012), proposition 1.7.1); slope: Theil (1950), Sen, J. Am. Stat. Assoc. 63 (1968).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations
from statistics import NormalDist, median
from typing import Literal

from msgspec import Struct

MOST_EXACT = 50
"""Up to so many values every order is counted; more are approximated."""

TrendMethod = Literal["Mann-Kendall, exact", "Mann-Kendall, exact given the ties", "Mann-Kendall, normal approximation"]


class Trended(Struct, frozen=True, kw_only=True):
    """What a two-sided test for a trend says.

    Attributes:
        p: How often luck alone makes a trend at least as clear.
        least: The smallest p that any order of these very values would have had.
        towards: 1 when later values are higher, -1 when lower, 0 when neither.
        score: Kendall's S: pairs that rise less pairs that fall.
    """

    p: float
    least: float
    towards: int
    score: int
    method: TrendMethod


def trend_test(values: Sequence[float]) -> Trended:
    """Whether the values tend to rise or fall in their order. Infinite is the highest value there is.

    Exact up to `MOST_EXACT` values, with ties as well: then it is the distribution given these ties.

    Raises:
        ValueError: There is no value, or one is not a number.
    """
    if not values or any(math.isnan(value) for value in values):
        message = "a trend needs values that are numbers"
        raise ValueError(message)
    score = sum((later > earlier) - (later < earlier) for earlier, later in combinations(values, 2))
    ties = tuple(sorted(Counter(values).values()))
    most = math.comb(len(values), 2) - sum(math.comb(tie, 2) for tie in ties)
    towards = (score > 0) - (score < 0)
    if len(values) > MOST_EXACT:
        p, least = _approximate(ties, score), _approximate(ties, most)
        return Trended(p=p, least=least, towards=towards, score=score, method="Mann-Kendall, normal approximation")
    ways = _inversions(ties)
    every = sum(ways)
    # With i inversions among `most` pairs that differ, S is most - 2 i.
    p = sum(number for at, number in enumerate(ways) if abs(most - 2 * at) >= abs(score)) / every
    least = sum(number for at, number in enumerate(ways) if abs(most - 2 * at) == most) / every
    tied = len(ties) < len(values)
    method: TrendMethod = "Mann-Kendall, exact given the ties" if tied else "Mann-Kendall, exact"
    return Trended(p=p, least=least, towards=towards, score=score, method=method)


def slope(values: Sequence[float]) -> float | None:
    """By how much each value is higher than the one before it: the median over all pairs; None without finite pairs."""
    finite = [(at, value) for at, value in enumerate(values) if math.isfinite(value)]
    rises = [(later - earlier) / (end - begin) for (begin, earlier), (end, later) in combinations(finite, 2)]
    return median(rises) if rises else None


def enough_in_a_row(level: float) -> int:
    """How many values without ties are needed at least, for a trend to be told at this level at all."""
    count = 2
    while 2 / math.factorial(count) > level:
        count += 1
    return count


@lru_cache(maxsize=256)
def _inversions(ties: tuple[int, ...]) -> tuple[int, ...]:
    """In how many orders a multiset with these ties has 0, 1, 2, ... inversions."""
    row, size = [1], 0
    for tie in ties:
        for number in range(1, tie + 1):
            # times (1 - q^(size + number)) / (1 - q^number): the q-binomial of the values so far, factor by factor
            row = _divided(_times(row, size + number), number)
        size += tie
    return tuple(row)


def _times(row: list[int], power: int) -> list[int]:
    longer = [*row, *[0] * power]
    for at, number in enumerate(row):
        longer[at + power] -= number
    return longer


def _divided(row: list[int], power: int) -> list[int]:
    quotient = list(row)
    for at in range(power, len(quotient)):
        quotient[at] += quotient[at - power]
    return quotient[:-power]


def _approximate(ties: Sequence[int], score: int) -> float:
    count = sum(ties)
    variance = (_spread(count) - sum(map(_spread, ties))) / 18
    if variance == 0 or score == 0:
        return 1.0
    return min(1.0, 2 * NormalDist().cdf(-(abs(score) - 1) / math.sqrt(variance)))


def _spread(count: int) -> int:
    return count * (count - 1) * (2 * count + 5)
