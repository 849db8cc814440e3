"""Whether a list that clients append to kept everything, once, in one order that time allows. Pure.

The longest list that was read is the order; whatever else was read must be a beginning of it. Then a history is
linearizable if and only if nothing that stands later was over before something that stands earlier was sent, which is
seen pair by pair: append and append, append and read, read and read. Linear in what was appended and read, but for
sorting what was acknowledged.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from bascule.measure.checkers.operations import Operation


class AppendFindings(Struct, frozen=True, kw_only=True):
    """What became of what was appended to one list.

    Attributes:
        lost: Acknowledged before a read, or something that is in the longest list, was sent; and not in that list.
        duplicated: In a list more than once.
        phantom: In a list, though nobody appended it, or appending it surely failed.
        forked: Reads that are no beginning of the longest one: there were two orders.
        misordered: Elements that stand behind one that was sent only after they were acknowledged.
        early: Elements that were read before they were sent.
        stale: Reads that lack an element of the longest list which was acknowledged, or read by others, before they
            were sent.
        unread: Acknowledged when nobody read any more: undecided.
    """

    lost: frozenset[int] = frozenset()
    duplicated: frozenset[int] = frozenset()
    phantom: frozenset[int] = frozenset()
    forked: int = 0
    misordered: frozenset[int] = frozenset()
    early: frozenset[int] = frozenset()
    stale: int = 0
    unread: int = 0

    @property
    def violations(self) -> int:
        """All of them."""
        sets = (self.lost, self.duplicated, self.phantom, self.misordered, self.early)
        return sum(map(len, sets)) + self.forked + self.stale


def check_appends(operations: Iterable[Operation]) -> AppendFindings:
    """Compare every list that was read with the longest one, and that one with what was appended when."""
    appends: dict[int, Operation] = {}
    reads: list[Operation] = []
    for one in operations:
        if one.kind == "append" and isinstance(one.value, int):
            appends[one.value] = one
        elif one.kind == "list" and one.fate == "ok":
            reads.append(one)
    order: Sequence[int] = max((_listed(one) for one in reads), key=len, default=())
    places: dict[int, int] = {}
    for place, element in enumerate(order):
        places.setdefault(element, place)
    acknowledged = {element: one.returned_s for element, one in appends.items() if one.fate == "ok"}
    sent_s = [one.invoked_s for one in reads] + [appends[each].invoked_s for each in places if each in appends]
    latest_s = max(sent_s, default=-math.inf)
    lists = [_listed(one) for one in reads]
    strange = {each for listed in lists if listed != order[: len(listed)] for each in listed} | places.keys()
    missing = acknowledged.keys() - places.keys()
    lost = {element for element in missing if acknowledged[element] < latest_s}
    return AppendFindings(
        lost=frozenset(lost),
        duplicated=frozenset(each for listed in lists for each in _repeated(listed)),
        phantom=frozenset(each for each in strange if each not in appends or appends[each].fate == "failed"),
        forked=sum(1 for listed in lists if listed != order[: len(listed)]),
        misordered=_misordered(order, appends),
        early=frozenset(_early(reads, appends)),
        stale=_stale(reads, places, acknowledged),
        unread=len(missing) - len(lost),
    )


def _listed(read: Operation) -> tuple[int, ...]:
    return read.value if isinstance(read.value, tuple) else ()


def _repeated(listed: tuple[int, ...]) -> list[int]:
    if len(set(listed)) == len(listed):
        return []
    return [element for element, count in Counter(listed).items() if count > 1]


def _misordered(order: Sequence[int], appends: Mapping[int, Operation]) -> frozenset[int]:
    """Each element whose append was over before that of one in front of it was sent."""
    found: set[int] = set()
    newest_s = -math.inf
    for element in order:
        source = appends.get(element)
        if source is None:
            continue
        if source.done_s < newest_s:
            found.add(element)
        newest_s = max(newest_s, source.invoked_s)
    return frozenset(found)


def _early(reads: Iterable[Operation], appends: Mapping[int, Operation]) -> Iterable[int]:
    for read in reads:
        for element in _listed(read):
            source = appends.get(element)
            if source is not None and source.invoked_s > read.returned_s:
                yield element


def _stale(reads: Iterable[Operation], places: Mapping[int, int], acknowledged: Mapping[int, float]) -> int:
    """Reads that are shorter than what was acknowledged, or had been read, when they were sent."""
    reads = tuple(reads)
    known = [(at_s, places[element]) for element, at_s in acknowledged.items() if element in places]
    known += [(read.returned_s, len(_listed(read)) - 1) for read in reads]
    known.sort()
    times_s = [at_s for at_s, _ in known]
    reach: list[int] = []
    for _, place in known:
        reach.append(max(place, reach[-1]) if reach else place)
    found = 0
    for read in reads:
        before = bisect_left(times_s, read.invoked_s)
        found += bool(before) and reach[before - 1] >= len(_listed(read))
    return found
