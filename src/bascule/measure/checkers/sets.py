"""What became of one client's acknowledged writes: lost, doubled, invented. Pure. Set differences take linear time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from bascule.measure.records import Record


class SetFindings(Struct, frozen=True, kw_only=True):
    """What became of one client's writes.

    Attributes:
        lost: Acknowledged, and not there at the end. Their number is the RPO in writes.
        lost_after_fault: Those of the lost that were acknowledged after t0.
        duplicated: There more than once.
        phantom: There, though the client never offered them.
        recovered_unknown: There, though the client was not told so: refused, timed out or cut off.
        rpo_time_s: t0 minus the acknowledgement of the oldest lost write; 0 when that lies after t0 or nothing was
        lost.
    """

    lost: frozenset[int]
    lost_after_fault: frozenset[int]
    duplicated: frozenset[int]
    phantom: frozenset[int]
    recovered_unknown: frozenset[int]
    rpo_time_s: float


def check_set(
    records: Iterable[Record], present: Mapping[int, int], t0_s: float | None, *, cut_off: bool = False
) -> SetFindings:
    """Compare what one client was told with what is there at the end, by set difference, in linear time.

    Args:
        records: Every record of the client; operations that do not write are left out.
        present: How many copies of each number are stored; a number with no copies is not there.
        t0_s: When the fault was witnessed; None in a trial without one.
        cut_off: The fault killed the client itself, so what it had in flight left no record: numbers that it did not
            record count as recovered unknown, since no one can tell them from invented ones.
    """
    acknowledged: dict[int, float] = {}
    offered: set[int] = set()
    for record in records:
        if not record.writes:
            continue
        offered.add(record.number)
        if record.acknowledged:
            acknowledged[record.number] = min(record.done_s, acknowledged.get(record.number, record.done_s))
    stored = {number for number, copies in present.items() if copies > 0}
    lost = acknowledged.keys() - stored
    after = {number for number in lost if t0_s is not None and acknowledged[number] > t0_s}
    unrecorded = stored - offered
    oldest_s = min((acknowledged[number] for number in lost - after), default=None)
    return SetFindings(
        lost=frozenset(lost),
        lost_after_fault=frozenset(after),
        duplicated=frozenset(number for number, copies in present.items() if copies > 1),
        phantom=frozenset(() if cut_off else unrecorded),
        recovered_unknown=frozenset(((stored & offered) - acknowledged.keys()) | (unrecorded if cut_off else set())),
        rpo_time_s=0.0 if oldest_s is None or t0_s is None else t0_s - oldest_s,
    )
