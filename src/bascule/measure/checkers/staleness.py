"""How old the answers were: reads of values that had surely been overwritten when the read was sent. Pure. O(n log n).

A stale read is a breach of linearizability, and of a kind that many systems promise to bound: its age is what they
promise (`max_staleness`, replica lag).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.checkers.clusters import Cluster, gather
from bascule.measure.checkers.operations import Operation

EXAMPLES = 3


class StaleFindings(Struct, frozen=True, kw_only=True):
    """The reads of one register that were out of date.

    Attributes:
        reads: Reads that were answered with a value that somebody wrote, or the initial one.
        stale: Those that were older than the bound.
        oldest_s: The greatest age of any read, within the bound or not; 0 when none was out of date.
        examples: The first few stale ones, in words.
    """

    reads: int = 0
    stale: int = 0
    oldest_s: float = 0.0
    examples: tuple[str, ...] = ()

    @property
    def violations(self) -> int:
        """The stale ones."""
        return self.stale


def check_staleness(operations: Iterable[Operation], *, bound_s: float = 0.0) -> StaleFindings:
    """Find the reads whose value had been overwritten more than `bound_s` before they were sent.

    A value counts as overwritten once another one, sent after the first was surely there, was surely there itself. So
    no age is too great: it is what the clients can prove.

    Raises:
        InputError: A value was written twice.
    """
    clusters = gather(operations)
    overwritten_s = _Overwritten(clusters.live)
    stale = 0
    oldest_s = 0.0
    told: list[str] = []
    for read, cluster in clusters.reads:
        age_s = read.invoked_s - overwritten_s(cluster)
        if age_s <= 0:
            continue
        oldest_s = max(oldest_s, age_s)
        if age_s > bound_s:
            stale += 1
            if len(told) < EXAMPLES:
                told.append(f"{read}: overwritten {age_s:.3f} s before it was sent")
    return StaleFindings(reads=len(clusters.reads), stale=stale, oldest_s=oldest_s, examples=tuple(told))


class _Overwritten:
    """When a value had surely been overwritten: the first end among those that were sent after it was there."""

    def __init__(self, live: Iterable[Cluster]) -> None:
        written = sorted((each for each in live if each.write is not None), key=lambda each: each.written_s)
        self._sent_s = [each.written_s for each in written]
        self._first_s = [math.inf] * (len(written) + 1)
        for place in range(len(written) - 1, -1, -1):
            self._first_s[place] = min(self._first_s[place + 1], written[place].ended_s)

    def __call__(self, cluster: Cluster) -> float:
        return self._first_s[bisect_right(self._sent_s, cluster.ended_s)]
