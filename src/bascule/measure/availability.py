"""How much of the offered load was good: by requests, by time, in the worst window, and of the error budget. Pure.

Sources: Hauer, Hoffmann, Lunney, Ardelean, Diwan, "Meaningful Availability" (NSDI 2020) for the worst window of each
length; Google, "The Site Reliability Workbook" chapter 5 for burn rates.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from bascule.measure.records import Record

WINDOWS_S: tuple[float, ...] = (1.0, 10.0, 60.0)


class WorstWindow(Struct, frozen=True, kw_only=True):
    """The window of a length in which the smallest share of operations was good, and where it begins."""

    length_s: float
    availability: float
    start_s: float


def by_requests(records: Sequence[Record]) -> float | None:
    """Good over offered; None when nothing was offered."""
    if not records:
        return None
    return sum(record.outcome == "good" for record in records) / len(records)


def by_time(
    records: Iterable[Record], start_s: float, end_s: float, threshold: float, bin_s: float = 1.0
) -> float | None:
    """The share of whole bins in which at least `threshold` of the operations were good.

    A bin in which nothing was due says nothing and is left out; None when that is every bin.
    """
    bins = int((end_s - start_s) / bin_s + 1e-9)
    offered = [0] * bins
    good = [0] * bins
    for record in records:
        place = math.floor((record.due_s - start_s) / bin_s)
        if 0 <= place < bins:
            offered[place] += 1
            good[place] += record.outcome == "good"
    told = [(well, all_) for well, all_ in zip(good, offered, strict=True) if all_]
    if not told:
        return None
    return sum(well >= threshold * all_ for well, all_ in told) / len(told)


def worst_window(records: Sequence[Record], start_s: float, end_s: float, length_s: float) -> WorstWindow | None:
    """The worst of all windows `[t, t + length)` inside the observation, exactly, in linear time after sorting.

    What a window holds changes only where an operation enters or leaves, so it is enough to look at windows that
    begin at an operation, that end just before one, and at the first and the last. None when no window fits or none
    holds an operation.
    """
    ordered = sorted((record for record in records if start_s <= record.due_s < end_s), key=lambda record: record.due_s)
    dues = [record.due_s for record in ordered]
    good = [0, *accumulate(int(record.outcome == "good") for record in ordered)]
    last_s = end_s - length_s
    starts = sorted({start_s, last_s, *dues, *(due - length_s for due in dues)})
    worst: WorstWindow | None = None
    left = right = 0
    for t in starts:
        if not start_s <= t <= last_s:
            continue
        while left < len(dues) and dues[left] < t:
            left += 1
        while right < len(dues) and (dues[right] - t < length_s) and dues[right] - length_s < t:
            right += 1
        if right <= left:
            continue
        share = (good[right] - good[left]) / (right - left)
        if worst is None or share < worst.availability:
            worst = WorstWindow(length_s=length_s, availability=share, start_s=t)
    return worst


def goodput_per_s(records: Iterable[Record], lost: frozenset[int] | set[int], observed_s: float) -> float | None:
    """Good operations per second that were not lost later; None for an empty observation."""
    if observed_s <= 0:
        return None
    kept = sum(record.outcome == "good" and not (record.writes and record.number in lost) for record in records)
    return kept / observed_s


def burn_rate(availability: float, target: float) -> float:
    """How many times faster than allowed the error budget is spent: bad fraction over (1 - target)."""
    bad = 1 - availability
    if target >= 1:
        return math.inf if bad > 0 else 0.0
    return bad / (1 - target)


def budget_spent(availability: float, observed_s: float, target: float, window_s: float) -> float:
    """The share of the whole window's error budget that this observation spent; 1 is all of it.

    The load is taken to be as heavy in the rest of the window as it was in the observation.
    """
    return burn_rate(availability, target) * observed_s / window_s
