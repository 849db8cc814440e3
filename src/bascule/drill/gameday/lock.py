"""One game day at a time: a lock beside the history, which ends with its process, however that ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from bascule.kernel.errors import MachineError

_TRIES = 20
_PAUSE_S = 0.05


class RunningError(MachineError):
    """Another game day of this history runs."""


def lock_file(history: Path) -> Path:
    """Where the lock of a history is."""
    return history.with_name(f"{history.name}.lock")


@contextmanager
def alone(history: Path) -> Iterator[None]:
    """Nobody else holds a game day of this history meanwhile.

    What the lab forks holds it too: a killed game day is over when its lab is.

    Raises:
        RunningError: Somebody else does.
        MachineError: The lock cannot be made.
    """
    path = lock_file(history)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    except OSError as error:
        hint = "see that you may write there, or name another file as `history`"
        raise MachineError(f"the lock cannot be made: {error.strerror}", where=str(path), hint=hint) from error
    try:
        # Whoever asks whether it is held holds it for a moment.
        tries = 0
        while not (taken := _taken(descriptor)) and tries < _TRIES:
            tries += 1
            time.sleep(_PAUSE_S)
        if not taken:
            hint = "wait for its end; `bascule gameday history FILE` shows it"
            raise RunningError("another game day of this history runs", where=str(history), hint=hint)
        yield
    finally:
        os.close(descriptor)


def is_held(history: Path) -> bool:
    """Whether a game day of this history runs now."""
    try:
        descriptor = os.open(lock_file(history), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        return not _taken(descriptor, fcntl.LOCK_SH)
    finally:
        os.close(descriptor)


def _taken(descriptor: int, kind: int = fcntl.LOCK_EX) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
