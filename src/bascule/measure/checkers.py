"""What must never happen to acknowledged writes: being lost, doubled, invented, or taken on two sides. Pure.

Set differences take linear time; the epoch checker sorts. Each has mutants in the tests: broken variants that it must
catch.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec import Struct

from bascule.measure.records import Record

EXAMPLES = 3


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


class EpochFindings(Struct, frozen=True, kw_only=True):
    """Acknowledgements that two primaries at once would give; both counts are 0 in a sound history.

    Attributes:
        stale: Acknowledged in an epoch although a higher one had acknowledged before they were invoked.
        contested: Acknowledged by another server than the first that acknowledged in the same epoch.
        examples: The first few, in words.
    """

    stale: int = 0
    contested: int = 0
    examples: tuple[str, ...] = ()

    @property
    def violations(self) -> int:
        """All of them."""
        return self.stale + self.contested


def check_epochs(records: Iterable[Record]) -> EpochFindings:
    """Find split brain among the acknowledged writes of all clients together, which share one clock.

    Only writes that were told their epoch count. An operation counts as invoked when it was first sent, which can only
    excuse, never accuse.
    """
    told = [record for record in records if record.writes and record.acknowledged and record.epoch > 0]
    stale = _stale(told)
    contested = _contested(told)
    return EpochFindings(stale=len(stale), contested=len(contested), examples=tuple((stale + contested)[:EXAMPLES]))


def _stale(told: list[Record]) -> list[str]:
    returned = sorted(told, key=lambda record: record.done_s)
    found: list[str] = []
    place = highest = 0
    for record in sorted(told, key=lambda record: record.sent_s):
        while place < len(returned) and returned[place].done_s < record.sent_s:
            highest = max(highest, returned[place].epoch)
            place += 1
        if record.epoch < highest:
            found.append(
                f"write {record.number}, sent at {record.sent_s:.3f} s, was acknowledged by "
                f"{record.server or 'a server'} in epoch {record.epoch} after epoch {highest} had acknowledged"
            )
    return found


def _contested(told: list[Record]) -> list[str]:
    holder: dict[int, str] = {}
    found: list[str] = []
    for record in sorted(told, key=lambda record: record.done_s):
        if not record.server:
            continue
        first = holder.setdefault(record.epoch, record.server)
        if record.server != first:
            found.append(f"epoch {record.epoch} acknowledged by {first} and by {record.server} (write {record.number})")
    return found


class Holding(Struct, frozen=True, kw_only=True):
    """Which hosts had the entry's address when they were looked at; several only if all of them had it at once."""

    at_s: float
    hosts: tuple[str, ...]


class HolderFindings(Struct, frozen=True, kw_only=True):
    """Whether the entry's address ever stood on two hosts at once.

    Attributes:
        together_s: For how long, from each look that saw several to the next look; the last one counts for itself.
        looks: How many saw several.
        first_s: When the first one did; None when none did.
        hosts: All that were seen together with another one.
    """

    together_s: float = 0.0
    looks: int = 0
    first_s: float | None = None
    hosts: tuple[str, ...] = ()


def check_holders(holdings: Iterable[Holding]) -> HolderFindings:
    """Find the times in which the address had several holders, from looks in any order."""
    ordered = sorted(holdings, key=lambda one: one.at_s)
    together = [place for place, one in enumerate(ordered) if len(one.hosts) > 1]
    return HolderFindings(
        together_s=sum(ordered[min(place + 1, len(ordered) - 1)].at_s - ordered[place].at_s for place in together),
        looks=len(together),
        first_s=ordered[together[0]].at_s if together else None,
        hosts=tuple(sorted({host for place in together for host in ordered[place].hosts})),
    )
