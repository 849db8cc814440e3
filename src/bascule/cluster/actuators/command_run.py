"""A program that lives exactly as long as the term: started, seen to be ready, and ended with all that came of it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Mapping, Sequence

from bascule.cluster.actuators.hook import LOOK_EVERY_S, Hook, variables
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.programs import bound
from bascule.cluster.programs.child import Child, environment, spawn
from bascule.cluster.programs.processes import Process, descendants, kill_all, send
from bascule.cluster.programs.record import RecordFile
from bascule.kernel.clock import Clock
from bascule.kernel.errors import ActuatorError

MARK = "BASCULE_RUN"
"""In the environment of the program and of all that it starts: by this they are found, wherever they went."""
KILL_WITHIN_S = 2.0
KILL_LEAD_S = 0.02
"""So long before the validity ends it is killed, if it has not ended by itself."""


class RunningProgram:
    """One program, which the kernel kills when the agent dies.

    One that an earlier process left is killed at once; one of this process is asked to end first. What is not found is
    said in `bascule.cluster.programs.processes`.

    Args:
        name: For people.
        argv: The program.
        check: Says whether it is ready, and whether it still works.
        record: Where is kept what was started.
        ready_s: How long it may take to become ready.
        stop_s: How long after SIGTERM it is killed.
        clock: `CLOCK_BOOTTIME`.
    """

    def __init__(
        self,
        name: str,
        argv: Sequence[str],
        check: Hook,
        record: RecordFile,
        *,
        ready_s: float,
        stop_s: float,
        clock: Clock,
    ) -> None:
        self.name = name
        self._argv = tuple(argv)
        self._check = check
        self._record = record
        self._ready_s = ready_s
        self._stop_s = stop_s
        self._clock = clock
        self._child: Child | None = None
        self._token: int | None = None
        self._until_s = -math.inf
        self._told: Mapping[str, str] = {}
        self._seen: list[Process] = []

    async def promote(self, term: Term) -> None:
        """The program of this term runs, and its check passes. One of another term is ended before.

        Raises:
            ActuatorError: It is not so, and nothing of it runs.
        """
        if self._clock.monotonic_s() >= term.until_s:
            raise ActuatorError("the validity has ended", where=self.name, hint="the next term will be tried")
        self._until_s = term.until_s
        try:
            child = self._child
            if child is None or not child.is_alive or self._token != term.token:
                await self._end()
                child = self._start(term)
            await self._ready(child)
        except BaseException:
            await self._kill()
            raise

    def _start(self, term: Term) -> Child:
        self._record.prepare()
        self._token, self._told = term.token, variables(term)
        argv = self._record.bound(self._argv, until_s=self._until_s, dies=True)
        try:
            self._child = spawn(argv, environment(**self._told, **self._mark))
        except OSError as error:
            raise ActuatorError(f"it cannot be started: {error.strerror or error}", where=self.name) from error
        return self._child

    @property
    def _mark(self) -> dict[str, str]:
        return {MARK: str(self._record.path)}

    async def _ready(self, child: Child) -> None:
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._ready_s
        why = "it was not asked yet"
        while child.is_alive and loop.time() < until_s:
            seen, why = await self._check.look(self._told)
            if seen == "active" and child.is_alive:
                return
            await child.ended_within(LOOK_EVERY_S)
        hint = "what it wrote is in the agent's log"
        if child.is_alive:
            what = f"it was not ready within {self._ready_s:g} s: the check command says: {why}"
            raise ActuatorError(what, where=self.name, hint=hint)
        await child.close()
        raise ActuatorError(f"it {_ended(child.code)}", where=self.name, hint=hint)

    def extend(self, term: Term) -> None:
        """It may take longer to end; nothing else."""
        self._until_s = term.until_s

    async def demote(self) -> None:
        """It has ended, with all that came of it: by itself, or killed, before the validity ends.

        Raises:
            ActuatorError: Something of it still runs.
        """
        try:
            await self._end()
        except BaseException:
            await self._kill()
            raise

    async def look(self) -> Seen:
        """Passive when nothing of it runs; else what the check says."""
        try:
            if (self._child is None or not self._child.is_alive) and not await asyncio.to_thread(self._left):
                return "passive"
        except (ActuatorError, OSError):
            return "unknown"
        return (await self._check.look(self._told))[0]

    async def close(self) -> None:
        """Let go; the program lives until this process ends, or another one demotes it."""
        if self._child is not None:
            self._child.leave()
            self._child = None

    async def _end(self) -> None:
        self._seen = await asyncio.to_thread(self._left)  # while it lives, and its children still are its children
        if self._child is not None and self._child.is_alive:
            await self._ask_to_end(self._child)
        left = await kill_all(self._left, KILL_WITHIN_S)
        if self._child is not None:
            await self._child.close()
            self._child = None
        if left:
            what = f"{len(left)} of its processes cannot be ended: {', '.join(str(one.pid) for one in left[:10])}"
            hint = "does it hang in the kernel, or is it another user's?"
            raise ActuatorError(what, where=self.name, hint=hint)
        self._seen = []
        self._record.remove()

    async def _ask_to_end(self, child: Child) -> None:
        """SIGTERM to its group; returns when nothing of it is left, or when that has to be killed.

        The validity may move on meanwhile.
        """
        child.send_to_group(signal.SIGTERM)
        child.send_to_group(signal.SIGCONT)  # one that is stopped would not hear the first
        stop_at_s = self._clock.monotonic_s() + self._stop_s
        while (left_s := min(stop_at_s, self._until_s - KILL_LEAD_S) - self._clock.monotonic_s()) > 0:
            if not await child.ended_within(min(left_s, LOOK_EVERY_S)):
                continue
            if not await asyncio.to_thread(self._left):
                return
            await asyncio.sleep(min(left_s, LOOK_EVERY_S))

    def _left(self) -> list[Process]:
        """What runs of it."""
        mark = f"{MARK}={self._record.path}"
        if self._child is not None:
            return descendants(mark, self._child.pid, self._child.start, self._seen)
        started = self._record.read()
        if started is None or not started.is_of_this_boot:
            return descendants(mark, 0, 0, self._seen)
        return descendants(mark, started.pid, started.start, self._seen)

    async def _kill(self) -> None:
        """Kill it now, without a word; also while this is being cancelled."""
        with contextlib.suppress(ActuatorError, PermissionError):  # the demotion that follows says what is left
            for one in self._left():
                send(one, signal.SIGKILL)
        if self._child is not None:
            await self._child.close()
            self._child = None


def _ended(code: int | None) -> str:
    if code == bound.NOT_EXECUTED:
        return "could not be executed"
    if code == bound.TOO_LATE:
        return "was not begun: the validity had ended, or the agent was gone"
    if code == bound.NOT_RECORDED:
        return "was not begun: its record could not be written"
    if code is None:
        return "ended before it was ready"
    return f"ended before it was ready, {'by signal' if code < 0 else 'with exit code'} {abs(code)}"
