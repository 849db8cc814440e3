"""The disk: is there room left."""

from __future__ import annotations

import os
from pathlib import Path

from bascule.health.check import Check, refuse


def disk_free(path: str | Path, *, least_bytes: int = 0, least_share: float = 0.0) -> Check:
    """Whether an ordinary user may still write so much on the file system of this path.

    Says `dependency`: no restart frees a disk, and one that hangs may be another machine's.

    Args:
        path: A path on the file system.
        least_bytes: Bytes that must be free.
        least_share: Share of the file system that must be free, in [0, 1).

    Raises:
        InputError: A value is impossible, or nothing is demanded.
    """
    if least_bytes < 0:
        raise refuse("disk_free.least_bytes", least_bytes, "be at least 0")
    if not 0 <= least_share < 1:
        raise refuse("disk_free.least_share", least_share, "be at least 0 and below 1")
    if not least_bytes and not least_share:
        raise refuse("disk_free.least_bytes", least_bytes, "be above 0 when least_share is 0")

    def ask() -> None:
        seen = os.statvfs(path)
        free, whole = seen.f_bavail * seen.f_frsize, seen.f_blocks * seen.f_frsize
        wanted = max(least_bytes, int(least_share * whole))
        if free < wanted:
            raise OSError(f"{free // 2**20} MiB are free, and {wanted // 2**20} MiB are wanted")

    return Check(ask, "dependency")
