"""Split brain: whether two sides at once acknowledged writes. Pure. It sorts: O(n log n)."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.records import Record

EXAMPLES = 3


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
