"""Whether a register behaved as if there were one copy of it: linearizability, by zones. Pure. O(n log n).

Source: Gibbons and Korach, "Testing shared memories", SIAM Journal on Computing 26 (1997), section 4: with unique
values, a history is linearizable if and only if no read ends before its write begins, no two forward zones overlap, and
no backward zone lies inside a forward one.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.checkers.clusters import Cluster, gather
from bascule.measure.checkers.operations import Operation

EXAMPLES = 3


class RegisterFindings(Struct, frozen=True, kw_only=True):
    """What no single copy would have done; all counts are 0 if, and only if, the history is linearizable.

    Attributes:
        phantom: Reads of values that nobody wrote, or whose write surely failed.
        early: Reads that ended before the write of their value was sent.
        torn: Values whose operations lie on both sides of another value's.
        examples: The first few, in words.
    """

    phantom: int = 0
    early: int = 0
    torn: int = 0
    examples: tuple[str, ...] = ()

    @property
    def violations(self) -> int:
        """All of them."""
        return self.phantom + self.early + self.torn


def check_register(operations: Iterable[Operation]) -> RegisterFindings:
    """Find out whether the writes and reads of one register have an order that time allows and one copy explains.

    An operation of unknown fate may have taken effect at any time after it was sent, or never.

    Raises:
        InputError: A value was written twice.
    """
    clusters = gather(operations)
    torn = _torn(clusters.live)
    told = [f"{read}: nobody wrote that" for read in clusters.phantom[:EXAMPLES]]
    told += [f"{read}: it was written only later" for read in clusters.early[:EXAMPLES]]
    told += [_explain(one, other) for one, other in torn[:EXAMPLES]]
    return RegisterFindings(
        phantom=len(clusters.phantom), early=len(clusters.early), torn=len(torn), examples=tuple(told[:EXAMPLES])
    )


def _torn(clusters: Iterable[Cluster]) -> list[tuple[Cluster, Cluster]]:
    """Each value that cannot be placed, with one of those that it is in the way of."""
    forward: list[Cluster] = []
    backward: list[Cluster] = []
    for each in clusters:
        (forward if each.is_forward else backward).append(each)
    forward.sort(key=_ended_s)
    found: list[tuple[Cluster, Cluster]] = []
    furthest: list[Cluster] = []
    last: Cluster | None = None
    for zone in forward:
        if last is not None and zone.ended_s < last.begun_s:
            found.append((zone, last))
        if last is None or zone.begun_s > last.begun_s:
            last = zone
        furthest.append(last)
    ends_s = [zone.ended_s for zone in forward]
    for zone in backward:
        place = bisect_left(ends_s, zone.begun_s)
        if place and zone.ended_s < furthest[place - 1].begun_s:
            found.append((zone, furthest[place - 1]))
    return found


def _ended_s(zone: Cluster) -> float:
    return zone.ended_s


def _explain(one: Cluster, other: Cluster) -> str:
    """The two values, and the times in which each of them surely stood there."""

    def told(zone: Cluster) -> str:
        if zone.is_forward:
            since = "the begin" if zone.ended_s == -math.inf else f"{zone.ended_s:.3f} s"
            return f"{zone} stood there from {since} at the latest to {zone.begun_s:.3f} s at least"
        return f"{zone} came and went between {zone.begun_s:.3f} and {zone.ended_s:.3f} s"

    return f"{told(other)}, and {told(one)}"
