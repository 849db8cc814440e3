"""Undoes everything when the agent cannot: a process of its own that outlives it.

It is told by a pipe which groups are held, and until when. When the pipe ends without a goodbye, because the agent was
killed, or when a validity ends and nobody has said that it goes on, because the agent hangs, it undoes what follows
the lease. It holds no lease and decides nothing. A virtual address is closed by the kernel in the same moment anyway;
services and hooks have nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import sys
from collections.abc import Mapping
from pathlib import Path

import msgspec
from msgspec import Struct, field

from bascule.cluster.agent import registry
from bascule.cluster.agent.configuration import load
from bascule.cluster.agent.log_line import line
from bascule.cluster.agent.performing import Performer
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import BasculeError, FenceError

AT_ONCE_S = 0.5
"""For undoing what may not act any more: whatever takes longer is killed, where it can be."""
TRIES = 5


class Held(Struct, frozen=True, kw_only=True):
    """One line of the pipe: the groups that are held, and until when; `goodbye`: the agent has undone everything."""

    until_s: dict[str, float] = field(default_factory=dict)
    goodbye: bool = False


class Watch:
    """Which groups are held until when, and which of them must be undone now. Knows no clock.

    Attributes:
        over: The agent has said goodbye, or is gone.
    """

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self.over = False

    def hear(self, held: Held) -> None:
        """The agent said what it holds."""
        self._until_s = dict(held.until_s)
        self.over = self.over or held.goodbye

    def gone(self) -> dict[str, float]:
        """The agent is gone: what it held must be undone, by then; nothing if it said goodbye."""
        due = {} if self.over else dict(self._until_s)
        self._until_s.clear()
        self.over = True
        return due

    def due(self, now_s: float) -> tuple[str, ...]:
        """The groups whose validity has ended; each is returned once for each time that it was held."""
        due = tuple(group for group, until_s in self._until_s.items() if until_s <= now_s)
        for group in due:
            del self._until_s[group]
        return due

    def next_s(self) -> float | None:
        """When the next validity ends."""
        return min(self._until_s.values(), default=None)


class Guardian:
    """The agent's end of the pipe.

    Args:
        path: The agent's file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._process: asyncio.subprocess.Process | None = None
        self._held: Mapping[str, float] = {}

    async def start(self) -> None:
        """Start it, in a session of its own: no Ctrl-C reaches it."""
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bascule.cluster.agent.guardian",
            str(self._path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )

    async def keep(self) -> None:
        """See that there is one, for ever."""
        while True:
            if self._process is not None:
                await self._process.wait()
            await asyncio.sleep(0.1)
            await self.start()
            self.hold(self._held)

    def hold(self, until_s: Mapping[str, float]) -> None:
        """Say which groups are held, and until when."""
        self._held = until_s
        self._say(Held(until_s=dict(until_s)))

    def _say(self, held: Held) -> None:
        if self._process is not None and self._process.stdin is not None and not self._process.stdin.is_closing():
            self._process.stdin.write(msgspec.json.encode(held) + b"\n")

    def renew(self) -> None:
        """Let another one that reads the file anew take its place."""
        if self._process is not None and self._process.stdin is not None:
            self._say(Held(goodbye=True))
            self._process.stdin.close()

    async def let_go(self) -> None:
        """Say that everything was undone, and see it end."""
        if self._process is None or self._process.stdin is None:
            return
        self._say(Held(goodbye=True))
        self._process.stdin.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(2):
                await self._process.wait()
                return
        self._process.kill()
        await self._process.wait()


