"""A percentile of the latest latencies, cheap enough to be asked on every call. Pure."""

from __future__ import annotations

import math
from array import array

from bascule.guard.atomic import Stepped, atomic
from bascule.guard.checks import whole
from bascule.kernel.errors import InputError

_REUSE = 8


class RecentLatencies(Stepped):
    """The latest `size` latencies of calls, and their percentiles by nearest rank.

    `add` is one step that no thread can cut in two. `percentile` sorts only after an eighth of the latencies it knew
    have been added anew, and otherwise answers from what it sorted last: that costs `8 log(size)` comparisons for each
    latency, however often it is asked. It takes 8 bytes for each of `size`, and 8 more once a percentile was asked for.

    Args:
        size: How many latencies are kept, from 1 to 1,000,000.

    Attributes:
        size: As given.
        added: How many latencies were ever added.

    Raises:
        InputError: `size` is no such number.
    """

    __slots__ = ("_ring", "_sorted", "_sorted_until", "added", "size")

    def __init__(self, size: int = 128) -> None:
        super().__init__()
        self.size = size
        whole(self, "size", least=1)
        self.added = 0
        self._ring = array("d", bytes(8 * size))
        self._sorted = array("d")
        self._sorted_until = 0

    @atomic
    def add(self, latency_s: float, /) -> None:
        """Take in one latency, in seconds (a finite number); the oldest one goes."""
        added = self.added
        self._ring[added % self.size] = latency_s
        self.added = added + 1

    def percentile(self, share: float, /) -> float | None:
        """The smallest latency that at least `share` of them do not exceed, in seconds; None before the first latency.

        With n latencies in order this is number `ceil(share * n)`, and the smallest one for a share of 0. They are the
        latest `size`, as they were at most n/8 additions ago.

        Args:
            share: From 0 to 1: 0.99 for the 99th percentile.

        Raises:
            InputError: `share` is outside of that.
        """
        if not 0 <= share <= 1:
            raise InputError(f"RecentLatencies.percentile: {share!r} must be a share from 0 to 1")
        added = self.added
        if added >= self._sorted_until:
            if added == 0:
                return None
            self._sort(added)
        latencies = self._sorted
        # One part in 10^9 is forgiven, so that 0.07 of 100 is the 7th although 0.07 is no binary number.
        return latencies[max(0, math.ceil(share * len(latencies) - 1e-9) - 1)]

    def _sort(self, added: int) -> None:
        known = min(added, self.size)
        self._sorted = array("d", sorted(self._ring[:known]))
        self._sorted_until = added + max(1, known // _REUSE)
