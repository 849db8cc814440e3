"""Undoes everything when the agent cannot: a process of its own that outlives it.

It is told by a pipe which groups are held, and until when. When the pipe ends without a goodbye, because the agent was
killed, or when a validity ends and nobody has said that it goes on, because the agent hangs, it undoes what follows
the lease. It holds no lease and decides nothing. A virtual address is closed by the kernel in the same moment anyway;
services and hooks have nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import select
import sys
import threading
from collections.abc import Callable, Iterable
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
"""For the first try to undo what may not act any more; each that follows is given its whole time."""
LEAST_PAUSE_S, MOST_PAUSE_S = 0.2, 5.0
LAST_WORDS_S = 1.0
STDERR = 2


class Held(Struct, frozen=True, kw_only=True):
    """One line of the pipe: the groups that are held, and until when; `goodbye`: the agent has undone everything."""

    until_s: dict[str, float] = field(default_factory=dict)
    goodbye: bool = False


class Undone(Struct, frozen=True, kw_only=True):
    """One line of the way back: a group that the guardian undid while its agent lives."""

    group: str


class Watch:
    """Which groups are held until when, and which of them must be undone now. Knows no clock.

    Attributes:
        over: The agent has said goodbye, or is gone.
        goodbye: It has undone everything by itself.
    """

    def __init__(self) -> None:
        self._until_s: dict[str, float] = {}
        self._said: dict[str, float] = {}
        self.over = False
        self.goodbye = False

    def hear(self, held: Held) -> None:
        """The agent said what it holds."""
        self._until_s, self._said = dict(held.until_s), held.until_s
        self.goodbye = self.goodbye or held.goodbye
        self.over = self.over or self.goodbye

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

    def is_taken_care_of(self, group: str, now_s: float) -> bool:
        """The agent itself has undone it, or holds it anew: nothing is to be undone any more."""
        return self._said.get(group, math.inf) > now_s

    def next_s(self) -> float | None:
        """When the next validity ends."""
        return min(self._until_s.values(), default=None)


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


async def guard(ear: Ear, watch: Watch, undoing: Undoing, clock: Clock) -> None:
    """Undo what must be undone, until the agent is gone and nothing is left, or until it said goodbye."""
    try:
        while not watch.over:
            next_s = watch.next_s()
            await ear.hear(None if next_s is None else max(0.0, next_s - clock.monotonic_s()))
            now_s = clock.monotonic_s()
            if ear.is_over:
                for group, until_s in watch.gone().items():
                    undoing.begin(group, max(until_s - now_s, AT_ONCE_S), "its agent is gone")
            else:
                undoing.leave([group for group in undoing.groups if watch.is_taken_care_of(group, now_s)])
            for group in watch.due(now_s):
                undoing.begin(group, AT_ONCE_S, "its agent hangs")
        if not watch.goodbye:
            await undoing.finish()
    finally:
        undoing.leave(undoing.groups)


class Undoing:
    """Undoes groups, each by itself, until it is done; and tells of it in lines as an agent's.

    Args:
        performer: Has their actuators.
        clock: The machine's.
        agent: The agent's name.
        demote_s: How long each try may take but the first.
        undone: Hears of each group that was undone.
    """

    def __init__(
        self,
        performer: Performer,
        clock: Clock,
        agent: str,
        *,
        demote_s: float = 10.0,
        undone: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._performer = performer
        self._clock = clock
        self._agent = agent
        self._demote_s = demote_s
        self._undone = undone
        self._tasks: dict[str, asyncio.Task[None]] = {}

    @property
    def groups(self) -> tuple[str, ...]:
        """What is being undone."""
        return tuple(group for group, task in self._tasks.items() if not task.done())

    def begin(self, group: str, within_s: float, why: str) -> None:
        """Undo a group, the first time within this time; the others do not wait for it."""
        if group not in self.groups:
            self._tasks[group] = asyncio.get_running_loop().create_task(self._undo(group, within_s, why))

    def leave(self, groups: Iterable[str]) -> None:
        """Break off what is being done with these."""
        for group in groups:
            self._tasks[group].cancel()

    async def finish(self) -> None:
        """Wait until everything is undone."""
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _undo(self, group: str, within_s: float, why: str) -> None:
        """As often as it takes: nothing else stops what may not act any more."""
        pause_s = LEAST_PAUSE_S
        while True:
            try:
                await self._performer.undo(group, within_s)
            except KeyError:
                self._tell("ERROR", "GuardianFailed", group, "the file that was read has no such group")
                return
            except Exception as error:  # noqa: BLE001 - whatever went wrong, it may still act, and is tried again
                self._tell("ERROR", "GuardianFailed", group, str(error))
            else:
                self._undone(group)
                self._tell("WARNING", "GuardianUndid", group, why)
                return
            await asyncio.sleep(pause_s)
            within_s, pause_s = self._demote_s, min(MOST_PAUSE_S, 2 * pause_s)

    def _tell(self, level: str, fact: str, group: str, why: str) -> None:
        """Tell it by a thread of its own: whoever reads the log may have died, or hang."""
        at_s = round(self._clock.monotonic_s(), 6)
        told = {"fact": fact, "at_s": at_s, "agent": self._agent, "group": group, "why": why}
        _write_aside(STDERR, f"{line(level, told, self._clock.wall_s())}\n".encode())


def _write_aside(descriptor: int, data: bytes) -> None:
    def write() -> None:
        with contextlib.suppress(OSError):  # nobody reads it
            os.write(descriptor, data)

    threading.Thread(target=write, daemon=True).start()


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
    made = configuration.agent
    undoing = Undoing(performer, clock, made.name, demote_s=made.demote_within.seconds, undone=_say_undone)
    await asyncio.get_running_loop().connect_read_pipe(lambda: ear, sys.stdin)
    try:
        await guard(ear, watch, undoing, clock)
    finally:
        await performer.close()


def _say_undone(group: str) -> None:
    """Tell the agent; a line of the size of a name is written at once or, where nobody reads, not at all."""
    _write_aside(1, msgspec.json.encode(Undone(group=group)) + b"\n")


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
    for thread in threading.enumerate():
        if thread is not threading.main_thread():
            thread.join(LAST_WORDS_S)  # what they tell is told, unless nobody reads it
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
