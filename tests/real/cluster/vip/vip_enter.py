"""Goes into the namespaces of a process, with these capabilities alone, and becomes another program."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

from bascule.lab import syscalls

_PR_CAPBSET_DROP = 24
NUMBERS = {"net_admin": 12, "net_raw": 13}


def main() -> None:
    pid, kept, *argv = sys.argv[1:]
    syscalls.die_with_parent(signal.SIGKILL)
    libc = ctypes.CDLL(None, use_errno=True)
    for kind in ("user", "net"):
        descriptor = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
        if libc.setns(descriptor, 0) != 0:
            raise OSError(ctypes.get_errno(), f"setns {kind}")
    if kept != "all":
        wanted = {NUMBERS[name] for name in kept.split(",") if name}
        for number in range(41):
            if number not in wanted:
                libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0)
    os.execv(argv[0], argv)  # noqa: S606 - a list of arguments, and no shell


main()
