"""The records that a drill's clients left in a trial's directory, judged again: lost, doubled, invented, split."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.measure import records
from bascule.measure.checkers import EpochFindings, SetFindings, check_epochs, check_set
from bascule.measure.final_audit import read_audit
from bascule.measure.ledger import read_status
from bascule.measure.records import Record

PLAN = ".plan.json"


class SavedTrial(Struct, frozen=True, kw_only=True):
    """What the records of one trial show about correctness.

    Attributes:
        sets: What became of each client's writes.
        unread: Clients whose numbers were not read at the end: nothing is known of theirs.
        epochs: Split brain among all clients.
        records: How many records there are.
    """

    sets: Mapping[str, SetFindings]
    unread: tuple[str, ...]
    epochs: EpochFindings
    records: int

    @property
    def violations(self) -> int:
        """Writes that were lost, doubled or invented, and acknowledgements of two sides."""
        each = self.sets.values()
        return self.epochs.violations + sum(len(one.lost) + len(one.duplicated) + len(one.phantom) for one in each)


def is_saved_trial(directory: Path) -> bool:
    """Whether clients of a drill left their records there."""
    return any(directory.glob(f"*{PLAN}"))


def check_saved_trial(directory: Path) -> SavedTrial:
    """Judge the records that are in a trial's directory, without any lab.

    A client that was killed before it could say that it was done is given the benefit of the doubt for what it had in
    flight, as in the drill.

    Raises:
        InputError: A file holds something else than a drill writes.
        OSError: A file cannot be read.
    """
    everybody: list[Record] = []
    sets: dict[str, SetFindings] = {}
    unread: list[str] = []
    for plan in sorted(directory.glob(f"*{PLAN}")):
        client = plan.name.removesuffix(PLAN)
        path = directory / f"{client}.jsonl"
        if not path.exists():
            raise InputError(f"the records of {client} are missing", where=str(path))
        its = list(records.read(path))
        everybody += its
        audit = directory / f"{client}.present.json"
        if not audit.exists():
            unread.append(client)
            continue
        status = read_status(directory / f"{client}.status.json")
        cut_off = status is None or status.phase != "done"
        sets[client] = check_set(its, read_audit(audit), None, cut_off=cut_off)
    return SavedTrial(sets=sets, unread=tuple(unread), epochs=check_epochs(everybody), records=len(everybody))
