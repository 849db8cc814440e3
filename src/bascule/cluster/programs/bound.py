"""Becomes another program, after it has said who it is, and only while that is still wanted.

Run by its path, with the standard library alone: `bound.py PARENT UNTIL RECORD DIES -- PROGRAM ARGUMENT...`. It is the
new process itself that writes the record: whoever started it may be frozen or killed before it could. With DIES it is
killed by the kernel when the thread that started it ends.

Source: prctl(2), PR_SET_PDEATHSIG: kept over an execve, unless the program is set-user-ID or has capabilities of its
own; lost when a program changes its user.
"""

from __future__ import annotations

import ctypes
import json
import os
import signal
import sys
import time

TOO_LATE = 75
"""Exit code: the validity has ended, or the parent is gone."""
NOT_EXECUTED = 127
"""Exit code: the program cannot be executed."""
NOT_RECORDED = 73
"""Exit code: the record could not be written."""
_PR_SET_PDEATHSIG = 1
_NAMES = ("BASCULE_CLUSTER", "BASCULE_GROUP", "BASCULE_AGENT", "BASCULE_TOKEN", "BASCULE_UNTIL")


def main(arguments: list[str]) -> int:
    """Become the program; returns only when that is not to be."""
    parent, until_s, record, dies = int(arguments[0]), float(arguments[1]), arguments[2], arguments[3] == "1"
    argv = arguments[5:]
    if dies:
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0) != 0:
            return _say(f"its life cannot be bound: {os.strerror(ctypes.get_errno())}", NOT_RECORDED)
        if os.getppid() != parent:  # it was gone before the kernel knew that we follow it
            return _say("the agent is gone", TOO_LATE)
    try:
        _write(record)
    except OSError as error:
        return _say(f"{record}: {error.strerror}", NOT_RECORDED)
    if time.clock_gettime(time.CLOCK_BOOTTIME) >= until_s:
        return _say("the validity has ended", TOO_LATE)
    try:
        for ignored_by_python in (signal.SIGPIPE, signal.SIGXFSZ):
            signal.signal(ignored_by_python, signal.SIG_DFL)
        os.execvp(argv[0], argv)  # noqa: S606 - an argument list, and no shell
    except (OSError, ValueError) as error:
        return _say(f"{argv[0]}: {getattr(error, 'strerror', None) or error}", NOT_EXECUTED)


def _say(text: str, code: int) -> int:
    sys.stderr.write(f"bascule: {text}\n")
    return code


def _write(path: str) -> None:
    """The record, whole or not at all."""
    with open("/proc/self/stat", encoding="ascii", errors="replace") as stat:  # noqa: PTH123 - no more modules than needed
        start = int(stat.read().rpartition(")")[2].split()[19])
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as boot_id:  # noqa: PTH123 - as above
        boot = boot_id.read().strip()
    term = {name: os.environ[name] for name in _NAMES if name in os.environ}
    text = json.dumps({"pid": os.getpid(), "start": start, "boot": boot, "term": term})
    draft = f"{path}.{os.getpid()}"
    file = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        os.write(file, text.encode())
        os.fsync(file)
    finally:
        os.close(file)
    os.replace(draft, path)  # noqa: PTH105 - no more modules than needed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
