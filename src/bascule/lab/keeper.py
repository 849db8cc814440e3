"""The lab's outermost process: it waits for the supervisor and clears up after it, however that ends.

It stands outside the lab's pid namespace and needs next to no memory. When it dies, the kernel ends the supervisor:
in namespaces by SIGKILL, and everything inside goes with it; on loopback by SIGTERM, so that the supervisor can end
what it started. When the supervisor dies on loopback, its orphans become the keeper's, and are killed here.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from bascule.kernel.errors import LabError
from bascule.lab import memory_group, syscalls
from bascule.lab.memory_group import Hierarchy
from bascule.lab.names import CONTROL_SOCKET, RECORD

_ROUNDS = 1000


def keep(supervisor: int, directory: Path, isolation: str, groups: Sequence[Hierarchy]) -> int:
    """Wait for the supervisor; then nothing of the lab runs, and what is transient is gone. Returns its exit code.

    Args:
        supervisor: Our child.
        directory: The lab's.
        isolation: What was done.
        groups: Where control groups of memory are seen; in namespaces our own /proc shows nothing of that any more.
    """
    signal.signal(signal.SIGTERM, lambda *_: _kill(supervisor))
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    code = 1
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:
            break
        if pid == supervisor:
            code = os.waitstatus_to_exitcode(status)
            break
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # its pid is free now: whoever has it next is nobody of ours
    if isolation == "loopback":
        kill_children()
    remove_groups(directory, groups)
    clear(directory)
    return code


def _kill(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return  # it has just ended by itself


def kill_children() -> None:
    """SIGKILL every descendant of this process, which adopts orphans, until it has none."""
    syscalls.adopt_orphans()
    for _ in range(_ROUNDS):
        for pid in descendants(os.getpid()):
            _kill(pid)
        try:
            os.waitpid(-1, 0)
        except ChildProcessError:
            return


def descendants(ancestor: int) -> Iterable[int]:
    """The pids of everything below a process."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                text = (entry / "stat").read_text(errors="replace")
            except OSError:
                continue
            children.setdefault(int(text.rpartition(")")[2].split()[1]), []).append(int(entry.name))
    found: list[int] = []
    pending = list(children.get(ancestor, ()))
    while pending:
        pid = pending.pop()
        found.append(pid)
        pending += children.get(pid, ())
    return found


def remove_groups(directory: Path, groups: Sequence[Hierarchy]) -> None:
    """Remove the control groups of the lab whose record lies here; what cannot be removed is said in the log."""
    record = directory / RECORD
    if not record.exists():
        return  # it never came up
    try:
        memory_group.sweep(json.loads(record.read_bytes())["identity"], groups)
    except (OSError, LabError) as error:
        sys.stderr.write(f"{error}\n")


def clear(directory: Path) -> None:
    """Remove what only a living lab has: its control socket and its record."""
    for name in (CONTROL_SOCKET, RECORD):
        (directory / name).unlink(missing_ok=True)
