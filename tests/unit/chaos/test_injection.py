"""One fault on its way: journalled before it acts, witnessed, undone and seen to be undone."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest

from bascule.chaos.fake_platform import FakePlatform
from bascule.chaos.faults import AnyFault, Partition, PowerLoss, ProcessFreeze, ProcessKill
from bascule.chaos.injection import UNDO_LIMIT_S, WITNESS_LIMIT_S, Injection, missing
from bascule.chaos.journal import Entry, Journal, PlatformRef
from bascule.kernel.clock import FakeClock
from bascule.kernel.errors import FaultError, LabError

Inject = Callable[..., Injection]


def states(journal: Journal) -> list[str]:
    return [one.state for one in journal.entries()]


def test_it_is_journalled_witnessed_and_undone(
    fault: AnyFault, inject: Inject, journal: Journal, platform: FakePlatform, clock: FakeClock
) -> None:
    injection = inject(fault)
    struck = injection.strike()
    assert struck.witness.seen
    assert struck.at_s == clock.monotonic_s()
    assert states(journal) == ["planned", "active"]
    injection.undo()
    assert states(journal) == ["planned", "active", "undone"]
    assert platform.whole()
    assert journal.pending() == ()


def order_of(injection: Injection, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What an injection's strike does to the disk and to the platform, in order."""
    done: list[str] = []
    write, kill = Journal.write, FakePlatform.kill

    def watched_write(self: Journal, entry: Entry) -> None:
        done.append(entry.state)
        write(self, entry)

    def watched_kill(self: FakePlatform, member: str, *, command: str = "") -> tuple[int, ...]:
        done.append("acts")
        return kill(self, member, command=command)

    monkeypatch.setattr(Journal, "write", watched_write)
    monkeypatch.setattr(FakePlatform, "kill", watched_kill)
    injection.strike()
    assert journal.path.exists()
    return done


def test_it_is_on_the_disk_before_it_acts(inject: Inject, journal: Journal, monkeypatch: pytest.MonkeyPatch) -> None:
    assert order_of(inject(ProcessKill(member="db-1")), journal, monkeypatch) == ["planned", "acts", "active"]


def test_what_cannot_be_journalled_is_not_injected(
    inject: Inject, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Journal, "write", full)
    injection = inject(ProcessKill(member="db-1"))
    with pytest.raises(OSError, match="No space"):
        injection.strike()
    assert platform.whole()
    injection.undo()


def test_a_second_strike_does_nothing_and_says_what_the_first_did(
    fault: AnyFault, inject: Inject, journal: Journal, clock: FakeClock
) -> None:
    injection = inject(fault)
    first = injection.strike()
    clock.advance(1)
    assert injection.strike() == first
    assert states(journal) == ["planned", "active"]


def test_undoing_before_striking_or_twice_does_nothing(
    fault: AnyFault, inject: Inject, journal: Journal, platform: FakePlatform
) -> None:
    injection = inject(fault)
    injection.undo()
    assert not journal.path.exists()
    injection.strike()
    injection.undo()
    injection.undo()
    assert states(journal) == ["planned", "active", "undone"]
    assert platform.whole()


def test_what_would_change_nothing_is_not_injected(inject: Inject, journal: Journal, platform: FakePlatform) -> None:
    platform.kill("db-1")
    struck = inject(ProcessKill(member="db-1")).strike()
    assert not struck.witness.seen
    assert "not injected" in struck.witness.evidence[0]
    assert not journal.path.exists()


def test_a_platform_that_cannot_do_it_is_refused_before_anything_happens(
    make_platform: Callable[[frozenset[str]], FakePlatform],
    journal: Journal,
    reference: PlatformRef,
    clock: FakeClock,
) -> None:
    poor = make_platform(frozenset({"process", "restart"}))
    lost, cut = PowerLoss(hosts=("db-1",)), Partition(hosts=("db-1",))
    assert "host" in missing(lost, poor)
    assert "network" in missing(cut, poor)
    assert missing(ProcessKill(member="db-1"), poor) == ""
    injection = Injection(cut, poor, journal, reference=reference, number=1, clock=clock, sleep=clock.advance)
    with pytest.raises(FaultError, match="no control of network"):
        injection.strike()
    injection.undo()
    assert not journal.path.exists()
    assert poor.whole()


def test_it_looks_again_until_the_effect_is_seen_and_t0_is_when_the_platform_had_done_it(
    inject: Inject, platform: FakePlatform, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = platform.freeze

    def slow(member: str) -> tuple[int, ...]:
        hit = freeze(member)
        clock.advance(0.5)
        return hit

    monkeypatch.setattr(platform, "freeze", slow)
    processes, looks = platform.processes, iter(range(10))

    def late(member: str) -> object:
        number = next(looks)
        return () if 0 < number < 5 else processes(member)

    monkeypatch.setattr(platform, "processes", late)
    struck = inject(ProcessFreeze(member="db-1")).strike()
    assert struck.witness.seen
    assert struck.at_s == 100.5
    assert clock.monotonic_s() > struck.at_s


def test_what_is_never_seen_to_act_is_not_witnessed_after_the_limit(
    inject: Inject, platform: FakePlatform, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(platform, "kill", lambda *_, **__: ())
    struck = inject(ProcessKill(member="db-1")).strike()
    assert not struck.witness.seen
    assert WITNESS_LIMIT_S <= clock.monotonic_s() - struck.at_s < WITNESS_LIMIT_S + 1


def test_what_cannot_be_undone_is_said_and_stays_pending(
    inject: Inject, platform: FakePlatform, journal: Journal, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    injection = inject(ProcessFreeze(member="db-1"))
    injection.strike()
    with monkeypatch.context() as patched:
        patched.setattr(platform, "thaw", lambda _: None)
        with pytest.raises(FaultError, match="3 processes of db-1 are frozen") as told:
            injection.undo()
    assert "bascule chaos recover" in told.value.hint
    assert clock.monotonic_s() >= 100 + UNDO_LIMIT_S
    assert [one.id for one in journal.pending()] == [1]
    injection.undo()
    assert journal.pending() == ()
    assert platform.whole()


def test_a_platform_that_fails_in_the_middle_leaves_it_pending_and_it_is_undone(
    inject: Inject, platform: FakePlatform, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    freeze = platform.freeze

    def half(member: str) -> tuple[int, ...]:
        freeze(member)
        raise LabError("processes could not be frozen")

    monkeypatch.setattr(platform, "freeze", half)
    injection = inject(ProcessFreeze(member="db-1"))
    with pytest.raises(LabError):
        injection.strike()
    assert states(journal) == ["planned"]
    injection.undo()
    assert platform.whole()
    assert all(earlier.at_s <= later.at_s for earlier, later in pairwise(journal.entries()))
