"""Reads the process table, and signals a process of it that surely is the one that is meant."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

Key = tuple[int, int]
"""A process for good: its pid and its start time, since pids come again."""

_GONE = (FileNotFoundError, ProcessLookupError)
_KERNEL_THREAD = 0x00200000


class Row(NamedTuple):
    """One process. `state` is the kernel's letter: `T` when every thread of it is stopped."""

    pid: int
    command: str
    state: str
    parent: int
    start: int
    is_kernel: bool

    @property
    def key(self) -> Key:
        """The process for good."""
        return (self.pid, self.start)

    @property
    def lives(self) -> bool:
        """Whether it is more than a zombie."""
        return self.state not in {"Z", "X"}


def row(pid: int) -> Row | None:
    """One process, or None when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(errors="replace")
    except _GONE:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    state = fields[0]
    if state == "T" and not _every_thread_stopped(pid):
        state = "R"
    is_kernel = bool(int(fields[6]) & _KERNEL_THREAD)
    return Row(pid, head.partition("(")[2], state, int(fields[1]), int(fields[19]), is_kernel)


def _every_thread_stopped(pid: int) -> bool:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names alone
        if len(threads) == 1:
            return True
        texts = [Path(f"/proc/{pid}/task/{thread}/stat").read_text(errors="replace") for thread in threads]
    except _GONE:
        return False
    return all(text.rpartition(")")[2].split()[0] in {"T", "Z", "X"} for text in texts)


def table() -> dict[int, Row]:
    """Every process that this /proc shows, by pid."""
    rows = (row(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names alone
    return {one.pid: one for one in rows if one is not None}


def is_alive(key: Key) -> bool:
    """Whether this very process lives."""
    found = row(key[0])
    return found is not None and found.start == key[1] and found.lives


def below(rows: dict[int, Row], tops: Iterable[Key]) -> list[Row]:
    """These processes, if they live, and all their living descendants: the eldest first."""
    children: dict[int, list[Row]] = {}
    for one in rows.values():
        children.setdefault(one.parent, []).append(one)
    found: dict[int, Row] = {}
    todo = [rows[pid] for pid, start in tops if pid in rows and rows[pid].start == start]
    while todo:
        one = todo.pop()
        if one.pid not in found:
            found[one.pid] = one
            todo += children.get(one.pid, [])
    return sorted((one for one in found.values() if one.lives), key=lambda one: (one.start, one.pid))


def above(rows: dict[int, Row], pid: int) -> set[int]:
    """The pids of all ancestors of a process."""
    found: set[int] = set()
    while pid in rows and rows[pid].parent not in found:
        pid = rows[pid].parent
        found.add(pid)
    return found


def topmost(rows: dict[int, Row], tree: Iterable[Row], command: str) -> Row | None:
    """The process of this command in a tree that no other of the same command stands above; the eldest, if several."""
    mine = {one.pid: one for one in tree if one.command == command}
    tops = [one for one in mine.values() if not above(rows, one.pid) & set(mine)]
    return min(tops, key=lambda one: (one.start, one.pid), default=None)


def send(key: Key, number: int) -> bool:
    """Send a signal to this very process, never to another that has its pid by now; False when it is gone.

    Raises:
        PermissionError: It may not be signalled.
    """
    try:
        held = os.pidfd_open(key[0])
    except ProcessLookupError:
        return False
    try:
        # Whatever /proc shows of this pid now lives or is new: if it is the one that is meant, so is what is held.
        found = row(key[0])
        if found is None or found.start != key[1]:
            return False
        signal.pidfd_send_signal(held, number)
    except ProcessLookupError:
        return False
    finally:
        os.close(held)
    return True


def words_of(pid: int) -> list[str]:
    """The command line of a process; empty when it is gone or a kernel thread."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    except (*_GONE, PermissionError):
        return []


def program_of(pid: int) -> str:
    """The file that a process runs; empty when it may not be known."""
    try:
        return str(Path(f"/proc/{pid}/exe").readlink())
    except (*_GONE, PermissionError):
        return ""


def boot() -> str:
    """Tells this run of the machine from every other."""
    return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
