"""What weighs on members while a fault acts: they crash again and again, run slowly, or may open no more files.

Each strain lives in the supervisor, so that it ends with the lab, whoever asked for it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Coroutine

from bascule.chaos.platform import DescriptorView
from bascule.kernel.errors import LabError
from bascule.lab import descriptors, processes
from bascule.lab import protocol as say
from bascule.lab.hosts import Hosts
from bascule.lab.members import Members
from bascule.lab.ownership import Key

PERIOD_S = 0.1
_LOOK_S = 0.05
_POLL_S = 0.002
_STOP_LIMIT_S = 1.0


class Strains:
    """Begins and ends strains; one of each kind for a member at a time."""

    def __init__(self, members: Members, hosts: Hosts) -> None:
        self._members = members
        self._hosts = hosts
        self._tasks: dict[tuple[str, str], asyncio.Task[None]] = {}
        self._limits: dict[str, dict[Key, tuple[int, int]]] = {}
        self._counts: dict[str, int] = {}

    def _begin(self, kind: str, member: str, work: Coroutine[object, object, None]) -> None:
        self._tasks[kind, member] = asyncio.ensure_future(work)

    async def _end(self, kind: str, member: str) -> None:
        task = self._tasks.pop((kind, member), None)
        if task is None:
            return
        task.cancel()
        # A strain that failed by itself (a process that could not be killed in time) has ended too.
        with contextlib.suppress(asyncio.CancelledError, LabError):
            await task

    # -- crashing again and again

    async def crash_loop(self, request: say.CrashLoop) -> tuple[int, ...]:
        """Crash the member twice, and go on with that; the main processes that died."""
        name = request.member
        await self._end("crash", name)
        hit = [await self._crash(name)]
        await self._restart(name, request.up_s)
        hit.append(await self._crash(name))
        self._begin("crash", name, self._crash_on(name, request.up_s))
        return tuple(pid for pid in hit if pid)

    async def _crash(self, name: str) -> int:
        pid = self._members.program(name).pid
        await self._members.kill([name])
        return pid

    async def _restart(self, name: str, up_s: float) -> None:
        with contextlib.suppress(LabError):  # its host has no power now: it is down, as it shall be
            self._hosts.powered(self._members.program(name).owner.host)
            self._members.start(name)
        await asyncio.sleep(up_s)

    async def _crash_on(self, name: str, up_s: float) -> None:
        while True:
            await self._restart(name, up_s)
            await self._crash(name)

    async def end_crash_loop(self, request: say.EndCrashLoop) -> None:
        """End the loop, and start the member if it is down."""
        program = self._members.program(request.member)
        if ("crash", request.member) in self._tasks:
            await self._end("crash", request.member)
            await self._members.kill([request.member])  # what was just being killed would count as up until it is gone
        self._hosts.powered(program.owner.host)
        self._members.start(request.member)

    # -- running slowly

    async def slow(self, request: say.Slow) -> tuple[int, ...]:
        """Let the member run a share of the time; the processes that it has."""
        name = request.member
        await self._end("slow", name)
        hit = tuple(view.pid for view in self._members.views(name))
        self._counts[name] = 0
        self._begin("slow", name, self._turns(name, request.share))
        return hit

    async def _turns(self, name: str, share: float) -> None:
        patient_until_s = time.monotonic() + _STOP_LIMIT_S
        while True:
            main = self._members.program(name).pid
            stopped = tuple(self._members.trees([name]))
            _tell(stopped, signal.SIGSTOP)
            try:
                await asyncio.sleep(PERIOD_S * (1 - share))
                stood = await self._stood(main, patient_until_s)
            finally:
                _tell(stopped, signal.SIGCONT)
            self._counts[name] += stood and _state(main) not in {"T", ""}
            await asyncio.sleep(PERIOD_S * share)

    async def _stood(self, main: int, patient_until_s: float) -> bool:
        """Whether the main process is stopped. At first that is waited for: to stop, it needs the processor."""
        while (state := _state(main)) not in {"T", ""} and time.monotonic() < patient_until_s:  # noqa: ASYNC110 - /proc tells nobody
            await asyncio.sleep(_POLL_S)
        return state == "T"

    async def turns(self, request: say.Turns) -> int | None:
        """How often the member's main process was seen stopped, and going on right after; None when it is not slow."""
        name = request.member
        self._members.program(name)
        task = self._tasks.get(("slow", name))
        return None if task is None or task.done() else self._counts[name]

    async def hasten(self, request: say.Hasten) -> None:
        """Let the member run all the time again."""
        self._members.program(request.member)
        await self._end("slow", request.member)
        await self._members.thaw(request.member)

    # -- no more files

    async def descriptors(self, request: say.Descriptors) -> tuple[DescriptorView, ...]:
        """The descriptors of the member's processes, main process first."""
        views = (descriptors.view(view.pid) for view in self._members.views(request.member))
        return tuple(view for view in views if view is not None)

    async def limit_descriptors(self, request: say.LimitDescriptors) -> tuple[int, ...]:
        """Lower the limit of every process, and go on: what it closes, and what a child brings along, is no room."""
        name = request.member
        self._members.program(name)
        await self._end("descriptors", name)
        kept: dict[Key, set[int]] = {}
        hit = self._tighten(name, request.spare, kept)
        self._begin("descriptors", name, self._tighten_on(name, request.spare, kept))
        return hit

    def _tighten(self, name: str, spare: int, kept: dict[Key, set[int]]) -> tuple[int, ...]:
        """Lower the limit of each process to what it had open at every look, remembering the one that it had first."""
        known = self._limits.setdefault(name, {})
        hit: list[int] = []
        for pid, row in self._members.trees([name]).items():
            kept[row.key] = kept.get(row.key, descriptors.numbers(pid)) & descriptors.numbers(pid)
            before = descriptors.limit(pid, spare, kept[row.key])
            if before is not None:
                known.setdefault(row.key, before)
                hit.append(pid)
        return tuple(hit)

    async def _tighten_on(self, name: str, spare: int, kept: dict[Key, set[int]]) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            self._tighten(name, spare, kept)

    async def free_descriptors(self, request: say.FreeDescriptors) -> None:
        """Raise every limit again; a process that was born meanwhile gets the highest that any had."""
        self._members.program(request.member)
        await self._end("descriptors", request.member)
        known = self._limits.pop(request.member, None)
        if not known:
            return
        highest = max(known.values(), key=lambda limits: (limits[0] == -1, limits[0]))
        for pid, row in self._members.trees([request.member]).items():
            descriptors.restore(pid, known.get(row.key, highest))


def _state(pid: int) -> str:
    row = processes.row(pid)
    return row.state if row is not None and row.lives else ""


def _tell(pids: tuple[int, ...], number: int) -> None:
    for pid in pids:
        if processes.row(pid) is not None:
            with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
                os.kill(pid, number)
