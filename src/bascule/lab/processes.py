"""Reads the kernel's process table in /proc. A process that ends while it is read is simply not there."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path

from bascule.lab.ownership import Clue, Row
from bascule.lab.spawning import MEMBER_MARK

_STOPPED = "T"
_GONE = (FileNotFoundError, ProcessLookupError)
_CLOSED = (*_GONE, PermissionError)


def _read(path: str) -> bytes:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        parts: list[bytes] = []
        while part := os.read(descriptor, 65536):
            parts.append(part)
        return b"".join(parts)
    finally:
        os.close(descriptor)


def row(pid: int) -> Row | None:
    """One process, or None when it is gone."""
    try:
        text = _read(f"/proc/{pid}/stat").decode(errors="replace")
    except _GONE:
        return None
    head, _, tail = text.rpartition(")")
    fields = tail.split()
    command = head.partition("(")[2]
    state = fields[0]
    if state == _STOPPED and not _every_thread_stopped(pid):
        state = "R"
    return Row(pid, command, state, int(fields[1]), int(fields[3]), int(fields[19]))


def _every_thread_stopped(pid: int) -> bool:
    try:
        threads = os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - names alone
        if len(threads) == 1:
            return True
        texts = [_read(f"/proc/{pid}/task/{thread}/stat") for thread in threads]
    except _GONE:
        return False
    return all(text.rpartition(b")")[2].split()[0] in {b"T", b"Z", b"X"} for text in texts)


def table() -> dict[int, Row]:
    """Every process that this /proc shows, by pid."""
    rows = (row(int(name)) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names alone
    return {one.pid: one for one in rows if one is not None}


def environment(pid: int) -> dict[str, str]:
    """A process's environment as it was when its program began; empty when it may not be read."""
    try:
        data = _read(f"/proc/{pid}/environ")
    except (*_CLOSED, OSError):
        return {}
    pairs = (item.partition(b"=") for item in data.split(b"\0") if b"=" in item)
    return {key.decode(errors="replace"): value.decode(errors="replace") for key, _, value in pairs}


def network(pid: int | str) -> int:
    """Number of the network namespace in which a process is; 0 when it may not be read."""
    try:
        return Path(f"/proc/{pid}/ns/net").stat().st_ino
    except (*_CLOSED, OSError):
        return 0


def look(pid: int, hosts: dict[int, str]) -> Clue:
    """What a process shows of itself. `hosts` names the hosts by their network namespaces' numbers."""
    try:
        directory = str(Path(f"/proc/{pid}/cwd").readlink())
    except (*_CLOSED, OSError):
        directory = ""
    return Clue(environment(pid).get(MEMBER_MARK, ""), directory, hosts.get(network(pid), ""))


def proportional_bytes(pids: Iterable[int]) -> int:
    """Memory that these processes need (PSS: a page that n processes share counts 1/n for each)."""
    total = 0
    for pid in pids:
        try:
            text = _read(f"/proc/{pid}/smaps_rollup")
        except (*_CLOSED, OSError):
            continue
        for line in text.splitlines():
            if line.startswith(b"Pss:"):
                total += int(line.split()[1]) * 1024
    return total


def oom_rank(pid: int) -> tuple[int, int]:
    """How likely the kernel is to choose a process when memory is used up: its score, then its pages."""
    try:
        return int(_read(f"/proc/{pid}/oom_score")), int(_read(f"/proc/{pid}/statm").split()[1])
    except (*_CLOSED, OSError):
        return 0, 0


def ignores(pid: int, number: int) -> bool:
    """Whether a process ignores a signal; one that cannot be read is taken not to."""
    try:
        lines = _read(f"/proc/{pid}/status").splitlines()
    except (*_CLOSED, OSError):
        return False
    masks = [int(line.split()[1], 16) for line in lines if line.startswith(b"SigIgn:")]
    return any(mask >> (number - 1) & 1 for mask in masks)
