"""When each operation of an open-loop load is due, which one it is, and how far behind its sender is. Pure.

Operation i is due at `start + i / rate`, whatever became of the operations before it, and its latency runs from
there: the generator never slows down because the system does (no coordinated omission; G. Tene, "How NOT to measure
latency").
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

_MASK = (1 << 64) - 1
_LAG_FLOOR_S = 0.1


def due_s(start_s: float, rate_per_s: float, index: int) -> float:
    """When operation `index` (from 0) is due. Computed from the start, so rounding never adds up."""
    return start_s + index / rate_per_s


def due_by(start_s: float, rate_per_s: float, now_s: float) -> int:
    """How many operations are due at `now_s`, that is have `due_s <= now_s`."""
    if now_s < start_s:
        return 0
    count = math.floor((now_s - start_s) * rate_per_s) + 1
    while due_s(start_s, rate_per_s, count) <= now_s:
        count += 1
    while count > 0 and due_s(start_s, rate_per_s, count - 1) > now_s:
        count -= 1
    return count


def share_of(seed: int, index: int) -> float:
    """A number in [0, 1), the same for the same seed and index, spread evenly.

    Source: the finaliser of SplitMix64 (Steele, Lea and Flood, OOPSLA 2014).
    """
    word = (seed * 0xD1342543DE82EF95 + (index + 1) * 0x9E3779B97F4A7C15) & _MASK
    word = ((word ^ (word >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    word = ((word ^ (word >> 27)) * 0x94D049BB133111EB) & _MASK
    return ((word ^ (word >> 31)) >> 11) / (1 << 53)


class Mix:
    """Which kind of operation comes next: by weight, and the same every time for the same seed.

    Args:
        weights: One per kind, not negative, at least one positive.
        seed: Any whole number.

    Raises:
        ValueError: The weights cannot be chosen from.
    """

    def __init__(self, weights: Sequence[float], seed: int) -> None:
        if not weights or min(weights) < 0 or sum(weights) <= 0:
            message = f"weights must not be negative, and not all zero: {list(weights)}"
            raise ValueError(message)
        self._bounds = list(accumulate(weights))
        self._seed = seed
        self._last = max(index for index, weight in enumerate(weights) if weight > 0)

    def kind(self, index: int) -> int:
        """Position of the kind that operation `index` is of."""
        return min(bisect_right(self._bounds, share_of(self._seed, index) * self._bounds[-1]), self._last)


def lag_bound_s(rate_per_s: float, deadline_s: float) -> float:
    """How far behind its schedule a generator may be before its load no longer is the load that was promised.

    The largest of 100 ms, five periods and a quarter of the deadline: beyond that the generator itself could turn good
    operations into bad ones.
    """
    return max(_LAG_FLOOR_S, 5 / rate_per_s, deadline_s / 4)


def in_flight_bound(rate_per_s: float, deadline_s: float) -> int:
    """How many operations may be in flight: twice what a system that answers nothing piles up, at least 64."""
    return max(64, math.ceil(rate_per_s * deadline_s * 2))
