"""System V shared memory outlives whoever was killed before removing it; a lab without namespaces removes its own."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from pathlib import Path

from bascule.lab.syscalls import remove_shared_memory

TABLE = Path("/proc/sysvipc/shm")


def orphans(table: str, creators: Collection[int], since_wall_s: float) -> tuple[int, ...]:
    """The segments that these processes made and that nobody is attached to.

    Args:
        table: As in `proc_sysvipc(5)`: a line of column names, then a line for each segment.
        creators: Process ids.
        since_wall_s: Seconds since the Unix epoch; a segment made earlier was made by another process of that id.
    """
    names, *rows = [line.split() for line in table.splitlines()] or [[]]
    found: list[int] = []
    for row in rows:
        segment = dict(zip(names, row, strict=False))
        try:
            made_s, creator, attached = (int(segment[key]) for key in ("ctime", "cpid", "nattch"))
            if creator in creators and attached == 0 and made_s >= int(since_wall_s):
                found.append(int(segment["shmid"]))
        except (KeyError, ValueError):
            continue  # a kernel that tells less: nothing of it is known to be ours
    return tuple(found)


def sweep(creators: Collection[int], since_wall_s: float) -> None:
    """Remove the orphaned segments of these killed processes; one that is gone or is somebody else's stays as it is."""
    with contextlib.suppress(OSError):
        for number in orphans(TABLE.read_text(encoding="ascii"), creators, since_wall_s):
            remove_shared_memory(number)
