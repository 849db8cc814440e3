"""A disk that only says that it fails, or fails and does not count, is not taken for one that fails."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from msgspec import structs

from bascule.chaos.disk import DiskCounts, DiskTrouble, DiskTry, LostWrites
from bascule.chaos.fake_platform import FakePlatform
from bascule.chaos.faults import DiskFull, DiskLostWrites, DiskReadOnly, DiskSlow, SyncFailure
from bascule.chaos.faults.disk import DiskFault

FAULTS: tuple[DiskFault, ...] = (
    DiskFull(hosts=("db-1",)),
    DiskSlow(hosts=("db-1",), delay_s=0.1),
    DiskReadOnly(hosts=("db-1",)),
    SyncFailure(hosts=("db-1",)),
)
Spoil = Callable[[pytest.MonkeyPatch, FakePlatform], object]


def healthy(monkeypatch: pytest.MonkeyPatch, platform: FakePlatform) -> None:
    """Counts, and lets everything pass."""
    monkeypatch.setattr(platform, "try_disk", lambda _: DiskTry(took_s=0.001))
    monkeypatch.setattr(platform, "disk_counts", lambda *_: DiskCounts(met=5, hit=5))


def silent(monkeypatch: pytest.MonkeyPatch, platform: FakePlatform) -> None:
    """Fails, and counts nothing: perhaps it is the real disk beneath that fails."""
    monkeypatch.setattr(platform, "disk_counts", lambda *_: DiskCounts())


def another(monkeypatch: pytest.MonkeyPatch, platform: FakePlatform) -> None:
    """Fails in another way than it was told to."""
    monkeypatch.setattr(platform, "try_disk", lambda _: DiskTry(error="ENXIO", step="create"))


@pytest.mark.parametrize("fault", FAULTS, ids=str)
@pytest.mark.parametrize("spoil", [healthy, silent, another])
def test_mutant_a_disk_that_does_not_fail_as_it_should_is_caught(
    fault: DiskFault, spoil: Spoil, platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault.inject(platform)
    assert fault.witness(platform, ()).seen
    spoil(monkeypatch, platform)
    assert not fault.witness(platform, ()).seen


def test_a_sync_that_fails_is_not_a_write_that_fails(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = SyncFailure(hosts=("db-1",))
    fault.inject(platform)
    monkeypatch.setattr(platform, "try_disk", lambda _: DiskTry(error="EIO", step="write"))
    assert not fault.witness(platform, ()).seen


def test_two_troubles_of_one_disk_are_undone_one_by_one(platform: FakePlatform) -> None:
    full, slow = DiskFull(hosts=("db-1",)), DiskSlow(hosts=("db-1",), delay_s=0.1)
    slow.inject(platform)
    full.inject(platform)
    slow.undo(platform)
    assert slow.undone(platform).seen
    assert not full.undone(platform).seen
    assert full.witness(platform, ()).seen


def test_a_loss_of_power_alone_is_not_a_loss_of_writes(platform: FakePlatform) -> None:
    fault = DiskLostWrites(hosts=("db-1",))
    platform.power_off(("db-1",))
    assert not fault.witness(platform, (1,)).seen


def test_it_says_what_was_lost_and_a_host_without_a_disk_only_loses_its_power(platform: FakePlatform) -> None:
    fault = DiskLostWrites(hosts=("db-1", "probe-a"))
    witness = fault.witness(platform, fault.inject(platform))
    assert witness.seen
    assert "the disk of db-1 lost 4096 bytes in 1 files" in witness.evidence
    assert not any("probe-a" in line for line in witness.evidence)


def test_nothing_lost_is_a_loss_too_when_all_was_synced(
    platform: FakePlatform, monkeypatch: pytest.MonkeyPatch
) -> None:
    fault = DiskLostWrites(hosts=("db-1",))
    hit = fault.inject(platform)
    monkeypatch.setattr(platform, "writes_lost", lambda _: LostWrites())
    assert fault.witness(platform, hit).seen
    monkeypatch.setattr(platform, "writes_lost", lambda _: None)
    assert not fault.witness(platform, hit).seen


def test_a_slow_file_took_both_delays(platform: FakePlatform, monkeypatch: pytest.MonkeyPatch) -> None:
    fault = DiskSlow(hosts=("db-1",), delay_s=0.1)
    fault.inject(platform)
    monkeypatch.setattr(platform, "try_disk", lambda _: DiskTry(took_s=0.15))
    assert not fault.witness(platform, ()).seen
    assert fault.trouble() == DiskTrouble(kind="slow", delay_s=0.1, rate_bytes_per_s=1e9)
    assert structs.replace(fault, rate_bytes_per_s=5e5).steps() == (
        "100 ms more for each operation, at most 0.5 MB/s: the disk of db-1",
    )
