"""How many files a process has open, and may open: read and set in the kernel's own tables."""

from __future__ import annotations

import os
import resource

from bascule.chaos.platform import DescriptorView

_MOST = 1 << 20


def view(pid: int) -> DescriptorView | None:
    """What a process has open and could open; None when it is gone, or its table may not be read."""
    try:
        numbers = _open(pid)
        soft, _ = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    except OSError:
        return None
    soft = _MOST if soft == resource.RLIM_INFINITY else soft
    return DescriptorView(pid=pid, open=len(numbers), free=max(0, soft - sum(number < soft for number in numbers)))


def numbers(pid: int) -> set[int]:
    """The descriptors that a process has open; none when it is gone, or its table may not be read."""
    try:
        return _open(pid)
    except OSError:
        return set()


def limit(pid: int, spare: int, taken: set[int]) -> tuple[int, int] | None:
    """Lower the soft limit so that `spare` numbers beside the taken ones are free below it; returns what it had been.

    A limit that is lower already stays. None when the process is gone.
    """
    try:
        before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
        wanted = _limit_for(taken, spare)
        if before[0] == resource.RLIM_INFINITY or wanted < before[0]:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (wanted, before[1]))
    except OSError:
        return None
    return before


def restore(pid: int, before: tuple[int, int]) -> None:
    """Give a process the limits that it had; one that is gone needs none."""
    try:
        resource.prlimit(pid, resource.RLIMIT_NOFILE, before)
    except ProcessLookupError:
        return


def _open(pid: int) -> set[int]:
    return {int(name) for name in os.listdir(f"/proc/{pid}/fd")}  # noqa: PTH208 - names alone


def _limit_for(taken: set[int], spare: int) -> int:
    """The least limit below which exactly `spare` numbers are free."""
    number = free = 0
    while True:
        if number not in taken:
            if free == spare:
                return number
            free += 1
        number += 1
