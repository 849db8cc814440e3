"""Which operations a disk refuses, holds up and lets through."""

from __future__ import annotations

import errno

from bascule.chaos.disk import DiskCounts, DiskTrouble
from bascule.lab.disk_trouble import CHANGES, NAME_BYTES, DiskTroubles
from bascule.lab.fuse_wire import Op

FULL, READ_ONLY, DEAF = (DiskTrouble(kind=kind) for kind in ("full", "read-only", "sync-error"))


def having(*troubles: DiskTrouble) -> DiskTroubles:
    found = DiskTroubles()
    found.set(troubles)
    return found


def test_a_full_disk_refuses_growth_and_new_names_and_nothing_else() -> None:
    disk = having(FULL)
    assert disk.refusal(Op.WRITE, 1) == disk.refusal(Op.FALLOCATE, 1) == disk.refusal(Op.CREATE, 0) == errno.ENOSPC
    assert disk.refusal(Op.WRITE, 0) == disk.refusal(Op.UNLINK, 0) == disk.refusal(Op.READ, 0) == 0
    assert disk.counts() == (DiskCounts(met=4, hit=3),)


def test_what_is_removed_makes_room_and_what_is_written_takes_it() -> None:
    disk = having(DiskTrouble(kind="full", spare_bytes=100))
    assert disk.refusal(Op.WRITE, 101) == errno.ENOSPC
    assert disk.refusal(Op.WRITE, 60) == 0
    assert disk.available_bytes == 40
    assert disk.refusal(Op.WRITE, 60) == errno.ENOSPC
    disk.freed(NAME_BYTES)
    assert disk.refusal(Op.MKDIR, 0) == 0
    assert disk.available_bytes == 40


def test_a_read_only_disk_refuses_every_change_and_opening_for_it() -> None:
    disk = having(READ_ONLY)
    assert {disk.refusal(operation, 0) for operation in CHANGES} == {errno.EROFS}
    assert disk.refusal(Op.OPEN, 0, to_write=True) == errno.EROFS
    assert disk.refusal(Op.OPEN, 0) == disk.refusal(Op.READ, 0) == disk.refusal(Op.FSYNC, 0) == 0


def test_failing_syncs_let_writes_through() -> None:
    disk = having(DEAF)
    assert disk.refusal(Op.FSYNC, 0) == disk.refusal(Op.FSYNCDIR, 0) == errno.EIO
    assert disk.refusal(Op.WRITE, 4096) == 0
    assert disk.counts() == (DiskCounts(met=2, hit=2),)


def test_a_delay_is_for_each_beside_others_and_a_bound_is_for_all_together() -> None:
    late = having(DiskTrouble(kind="slow", delay_s=0.5))
    assert late.held_until_s(Op.WRITE, 10**6, 100.0) == late.held_until_s(Op.READ, 1, 100.0) == 100.5
    assert late.held_until_s(Op.LOOKUP, 0, 100.0) == 100.0
    narrow = having(DiskTrouble(kind="slow", delay_s=0.1, rate_bytes_per_s=1000.0))
    assert [narrow.held_until_s(Op.WRITE, 1000, 100.0) for _ in range(3)] == [101.0, 102.0, 103.0]
    assert narrow.held_until_s(Op.FSYNC, 0, 200.0) == 200.1


def test_troubles_that_stay_keep_their_counts() -> None:
    disk = having(DEAF)
    disk.refusal(Op.FSYNC, 0)
    disk.set((FULL, DEAF))
    disk.refusal(Op.FSYNC, 0)
    assert disk.counts() == (DiskCounts(), DiskCounts(met=2, hit=2))
    disk.set(())
    assert disk.is_calm
    assert disk.available_bytes is None
