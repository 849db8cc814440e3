"""Tries a disk from outside of it: `python -m bascule.lab.disk_try DIRECTORY` makes, writes and syncs a small file."""

from __future__ import annotations

import errno
import os
import sys
import time
from pathlib import Path

import msgspec

from bascule.chaos.disk import DiskTry, Step
from bascule.kernel.errors import LabError

READ_BYTES = 65536
_SIZE_BYTES = 4096


def attempt(directory: Path) -> DiskTry:
    """What becomes of a small file there; nothing of it stays."""
    path = directory / f".bascule-try-{os.getpid()}"
    begun_s = time.monotonic()
    step: Step = "create"
    descriptor = -1
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        step = "write"
        os.write(descriptor, bytes(_SIZE_BYTES))
        step = "sync"
        os.fsync(descriptor)
    except OSError as error:
        name = errno.errorcode.get(error.errno or 0, str(error))
        return DiskTry(error=name, step=step, took_s=time.monotonic() - begun_s)
    finally:
        if descriptor >= 0:
            os.close(descriptor)
            path.unlink(missing_ok=True)
    return DiskTry(took_s=time.monotonic() - begun_s)


def as_try(output: bytes) -> DiskTry:
    """What the program said.

    Raises:
        LabError: It said something else.
    """
    try:
        return msgspec.json.decode(output, type=DiskTry)
    except msgspec.DecodeError as error:
        raise LabError(f"the disk could not be tried: {output[-300:].decode(errors='replace')}") from error


if __name__ == "__main__":
    sys.stdout.buffer.write(msgspec.json.encode(attempt(Path(sys.argv[1]))))
