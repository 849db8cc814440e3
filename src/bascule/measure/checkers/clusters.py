"""The operations on each value of a register, gathered: its write, and every read that returned it. Pure. Linear time.

Source: Gibbons and Korach, "Testing shared memories", SIAM Journal on Computing 26 (1997), section 4: the zone of a
value reaches from the first end to the last begin among its operations.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure.checkers.operations import Operation, Value

INITIAL: Value = None
"""What a register holds before anything is written."""


class Cluster(Struct, kw_only=True):
    """One value's operations.

    Attributes:
        value: The value.
        write: What wrote it; None for the initial one.
        written_s: When its write was sent; -inf for the initial value.
        ended_s: The first end of any of its operations: by then it had been written.
        begun_s: The last begin of any of its operations: then it had not been overwritten for good.
        is_read: Whether somebody read it.
    """

    value: Value
    write: Operation | None
    written_s: float
    ended_s: float
    begun_s: float
    is_read: bool = False

    @property
    def is_forward(self) -> bool:
        """Whether it surely stood there for a time: from `ended_s` to `begun_s`."""
        return self.ended_s < self.begun_s

    def __str__(self) -> str:
        """As it stands in an example."""
        return f"value {self.value}"


class Clusters(Struct, frozen=True, kw_only=True):
    """A register's history by values.

    Attributes:
        live: Values that surely were written: acknowledged, or read.
        phantom: Reads of values that nobody wrote, or whose write surely failed.
        early: Reads that ended before the write of their value was sent.
        reads: Every answered read, with the cluster of its value, where it has one.
    """

    live: tuple[Cluster, ...]
    phantom: tuple[Operation, ...]
    early: tuple[Operation, ...]
    reads: tuple[tuple[Operation, Cluster], ...]


def gather(operations: Iterable[Operation]) -> Clusters:
    """The clusters of one register's operations, in any order; other kinds of operations are left out.

    Raises:
        InputError: A value was written twice, so that nobody can tell whose read is whose; or a read returned many.
    """
    clusters = {INITIAL: Cluster(value=INITIAL, write=None, written_s=-math.inf, ended_s=-math.inf, begun_s=-math.inf)}
    reads: list[Operation] = []
    for one in operations:
        if one.kind == "read":
            if one.fate == "ok":
                reads.append(one)
        elif one.kind == "write" and one.fate != "failed":
            if one.value in clusters:
                raise _not_unique(one)
            sent_s = one.invoked_s
            clusters[one.value] = Cluster(
                value=one.value, write=one, written_s=sent_s, ended_s=one.done_s, begun_s=sent_s
            )
    phantom: list[Operation] = []
    early: list[Operation] = []
    known: list[tuple[Operation, Cluster]] = []
    for read in reads:
        cluster = clusters.get(read.value)
        if cluster is None:
            phantom.append(read)
            continue
        known.append((read, cluster))
        cluster.is_read = True
        if read.returned_s < cluster.written_s:
            early.append(read)
        cluster.ended_s = min(cluster.ended_s, read.returned_s)
        cluster.begun_s = max(cluster.begun_s, read.invoked_s)
    live = tuple(
        each for each in clusters.values() if each.is_read or each.write is None or each.write.fate == "ok"
    )  # fmt: skip
    return Clusters(live=live, phantom=tuple(phantom), early=tuple(early), reads=tuple(known))


def _not_unique(one: Operation) -> InputError:
    hint = "a register's history needs unique values, none of them null: number the writes"
    return InputError(f"{one.value} was written more than once to {one.key or 'the register'}", hint=hint)
