"""Which operation meets which trouble of a disk: refused, delayed, or let through; each is counted. Pure."""

from __future__ import annotations

import errno

from bascule.chaos.disk import DiskCounts, DiskTrouble
from bascule.lab.fuse_wire import Op

MAKES = frozenset({Op.CREATE, Op.MKNOD, Op.MKDIR, Op.SYMLINK, Op.LINK})
CHANGES = MAKES | {Op.WRITE, Op.FALLOCATE, Op.SETATTR, Op.UNLINK, Op.RMDIR, Op.RENAME}
GROWS = MAKES | {Op.WRITE, Op.FALLOCATE}
SYNCS = frozenset({Op.FSYNC, Op.FSYNCDIR})
MOVES = SYNCS | {Op.READ, Op.WRITE, Op.FALLOCATE}
NAME_BYTES = 4096
"""What a new name takes of a disk that is nearly full."""


class _Case:
    def __init__(self, trouble: DiskTrouble) -> None:
        self.trouble = trouble
        self.left_bytes = trouble.spare_bytes
        self.free_at_s = 0.0
        self.met = 0
        self.hit = 0


class DiskTroubles:
    """The troubles of one disk."""

    def __init__(self) -> None:
        self._cases: list[_Case] = []
        self._full: list[_Case] = []
        self._slow: list[_Case] = []

    @property
    def is_calm(self) -> bool:
        """Whether there is none."""
        return not self._cases

    @property
    def available_bytes(self) -> int | None:
        """What fits on a disk that is told to be full; None when none is."""
        return min((case.left_bytes for case in self._full), default=None)

    def set(self, troubles: tuple[DiskTrouble, ...]) -> None:
        """Have these and no others; those that were there before keep their counts."""
        known = {case.trouble: case for case in self._cases}
        self._cases = [known.get(trouble) or _Case(trouble) for trouble in troubles]
        self._full = [case for case in self._cases if case.trouble.kind == "full"]
        self._slow = [case for case in self._cases if case.trouble.kind == "slow"]

    def counts(self) -> tuple[DiskCounts, ...]:
        """What each did so far, in the order in which they were set."""
        return tuple(DiskCounts(met=case.met, hit=case.hit) for case in self._cases)

    def held_until_s(self, operation: int, size_bytes: int, now_s: float) -> float:
        """When the operation may begin; not later than now when no trouble holds it up."""
        until_s = now_s
        for case in self._slow:
            if operation not in MOVES:
                continue
            case.met += 1
            case.hit += 1
            at_s = now_s + case.trouble.delay_s
            if case.trouble.rate_bytes_per_s:
                case.free_at_s = max(case.free_at_s, now_s) + size_bytes / case.trouble.rate_bytes_per_s
                at_s = max(at_s, case.free_at_s)
            until_s = max(until_s, at_s)
        return until_s

    def refusal(self, operation: int, growth_bytes: int, *, to_write: bool = False) -> int:
        """The error number with which the operation fails; 0 when it may go on.

        Args:
            operation: Which.
            growth_bytes: By how much a `WRITE` or `FALLOCATE` would make its file grow.
            to_write: An `OPEN` that wants to write.
        """
        for case in self._cases:
            number = _refusal(case, operation, growth_bytes, to_write)
            if number:
                case.hit += 1
                return number
        self._take(operation, growth_bytes)
        return 0

    def _take(self, operation: int, growth_bytes: int) -> None:
        if self._full and operation in GROWS:
            for case in self._full:
                case.left_bytes -= NAME_BYTES if operation in MAKES else growth_bytes

    def freed(self, size_bytes: int) -> None:
        """So much was removed: as much fits again."""
        for case in self._full:
            case.left_bytes += size_bytes


def _refusal(case: _Case, operation: int, growth_bytes: int, to_write: bool) -> int:
    kind = case.trouble.kind
    if kind == "full" and operation in GROWS:
        case.met += 1
        needed = NAME_BYTES if operation in MAKES else growth_bytes
        return errno.ENOSPC if needed and needed > case.left_bytes else 0
    if kind == "read-only" and (operation in CHANGES or to_write):
        case.met += 1
        return errno.EROFS
    if kind == "sync-error" and operation in SYNCS:
        case.met += 1
        return errno.EIO
    return 0
