"""Whether a set that clients add to kept everything that it acknowledged. Pure. Linear in what was added and read.

This is for histories whose clients read the whole set, as often as they like; `sets` judges the load's own records.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.checkers.operations import Operation


class ElementFindings(Struct, frozen=True, kw_only=True):
    """What became of the elements of one set.

    Attributes:
        lost: Acknowledged before the last read was sent, and not in it.
        stale: Elements that a read lacked although they were acknowledged before it was sent, and that the last read
            has.
        duplicated: In one read more than once.
        phantom: Read, though nobody added them, or adding them surely failed.
        early: Read before they were sent.
        recovered_unknown: In the last read, though the client was not told so; no violation.
        unread: Acknowledged when nobody read any more: undecided.
    """

    lost: frozenset[int] = frozenset()
    stale: frozenset[int] = frozenset()
    duplicated: frozenset[int] = frozenset()
    phantom: frozenset[int] = frozenset()
    early: frozenset[int] = frozenset()
    recovered_unknown: int = 0
    unread: int = 0

    @property
    def violations(self) -> int:
        """All of them."""
        return len(self.lost) + len(self.stale) + len(self.duplicated) + len(self.phantom) + len(self.early)


def check_elements(operations: Iterable[Operation]) -> ElementFindings:
    """Compare what was added with every read of the whole set."""
    added: dict[int, Operation] = {}
    reads: list[Operation] = []
    for one in operations:
        if one.kind == "add" and isinstance(one.value, int):
            added[one.value] = one
        elif one.kind == "members" and one.fate == "ok":
            reads.append(one)
    reads.sort(key=lambda one: one.invoked_s)
    acknowledged = sorted((one.returned_s, element) for element, one in added.items() if one.fate == "ok")
    offered = {element for element, one in added.items() if one.fate != "failed"}
    expected: set[int] = set()
    missing: set[int] = set()
    duplicated: set[int] = set()
    phantom: set[int] = set()
    early: set[int] = set()
    present: set[int] = set()
    place = 0
    for read in reads:
        while place < len(acknowledged) and acknowledged[place][0] < read.invoked_s:
            expected.add(acknowledged[place][1])
            place += 1
        listed = read.value if isinstance(read.value, tuple) else ()
        present = set(listed)
        if len(present) < len(listed):
            duplicated |= _repeated(listed)
        missing |= expected - present
        phantom |= present - offered
        early |= {each for each in present & offered if added[each].invoked_s > read.returned_s}
    lost = expected - present
    return ElementFindings(
        lost=frozenset(lost),
        stale=frozenset(missing - lost),
        duplicated=frozenset(duplicated),
        phantom=frozenset(phantom),
        early=frozenset(early),
        recovered_unknown=sum(1 for each in present if each in offered and added[each].fate == "unknown"),
        unread=len(acknowledged) - place,
    )


def _repeated(listed: Iterable[int]) -> set[int]:
    seen: set[int] = set()
    repeated: set[int] = set()
    for each in listed:
        (repeated if each in seen else seen).add(each)
    return repeated
