"""The records that a drill left, judged again."""

from pathlib import Path

import msgspec
import pytest

from bascule.kernel.errors import InputError
from bascule.measure import records
from bascule.measure.final_audit import Audit, write_audit
from bascule.measure.plan import Status
from bascule.measure.records import Record
from bascule.measure.saved_trial import check_saved_trial, is_saved_trial


def saved(place: Path, client: str, *, stored: dict[int, int] | None, done: bool = True, epoch: int = 1) -> None:
    """What a client of that name leaves behind that wrote 1 and 2 and was told that both are stored."""
    (place / f"{client}.plan.json").write_bytes(b"{}")
    its = [
        Record(number, "put", at_s, at_s, at_s + 0.1, "good", writes=True, epoch=epoch, server=client)
        for number, at_s in ((1, 1.0), (2, 2.0))
    ]
    (place / f"{client}.jsonl").write_bytes(b"".join(map(records.encode, its)))
    status = Status(client=client, phase="done" if done else "running")
    (place / f"{client}.status.json").write_bytes(msgspec.json.encode(status))
    if stored is not None:
        write_audit(Audit(client=client, copies=stored), place / f"{client}.present.json")


def test_a_sound_trial_has_no_violations(tmp_path: Path) -> None:
    assert not is_saved_trial(tmp_path)
    saved(tmp_path, "outside", stored={1: 1, 2: 1})
    assert is_saved_trial(tmp_path)
    found = check_saved_trial(tmp_path)
    assert (found.violations, found.records, found.unread) == (0, 2, ())


def test_lost_doubled_and_invented_writes_are_found(tmp_path: Path) -> None:
    saved(tmp_path, "outside", stored={1: 2, 7: 1})
    found = check_saved_trial(tmp_path)
    sets = found.sets["outside"]
    assert [sorted(each) for each in (sets.lost, sets.duplicated, sets.phantom)] == [[2], [1], [7]]
    assert found.violations == 3


def test_a_client_that_was_killed_invents_nothing(tmp_path: Path) -> None:
    saved(tmp_path, "pinned", stored={1: 1, 2: 1, 7: 1}, done=False)
    assert check_saved_trial(tmp_path).violations == 0


def test_two_clients_that_were_served_by_two_in_one_epoch_are_split_brain(tmp_path: Path) -> None:
    for client in ("outside", "pinned"):
        saved(tmp_path, client, stored={1: 1, 2: 1})
    found = check_saved_trial(tmp_path)
    assert found.epochs.contested == found.violations == 2


def test_a_client_whose_numbers_were_not_read_is_told(tmp_path: Path) -> None:
    saved(tmp_path, "outside", stored=None)
    assert check_saved_trial(tmp_path).unread == ("outside",)


def test_missing_records_are_refused(tmp_path: Path) -> None:
    saved(tmp_path, "outside", stored={})
    (tmp_path / "outside.jsonl").unlink()
    with pytest.raises(InputError, match="the records of outside are missing"):
        check_saved_trial(tmp_path)
