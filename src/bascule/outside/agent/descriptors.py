"""How many files a process has open, and may open: read and set in the kernel's own tables."""

from __future__ import annotations

import os
import resource

from bascule.outside.agent.table import Key, row

Limits = tuple[int, int]
_MOST = 1 << 20


def numbers(pid: int) -> set[int]:
    """The descriptors that a process has open; none when it is gone.

    Raises:
        PermissionError: They may not be read.
    """
    try:
        return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - names alone
    except (FileNotFoundError, ProcessLookupError):
        return set()


def view(pid: int) -> tuple[int, int] | None:
    """How many descriptors a process has open, and how many more it could open; None when it is gone."""
    try:
        found = numbers(pid)
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except ProcessLookupError:
        return None
    soft = _MOST if soft == resource.RLIM_INFINITY else soft
    return len(found), max(0, soft - sum(number < soft for number in found))


def limits(key: Key) -> Limits | None:
    """The limits of this very process; None when it is gone."""
    try:
        found = resource.prlimit(key[0], resource.RLIMIT_NOFILE)
    except ProcessLookupError:
        return None
    return found if _is_still(key) else None


def put(key: Key, wanted: Limits) -> bool:
    """Give this very process limits; False when it is gone.

    The kernel takes a pid here, and no handle. Should the pid have come again in that very moment, the other process
    gets back at once what it had.
    """
    if not _is_still(key):
        return False
    try:
        before = resource.prlimit(key[0], resource.RLIMIT_NOFILE, wanted)
        if not _is_still(key):
            resource.prlimit(key[0], resource.RLIMIT_NOFILE, before)
            return False
    except ProcessLookupError:
        return False
    return True


def _is_still(key: Key) -> bool:
    found = row(key[0])
    return found is not None and found.start == key[1]


def least(taken: set[int], spare: int) -> int:
    """The least limit below which exactly `spare` numbers are free."""
    number = free = 0
    while True:
        if number not in taken:
            if free == spare:
                return number
            free += 1
        number += 1