class Ear(asyncio.Protocol):
    """The guardian's end of the pipe: hears whole lines, and the end.

    Args:
        descriptor: The pipe's; it is read by the event loop.
        watch: Is told each line.
    """

    def __init__(self, descriptor: int, watch: Watch) -> None:
        self._descriptor = descriptor
        self._watch = watch
        self._begun = b""
        self._news = asyncio.Event()
        self.is_over = False

    def data_received(self, data: bytes) -> None:
        """The event loop read something."""
        *lines, self._begun = (self._begun + data).split(b"\n")
        for said in lines:
            self._watch.hear(msgspec.json.decode(said, type=Held))
        self._news.set()

    def connection_lost(self, exc: Exception | None) -> None:
        """The agent is gone, or has closed its end."""
        del exc
        self.is_over = True
        self._news.set()

    async def hear(self, within_s: float | None) -> None:
        """Wait for news, no longer than this; whatever the agent has said by then was heard when this returns.

        Where this process was late, what tells that the lease goes on lies in the pipe when the validity ends.
        """
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._news.wait()
        while not self.is_over and select.select([self._descriptor], [], [], 0)[0]:  # noqa: ASYNC110 - a turn of the loop reads it
            await asyncio.sleep(0)
        self._news.clear()


async def guard(ear: Ear, watch: Watch, performer: Performer, clock: Clock, agent: str = "") -> None:
    """Undo what must be undone, until the pipe ends."""
    undoing = Undoing(performer, clock, agent)
    while not watch.over:
        next_s = watch.next_s()
        await ear.hear(None if next_s is None else max(0.0, next_s - clock.monotonic_s()))
        if ear.is_over:
            gone = watch.gone()
            left_s = min(gone.values(), default=0.0) - clock.monotonic_s()
            await undoing.undo(tuple(gone), max(left_s, AT_ONCE_S), "its agent is gone")
        await undoing.undo(watch.due(clock.monotonic_s()), AT_ONCE_S, "its agent hangs")


class Undoing:
    """Undoes groups, and tells of it in lines as an agent's.

    Args:
        performer: Has their actuators.
        clock: The machine's.
        agent: The agent's name.
    """

    def __init__(self, performer: Performer, clock: Clock, agent: str) -> None:
        self._performer = performer
        self._clock = clock
        self._agent = agent

    async def undo(self, groups: tuple[str, ...], within_s: float, why: str) -> None:
        """Undo these groups within a time, and what could not be undone in that again and again, with more."""
        for group in groups:
            for more in range(TRIES):
                try:
                    await self._performer.undo(group, within_s * (1 + more))
                except BasculeError as error:
                    self._tell("ERROR", "GuardianFailed", group, str(error))
                else:
                    self._tell("WARNING", "GuardianUndid", group, why)
                    break

    def _tell(self, level: str, fact: str, group: str, why: str) -> None:
        at_s = round(self._clock.monotonic_s(), 6)
        told = {"fact": fact, "at_s": at_s, "agent": self._agent, "group": group, "why": why}
        sys.stderr.write(f"{line(level, told, self._clock.wall_s())}\n")


async def _main(path: Path) -> None:
    configuration = load(path)
    clock = BootClock()
    performer = Performer(
        configuration.agent.cluster,
        configuration.agent.name,
        {
            name: [registry.make_actuator(one) for one in group.actuators]
            for name, group in configuration.groups.items()
        },
        clock=clock,
        publish=lambda _: None,
        fence=_no_fence,
        demote_s=configuration.agent.demote_within.seconds,
    )
    watch = Watch()
    ear = Ear(sys.stdin.fileno(), watch)
    await asyncio.get_running_loop().connect_read_pipe(lambda: ear, sys.stdin)
    try:
        await guard(ear, watch, performer, clock, configuration.agent.name)
    finally:
        await performer.close()


async def _no_fence(peer: str, group: str) -> None:
    raise FenceError(f"a guardian fences nobody, and so not {peer}", where=group)


def main(arguments: list[str]) -> int:
    """Guard until the agent is gone."""
    os.umask(0o077)
    try:
        asyncio.run(_main(Path(arguments[0])))
    except (BasculeError, IndexError) as error:
        sys.stderr.write(f"bascule guardian: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
