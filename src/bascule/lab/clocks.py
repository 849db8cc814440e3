"""The supervisor's side of wall clocks: a file for each member says how wrong its clock is."""

from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path

from msgspec import Struct

from bascule.lab import clock_requests as ask
from bascule.lab import faketime
from bascule.lab.files import write_atomically
from bascule.lab.members import Members

EVERY_S = 0.25
"""How often a clock that drifts is set anew."""


class Gears(Struct, frozen=True, kw_only=True):
    """Whether a member's clock is turned, and who goes by it."""

    turned: bool
    processes: int
    reached: int
    main_reached: bool


class Clocks:
    """The wall clocks of a lab's members.

    Args:
        members: Theirs they are.
        directory: The lab's.
        library: Path of libfaketime; empty: no clock can be turned.
    """

    def __init__(self, members: Members, directory: Path, library: str) -> None:
        self._members = members
        self._directory = directory
        self._library = library
        self._drifts: dict[str, asyncio.Task[None]] = {}
        self._turned: set[str] = set()

    def environment(self, member: str) -> dict[str, str]:
        """What a member is started with, so that its clock can be turned; nothing where none can."""
        if not self._library:
            return {}
        file = faketime.path_of(self._directory, member)
        if not file.exists():
            file.parent.mkdir(mode=0o755, exist_ok=True)
            self._write(member, 0.0)
        return faketime.environment(self._library, file)

    async def turn(self, request: ask.TurnClock) -> None:
        """Write how wrong it is; one that drifts is written again and again."""
        self._members.program(request.member)
        self._stop(request.member)
        self._turned.add(request.member)
        self._write(request.member, request.step_s)
        if request.rate:
            self._drifts[request.member] = asyncio.create_task(self._drift(request, time.monotonic()))

    async def right(self, request: ask.RightClock) -> None:
        """Write that it is right."""
        self._members.program(request.member)
        self._stop(request.member)
        self._write(request.member, 0.0)
        self._turned.discard(request.member)

    async def look(self, request: ask.LookAtClock) -> Gears:
        """Which processes of the member have the library in their memory."""
        main = self._members.program(request.member).pid
        pids = list(self._members.trees([request.member]))
        reached = {pid for pid in pids if self._goes_by_it(pid)}
        return Gears(
            turned=request.member in self._turned,
            processes=len(pids),
            reached=len(reached),
            main_reached=main in reached,
        )

    async def _drift(self, request: ask.TurnClock, since_s: float) -> None:
        while True:
            await asyncio.sleep(EVERY_S)
            self._write(request.member, request.step_s + request.rate * (time.monotonic() - since_s))

    def _stop(self, member: str) -> None:
        drift = self._drifts.pop(member, None)
        if drift is not None:
            drift.cancel()

    def _write(self, member: str, seconds: float) -> None:
        text = faketime.offset(seconds) if seconds else faketime.RIGHT
        write_atomically(faketime.path_of(self._directory, member), f"{text}\n".encode())

    def _goes_by_it(self, pid: int) -> bool:
        with contextlib.suppress(OSError):  # gone meanwhile, and so it goes by no clock
            return bool(self._library) and self._library in Path(f"/proc/{pid}/maps").read_text(errors="replace")
        return False
