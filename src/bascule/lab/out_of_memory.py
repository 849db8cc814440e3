"""Lets the kernel's OOM killer strike a process of a member: it is shut into a group whose memory is used up.

Only the process that shall be struck, and a presser of ours, are in the group; the process has the highest score that
there is, so that it goes first. If its end does not make room enough, the presser is next, and there is room.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sys
import time
from pathlib import Path

from bascule.kernel.errors import LabError
from bascule.lab import ending_requests as end
from bascule.lab import memory_group, presser, processes
from bascule.lab.members import Members, Program
from bascule.lab.memory_group import ROOM_BYTES, MemoryGroup
from bascule.lab.ownership import Key, Owner, Row, topmost

STRIKE_LIMIT_S = 5.0
_POLL_S = 0.002
_FIRST = "1000"


class OutOfMemory:
    """Strikes, keeps the group so that the kernel's count can be looked at, and removes it."""

    def __init__(self, members: Members) -> None:
        self._members = members
        self._groups: dict[str, MemoryGroup] = {}
        self._made = 0

    def _name(self) -> str:
        self._made += 1
        return f"{memory_group.prefix(self._members.identity)}{self._made}"

    async def refusal(self, _: end.RefuseMemory) -> str:
        """Why no group can be made here."""
        return memory_group.refusal(self._name())

    async def strike(self, request: end.RunOutOfMemory) -> tuple[int, ...]:
        """Let the OOM killer strike one process; its pid once it is gone.

        Raises:
            LabError: There is no such process, no group can be made, or nobody was struck. Then no group is left.
        """
        name = request.member
        victim = self._victim(name, request.command)
        await self.relieve(end.RelieveMemory(member=name))
        group = memory_group.make(victim.pid, self._name())
        self._groups[name] = group
        try:
            await self._press(name, group, victim.key)
            await self._members.note_end(name, victim.pid)
        except OSError as error:
            await self.relieve(end.RelieveMemory(member=name))
            raise LabError(f"memory could not be used up: {error}", where=str(group.path)) from error
        except BaseException:
            await self.relieve(end.RelieveMemory(member=name))
            raise
        return (victim.pid,)

    def _victim(self, name: str, command: str) -> Row:
        """The topmost process of the command; without one, whom the kernel would choose."""
        self._members.program(name)
        tree = self._members.trees([name])
        if not command and tree:
            return max(tree.values(), key=lambda row: processes.oom_rank(row.pid))
        pid = topmost(tree, tree, command)
        if pid is None:
            seen = ", ".join(sorted({row.command for row in tree.values()})) or "no process at all"
            raise LabError(f"{name} has no process called {command!r}", hint=f"it has {seen}")
        return tree[pid]

    async def _press(self, name: str, group: MemoryGroup, victim: Key) -> None:
        group.limit(ROOM_BYTES)
        before = _score(victim[0])
        reading, writing = os.pipe2(os.O_CLOEXEC)
        try:
            try:
                group.add(self._start_presser(f"presser-{name}", name, reading))
            finally:
                os.close(reading)
            _set_score(victim[0], _FIRST)
            if _lives(victim):  # its pid may be another's by now
                group.add(victim[0])
            os.write(writing, b"\n")
            await _struck(group, victim)
        finally:
            os.close(writing)
            await self._members.kill([f"presser-{name}"])
            self._members.forget(f"presser-{name}")
            group.empty()
            if _lives(victim):
                with contextlib.suppress(OSError):  # it ended meanwhile
                    _set_score(victim[0], before)

    def _start_presser(self, presser_name: str, name: str, stdin: int) -> int:
        argv = (sys.executable, "-I", "-S", presser.__file__, str(2 * ROOM_BYTES))
        owner = Owner(presser_name, self._members.program(name).owner.directory, "", member=False)
        self._members.register(Program(owner, argv, {}, signal.SIGKILL))
        return self._members.start(presser_name, stdin=stdin)

    async def kills(self, request: end.MemoryKills) -> int | None:
        """How often the OOM killer struck in the member's group; None when there is none."""
        self._members.program(request.member)
        group = self._groups.get(request.member)
        return None if group is None else group.kills()

    async def relieve(self, request: end.RelieveMemory) -> None:
        """Remove the member's group."""
        self._members.program(request.member)
        group = self._groups.get(request.member)
        if group is not None:
            group.remove()
            del self._groups[request.member]


def _score(pid: int) -> str:
    return Path(f"/proc/{pid}/oom_score_adj").read_text(encoding="ascii")


def _set_score(pid: int, value: str) -> None:
    Path(f"/proc/{pid}/oom_score_adj").write_text(value, encoding="ascii")


def _lives(key: Key) -> bool:
    row = processes.row(key[0])
    return row is not None and row.start == key[1] and row.lives


async def _struck(group: MemoryGroup, victim: Key) -> None:
    deadline_s = time.monotonic() + STRIKE_LIMIT_S
    while _lives(victim) or not group.kills():
        if time.monotonic() > deadline_s:
            raise LabError(f"the OOM killer did not strike process {victim[0]} within {STRIKE_LIMIT_S:.0f} s")
        await asyncio.sleep(_POLL_S)
