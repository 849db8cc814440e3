"""The journal: durable before `write` returns, readable whatever happened to its last line."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bascule.chaos import journal as module
from bascule.chaos.faults import AnyFault, ProcessKill
from bascule.chaos.journal import Entry, Journal, PlatformRef, State, pending
from bascule.kernel.errors import InputError


def entry(number: int, state: State, reference: PlatformRef) -> Entry:
    return Entry(id=number, state=state, fault=ProcessKill(member=f"db-{number}"), platform=reference, at_s=1.5)


def test_what_is_written_is_read_in_order(journal: Journal, reference: PlatformRef, fault: AnyFault) -> None:
    wanted = (
        Entry(id=1, state="planned", fault=fault, platform=reference, at_s=1.0),
        Entry(id=1, state="active", fault=fault, platform=reference, at_s=2.0),
    )
    for one in wanted:
        journal.write(one)
    assert Journal(journal.path).entries() == wanted
    assert journal.path.stat().st_mode & 0o777 == 0o600


def test_a_journal_that_was_never_written_is_empty(journal: Journal) -> None:
    assert journal.entries() == ()
    assert journal.pending() == ()
    assert not journal.path.exists()


def test_an_entry_is_on_the_disk_when_write_returns(
    journal: Journal, reference: PlatformRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    write, sync = os.write, os.fsync

    def watched_write(descriptor: int, data: bytes) -> int:
        done.append("write")
        return write(descriptor, data)

    def watched_sync(descriptor: int) -> None:
        done.append("fsync")
        sync(descriptor)

    monkeypatch.setattr(os, "write", watched_write)
    monkeypatch.setattr(os, "fsync", watched_sync)
    journal.write(entry(1, "planned", reference))
    assert done == ["write", "fsync", "fsync"], "the entry, and once the directory that names the file"
    journal.write(entry(1, "active", reference))
    assert done[3:] == ["write", "fsync"]


def test_pending_is_what_is_not_undone_the_latest_first(reference: PlatformRef) -> None:
    entries = [
        entry(1, "planned", reference),
        entry(1, "active", reference),
        entry(2, "planned", reference),
        entry(3, "planned", reference),
        entry(3, "active", reference),
        entry(3, "undone", reference),
        entry(4, "planned", reference),
    ]
    assert [(one.id, one.state) for one in pending(entries)] == [(4, "planned"), (2, "planned"), (1, "active")]
    assert pending([]) == ()


@pytest.mark.parametrize("kept", [1, 20, -1])
def test_a_torn_last_line_is_left_out_and_spoils_nothing_after_it(
    journal: Journal, reference: PlatformRef, kept: int
) -> None:
    journal.write(entry(1, "active", reference))
    whole = journal.path.read_bytes()
    journal.path.write_bytes(whole + whole[:kept])
    assert journal.entries() == (entry(1, "active", reference),)
    journal.write(entry(2, "planned", reference))
    assert journal.entries() == (entry(1, "active", reference), entry(2, "planned", reference))


def test_a_torn_first_line_leaves_an_empty_journal(journal: Journal, reference: PlatformRef) -> None:
    journal.path.write_bytes(b'{"id":1,"sta')
    assert journal.entries() == ()
    journal.write(entry(1, "planned", reference))
    assert journal.entries() == (entry(1, "planned", reference),)


def test_a_full_disk_is_an_error_and_leaves_no_half_line(
    journal: Journal, reference: PlatformRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.write(entry(1, "planned", reference))
    before = journal.path.read_bytes()
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda to, data: write(to, data[:10]))
        with pytest.raises(OSError, match="could not be written whole"):
            journal.write(entry(1, "active", reference))
    assert journal.path.read_bytes() == before


LINE = (
    b'{"id":1,"state":"active","fault":{"fault":"process-kill","member":"x"},'
    b'"platform":{"kind":"lab","directory":"/"},"at_s":1}'
)
GARBAGE = {
    "no JSON": b"hello",
    "no text": b"\xff\xfe\x00",
    "another shape": b"[1, 2, 3]",
    "an unknown fault": LINE.replace(b"process-kill", b"flood"),
    "an unknown state": LINE.replace(b"active", b"gone"),
    "a field too many": LINE.replace(b'"x"', b'"x","y":1'),
    "too deep": b"[" * 60_000,
    "too long": b'"' + b"x" * module.MAX_LINE_BYTES + b'"',
}


@pytest.mark.parametrize("name", GARBAGE)
def test_a_line_that_is_no_entry_is_named_and_hides_no_other(
    journal: Journal, reference: PlatformRef, name: str
) -> None:
    journal.write(entry(1, "active", reference))
    with journal.path.open("ab") as stream:
        stream.write(GARBAGE[name] + b"\n")
    journal.write(entry(2, "planned", reference))
    contents = journal.read()
    assert [one.id for one in contents.entries] == [1, 2]
    (problem,) = contents.problems
    assert problem.where == f"{journal.path}:2"
    with pytest.raises(InputError):
        journal.entries()


def test_an_entry_of_an_older_journal_is_still_read(journal: Journal) -> None:
    journal.path.write_bytes(LINE + b"\n")
    (one,) = journal.entries()
    assert one.fault == ProcessKill(member="x")
    assert one.platform.identity == ""


def test_a_file_that_is_too_large_is_no_journal(
    journal: Journal, reference: PlatformRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    while not journal.path.exists() or journal.path.stat().st_size <= 1000:
        journal.write(entry(1, "active", reference))
    with pytest.raises(InputError, match="larger than"):
        journal.read()


def test_a_full_journal_takes_no_new_fault_but_every_undoing(
    journal: Journal, reference: PlatformRef, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 1000)
    while not journal.path.exists() or journal.path.stat().st_size <= 500:
        journal.write(entry(1, "planned", reference))
    with pytest.raises(OSError, match="the journal is full"):
        journal.write(entry(2, "planned", reference))
    journal.write(entry(1, "undone", reference))
    assert journal.pending() == ()


def test_a_fault_that_could_not_be_read_back_is_refused(journal: Journal, reference: PlatformRef) -> None:
    huge = Entry(id=1, state="planned", fault=ProcessKill(member="x" * 70_000), platform=reference, at_s=0.0)
    with pytest.raises(OSError, match="too large"):
        journal.write(huge)
    assert journal.entries() == ()


@pytest.mark.parametrize("before", [b"", b"whole\n"])
def test_a_torn_line_is_cut_off_however_long_it_is(journal: Journal, reference: PlatformRef, before: bytes) -> None:
    journal.path.write_bytes(before + b"x" * 300_000)
    journal.write(entry(2, "planned", reference))
    assert [one.id for one in journal.read().entries] == [2]
    assert journal.path.read_bytes().startswith(before + b"{")


def test_a_journal_that_cannot_be_made_is_an_error(tmp_path: Path, reference: PlatformRef) -> None:
    with pytest.raises(OSError, match="missing"):
        Journal(tmp_path / "missing" / "journal.jsonl").write(entry(1, "planned", reference))
