"""The processes of this machine, and which of them come from one that was started.

Found are those that carry a mark in their environment, those of the session of the one that was started, and the
children of all these. Not found is one that is all of this: it left the session (`setsid`), its parent has ended, and
its environment was cleared or overwritten (`env -i`, `su -`; programs that write their title over it). Only a control
group holds such a one: a systemd unit has one.

Source: proc_pid_stat(5), proc_pid_environ(5).
"""

from __future__ import annotations

import asyncio
import os
import select
import signal
from collections.abc import Callable, Iterable
from pathlib import Path

from msgspec import Struct

_ENVIRONMENT_LIMIT_BYTES = 1 << 20
_DEAD = frozenset("ZXx")
PAUSE_S = 0.01


class Process(Struct, frozen=True, kw_only=True):
    """One process; `start` (ticks since the boot) tells it from a later one of the same number."""

    pid: int
    start: int
    parent: int
    session: int
    is_dead: bool


def boot_id() -> str:
    """What names this boot of the machine."""
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()


def process(pid: int) -> Process | None:
    """The process of that number, as it is now."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()
    if len(fields) < 20:
        return None
    return Process(
        pid=pid,
        start=int(fields[19]),
        parent=int(fields[1]),
        session=int(fields[3]),
        is_dead=fields[0] in _DEAD,
    )


def everything() -> dict[int, Process]:
    """All processes that can be seen."""
    numbers = (int(name) for name in os.listdir("/proc") if name.isdigit())  # noqa: PTH208 - names, of which most are numbers
    return {pid: found for pid in numbers if (found := process(pid)) is not None}


def _is_marked(pid: int, mark: bytes) -> bool:
    try:
        with open(f"/proc/{pid}/environ", "rb") as file:  # noqa: PTH123 - one call less for each of thousands
            return mark in file.read(_ENVIRONMENT_LIMIT_BYTES).split(b"\0")
    except OSError:
        return False  # it has ended, or is another user's: its session and its parent still tell


def descendants(mark: str, pid: int, start: int, seen: Iterable[Process] = ()) -> list[Process]:
    """Those that live of what was started, and of all that came of it; reads the whole of `/proc`.

    Args:
        mark: `NAME=value` that it was given in its environment.
        pid: Its number, and that of its session; 0 where that is not known.
        start: When it began.
        seen: What was found before: some of these may not be found any more, now that their parents have ended.
    """
    known = everything()
    me = known.get(os.getpid())
    found = {one.pid for one in known.values() if _is_marked(one.pid, mark.encode())}
    sessions = {known[each].session for each in found}
    first = known.get(pid)
    # A session keeps its number while anybody is in it, also when its first process is gone. Only another process of
    # that number says that the session has ended, and that a later one has its number.
    if pid and (first is None or first.start == start):
        sessions.add(pid)
    sessions -= {0, me.session if me else 0}
    found |= {one.pid for one in known.values() if one.session in sessions}
    found |= {one.pid for one in seen if one.pid in known and known[one.pid].start == one.start}
    _add_children(found, known)
    found.discard(os.getpid())
    return [known[each] for each in sorted(found) if not known[each].is_dead]


def _add_children(found: set[int], known: dict[int, Process]) -> None:
    children: dict[int, list[int]] = {}
    for one in known.values():
        children.setdefault(one.parent, []).append(one.pid)
    waiting = list(found)
    while waiting:
        new = [pid for pid in children.get(waiting.pop(), ()) if pid not in found]
        found.update(new)
        waiting += new


def _open(one: Process) -> int | None:
    """A file that stands for the process, and for no other one; None when it has ended."""
    try:
        pidfd = os.pidfd_open(one.pid)
    except ProcessLookupError:
        return None
    now = process(one.pid)
    if now is None or now.start != one.start or now.is_dead:
        os.close(pidfd)
        return None
    return pidfd


def send(one: Process, number: int) -> None:
    """Send a signal to that process and to no later one of its number; nothing happens when it has ended.

    Raises:
        PermissionError: It is another user's.
    """
    pidfd = _open(one)
    if pidfd is None:
        return
    try:
        signal.pidfd_send_signal(pidfd, number)
    except ProcessLookupError:
        return
    finally:
        os.close(pidfd)


async def gone(one: Process, limit_s: float) -> bool:
    """Whether it has ended within the time."""
    until_s = asyncio.get_running_loop().time() + limit_s
    pidfd = _open(one)
    if pidfd is None:
        return True
    try:
        poll = select.poll()
        poll.register(pidfd, select.POLLIN)
        while not poll.poll(0):
            if asyncio.get_running_loop().time() >= until_s:
                return False
            await asyncio.sleep(PAUSE_S)
        return True
    finally:
        os.close(pidfd)


async def kill_all(find: Callable[[], Iterable[Process]], limit_s: float) -> list[Process]:
    """Kill whatever is found, until nothing is; returns what still lives after the limit.

    Args:
        find: Called in a thread, again after each round: what forks meanwhile is found as well.
        limit_s: For all rounds together.
    """
    until_s = asyncio.get_running_loop().time() + limit_s
    while left := list(await asyncio.to_thread(find)):
        for one in left:
            try:
                send(one, signal.SIGKILL)
            except PermissionError:
                return left
        if asyncio.get_running_loop().time() >= until_s:
            return left
        await asyncio.sleep(PAUSE_S)
    return []
