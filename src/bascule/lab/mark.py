"""Is a lab up in this directory? Its keeper holds a lock on the mark there: no pid that came again can deceive.

The other mark is the lab's identity in the environment of each of its processes: by it, what is left of a lab whose
keeper and supervisor were both killed on loopback is found and killed.
"""

from __future__ import annotations

import fcntl
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bascule.kernel.errors import LabError
from bascule.lab import memory_group, processes
from bascule.lab.names import MARK, RECORD
from bascule.lab.protocol import LabRecord
from bascule.lab.spawning import LAB_MARK

_ROUNDS = 50


def take(directory: Path) -> int | None:
    """Lock the directory's mark: a descriptor that holds the lock, or None when a living lab has it."""
    descriptor = os.open(directory / MARK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        return None
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def is_held(directory: Path) -> bool:
    """Whether a lab lives here. Those who ask at the same time do not take each other for one."""
    try:
        descriptor = os.open(directory / MARK, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def record(directory: Path) -> LabRecord | None:
    """What the lab here says of itself; None when there is no record.

    Raises:
        LabError: The record cannot be read.
    """
    path = directory / RECORD
    try:
        return msgspec.json.decode(path.read_bytes(), type=LabRecord)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.DecodeError) as error:
        raise LabError(f"the lab's record cannot be read: {error}", where=str(path), hint="bascule lab down") from error


def kill_keeper(lab: LabRecord) -> None:
    """SIGKILL the lab's keeper, if it is still the process that the record means."""
    row = processes.row(lab.pid)
    if row is not None and row.start == lab.start:
        os.kill(lab.pid, signal.SIGKILL)


def marked(identity: str) -> Iterator[int]:
    """The pids of every process of ours that carries a lab's mark."""
    for name in os.listdir("/proc"):  # noqa: PTH208 - names alone
        if name.isdigit() and processes.environment(int(name)).get(LAB_MARK) == identity:
            row = processes.row(int(name))
            if row is not None and row.lives:
                yield int(name)


def sweep(identity: str) -> None:
    """SIGKILL whatever still carries a dead lab's mark, until nothing does, and remove its control groups.

    What remains impossible: on loopback, a daemon that wiped its environment and whose keeper and supervisor were both
    killed at the same moment cannot be told from any other program. In a pid namespace the kernel leaves none.
    """
    for _ in range(_ROUNDS):
        pids = tuple(marked(identity))
        if not pids:
            break
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
    memory_group.sweep(identity)
