"""Sets of moments, as sorted edges of intervals, and what gates make of them. Pure.

A set is one array of int64 keys, start, end, start, end and so on. A key is the bit pattern of a time in seconds, a
float64 that is not negative: such patterns are ordered as their times are. Its last bit is 0 for a start and 1 for an
end, at the price of one bit of 53. So a plain sort merges many sets, at equal times starts come first, and whoever
finds a key knows what it is. In a set no interval is empty, and no two of them touch.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

Keys: TypeAlias = npt.NDArray[np.int64]
Times: TypeAlias = npt.NDArray[np.float64]

NEVER: Keys = np.empty(0, np.int64)
NEVER.flags.writeable = False
_NO_MARK = np.int64(-2)
_MOST_IN_INT8 = 120


def end_key(time_s: float) -> int:
    """The key of an end at this time."""
    return int(np.float64(time_s).view(np.int64)) | 1


def always(span_s: float) -> Keys:
    """All of [0, span)."""
    return np.array([0, end_key(span_s)], np.int64)


def from_times(times_s: Times) -> Keys:
    """The set with these starts and ends in turn, which must not decrease and are used up."""
    keys = times_s.view(np.int64)
    keys &= _NO_MARK
    is_set = bool((keys[1:] > keys[:-1]).all())
    keys[1::2] |= 1
    # Times that are equal, as may be after rounding: an outage of no length, or two that touch.
    return keys if is_set else _reached(np.sort(keys), 1, 2)


def times(keys: Keys) -> tuple[Times, Times]:
    """The starts and the ends, in seconds."""
    edges = (keys & _NO_MARK).view(np.float64)
    return edges[0::2], edges[1::2]


def complement(keys: Keys, span_s: float) -> Keys:
    """What of [0, span) is not in the set."""
    last = end_key(span_s)
    flipped = keys ^ 1
    head = [] if len(keys) and keys[0] == 0 else [0]
    tail = [] if len(keys) and keys[-1] == last else [last]
    inner = flipped[1 - len(head) : len(flipped) - 1 + len(tail)]
    return np.concatenate((np.array(head, np.int64), inner, np.array(tail, np.int64)))


def at_least(least: int, sets: Sequence[Keys], span_s: float) -> Keys:
    """The moments of [0, span) that are in at least so many of the sets."""
    if least <= 0:
        return always(span_s)
    filled = [keys for keys in sets if len(keys)]
    if len(filled) < least:
        return NEVER
    if len(filled) == 1:
        return filled[0]
    merged = np.concatenate(filled)
    merged.sort(kind="stable")  # which finds the sorted runs, and merges them
    return _reached(merged, least, len(filled))


def _reached(merged: Keys, least: int, most: int) -> Keys:
    # The count reaches `least` with a start after which it is `least`, and falls short with an end after which it is
    # one less: both are where the count, plus one at an end, is `least`.
    is_end = merged.astype(np.int8 if most <= _MOST_IN_INT8 else np.int32)  # which keeps the lowest bits
    np.bitwise_and(is_end, 1, out=is_end)
    count = np.cumsum(1 - 2 * is_end, dtype=is_end.dtype)
    edges: Keys = merged[count + is_end == least]
    # Where one set ends as another starts the count is reached for no time at all.
    is_empty = edges[1::2] - edges[0::2] == 1
    return edges[np.repeat(~is_empty, 2)] if is_empty.any() else edges


def per_month(keys: Keys, months: int, month_s: float) -> Times:
    """The seconds of each month that are in the set, which is one of [0, months * month_s)."""
    starts, ends = times(keys)
    first = np.minimum((starts / month_s).astype(np.int64), months - 1)
    last = np.clip(np.ceil(ends / month_s).astype(np.int64) - 1, first, months - 1)
    pieces = last - first + 1
    whose = np.repeat(np.arange(len(starts)), pieces)
    month = np.arange(len(whose)) - np.repeat(np.cumsum(pieces) - pieces - first, pieces)
    length = np.minimum(ends[whose], (month + 1) * month_s) - np.maximum(starts[whose], month * month_s)
    total = np.bincount(month, weights=np.maximum(length, 0.0), minlength=months)
    return np.minimum(total, month_s)
