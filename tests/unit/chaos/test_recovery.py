"""Undoing what a journal says is not undone: all of it, in any order of death, and once more without harm."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bascule.chaos.fake_platform import FakePlatform
from bascule.chaos.faults import AnyFault, Partition, PowerLoss, ProcessFreeze, ProcessKill
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.recovery import Recovered, recover
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import LabError

Inject = Callable[..., Injection]
Recover = Callable[[], tuple[Recovered, ...]]


@pytest.fixture
def run(journal: Journal, platform: FakePlatform, clock: FakeClock) -> Recover:
    return lambda: recover(journal, lambda _: platform, clock=clock, sleep=clock.advance)


def test_what_is_pending_is_undone_and_a_second_time_there_is_nothing(
    fault: AnyFault, inject: Inject, run: Recover, platform: FakePlatform, journal: Journal
) -> None:
    inject(fault).strike()
    (one,) = run()
    assert (one.fault, one.how, one.error) == (fault, "undone", "")
    assert platform.whole()
    assert journal.pending() == ()
    assert run() == ()
    assert platform.whole()


def test_what_was_planned_and_never_acted_is_undone_without_harm(
    fault: AnyFault, inject: Inject, run: Recover, platform: FakePlatform, journal: Journal
) -> None:
    inject(fault)._write("planned")
    (one,) = run()
    assert one.error == ""
    assert platform.whole()
    assert journal.pending() == ()


def test_a_platform_that_is_gone_took_its_faults_with_it(
    inject: Inject, journal: Journal, reference: PlatformRef
) -> None:
    asked: list[PlatformRef] = []

    def gone(wanted: PlatformRef) -> None:
        asked.append(wanted)

    inject(ProcessKill(member="db-1")).strike()
    (one,) = recover(journal, gone)
    assert "gone" in one.how
    assert asked == [reference]
    assert journal.pending() == ()


def test_the_latest_is_undone_first_and_what_one_hinders_is_tried_again(
    inject: Inject, run: Recover, platform: FakePlatform, journal: Journal
) -> None:
    inject(ProcessKill(member="db-1"), 1).strike()
    inject(PowerLoss(hosts=("probe-a", "db-1")), 2)._write("planned")
    platform.power_off(("db-1", "probe-a"))
    inject(ProcessKill(member="db-1"), 3)._write("planned")
    inject(Partition(hosts=("db-2",)), 4)._write("planned")
    platform.partition(("db-2",))
    results = run()
    assert not any(one.error for one in results)
    hindered = ["Partition", "ProcessKill"]
    assert [type(one.fault).__name__ for one in results] == ["PowerLoss", "ProcessKill", *hindered]
    assert platform.whole()
    assert journal.pending() == ()


def test_what_fails_is_said_stays_pending_and_keeps_nothing_else_from_being_undone(
    inject: Inject, run: Recover, platform: FakePlatform, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    inject(ProcessFreeze(member="db-1"), 1).strike()
    inject(ProcessFreeze(member="db-2"), 2).strike()
    thaw = platform.thaw

    def half(member: str) -> None:
        if member == "db-2":
            raise LabError("db-2 cannot be thawed")
        thaw(member)

    with monkeypatch.context() as patched:
        patched.setattr(platform, "thaw", half)
        results = {one.fault: one.error for one in run()}
    assert results[ProcessFreeze(member="db-1")] == ""
    assert "cannot be thawed" in results[ProcessFreeze(member="db-2")]
    assert [one.id for one in journal.pending()] == [2]
    run()
    assert platform.whole()


def test_a_platform_that_cannot_be_joined_is_not_taken_for_gone(inject: Inject, journal: Journal) -> None:
    def closed(_: PlatformRef) -> FakePlatform:
        raise LabError("this lab belongs to another user")

    inject(ProcessKill(member="db-1")).strike()
    (one,) = recover(journal, closed)
    assert "another user" in one.error
    assert len(journal.pending()) == 1


def test_a_line_that_cannot_be_read_is_told_after_everything_else_was_undone(
    inject: Inject, run: Recover, journal: Journal, platform: FakePlatform
) -> None:
    inject(ProcessKill(member="db-1")).strike()
    with journal.path.open("ab") as stream:
        stream.write(b"garbage\n")
    undone, lost = run()
    assert undone.error == ""
    assert lost.fault is None
    assert "not an entry" in lost.error
    assert platform.whole()


def test_a_fault_whose_undo_fails_in_a_way_nobody_thought_of_does_not_keep_the_others(
    inject: Inject, journal: Journal, platform: FakePlatform, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    def odd(_member: str) -> None:
        raise ValueError("an answer of another version")

    inject(ProcessFreeze(member="db-1"), 1).strike()
    inject(Partition(hosts=("db-2",)), 2).strike()
    monkeypatch.setattr(platform, "thaw", odd)
    results = recover(journal, lambda _: platform, clock=clock, sleep=clock.advance)
    assert {type(one.fault).__name__: one.error for one in results} == {
        "Partition": "",
        "ProcessFreeze": "an answer of another version",
    }
    assert [type(entry.fault).__name__ for entry in journal.pending()] == ["ProcessFreeze"]
