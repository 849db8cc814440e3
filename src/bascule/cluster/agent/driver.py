"""Runs the decisions of one agent in an event loop: what happens becomes events, and effects are carried out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Coroutine
from typing import Any

from bascule.cluster.agent.acting import Acting, Asking
from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.state import NEVER_S, State
from bascule.cluster.decisions.step import step_once
from bascule.cluster.records import AGENTS
from bascule.cluster.stores.port import Entry, Store
from bascule.kernel.clock import Clock
from bascule.kernel.dice import Dice
from bascule.kernel.errors import StoreError
from bascule.kernel.facts import Fact

Publish = Callable[[Fact], None]
WATCH_AGAIN_S = 0.5
MOST_AT_ONCE = 8
"""Claims and profiles that are on their way at once: hundreds would hold up each other, and the renewal, on the way."""


class Driver:
    """One agent at work. Lives in one event loop; every step happens there, one after the other.

    Args:
        state: Where it begins: `decisions.step.begin`.
        store: Where leases live.
        acting: What follows the leases.
        cluster: The cluster's name: the prefix of its registers.
        clock: The machine's clock that never goes back and goes on during sleep: `BootClock`.
        dice: For the words of sessions: not to be guessed, and never the same in two processes.
        publish: Hears every fact; must not block.
        asking: The way to the peers; None where nobody holds without the store.

    Attributes:
        state: What the agent knows now.
    """

    def __init__(
        self,
        state: State,
        store: Store,
        acting: Acting,
        *,
        cluster: str,
        clock: Clock,
        dice: Dice,
        publish: Publish,
        asking: Asking | None = None,
    ) -> None:
        self.state = state
        self._store = store
        self._acting = acting
        self._asking = asking
        self._prefix = f"bascule/{cluster}/"
        self._clock = clock
        self._dice = dice
        self._publish = publish
        self._heard: list[events.Event] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._ended: asyncio.Future[None] | None = None
        self._gate = asyncio.Semaphore(MOST_AT_ONCE)

    async def run(self) -> None:
        """Take part in the cluster until everything is given back after `Stopping`.

        Raises:
            Exception: A fault of the decisions themselves. Nothing is given back then: the caller must see to it that
                nothing acts any more.
        """
        self._loop = asyncio.get_running_loop()
        self._ended = self._loop.create_future()
        try:
            self._start(self._watch())
            self._loop.call_soon(self._step)
            await self._ended
        finally:
            await self._let_go()

    async def _let_go(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def hear(self, event: events.Event) -> None:
        """Take a step for this event, and all that come in the same turn of the event loop; carry out what follows."""
        self._heard.append(event)
        if len(self._heard) == 1 and self._loop is not None:
            self._loop.call_soon(self._step)

    def _step(self) -> None:
        if self._ended is None or self._ended.done():
            return
        heard, self._heard = self._heard, []
        try:
            self.state, wanted = step_once(self.state, heard, self._clock.monotonic_s(), self._dice)
            for effect in wanted:
                self._carry_out(effect)
        except Exception as error:  # noqa: BLE001 - whoever runs the agent must hear of it, wherever it came up
            if not self._ended.done():
                self._ended.set_exception(error)
        else:
            self._set_timer()

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self.state.due_s < NEVER_S:
            in_s = max(0.0, self.state.due_s - self._clock.monotonic_s())
            self._timer = asyncio.get_running_loop().call_later(in_s, self.hear, events.Ticked())

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Tell():
                self._publish(effect.fact)
            case effects.Read():
                self._start(self._read())
            case effects.Swap() if effect.key.startswith(AGENTS):
                self._start(self._swap(effect))
            case effects.Swap():
                self._start(self._swap_in_turn(effect))
            case effects.Extend():
                self._acting.extend(effect.until_s)
            case effects.Promote():
                self._acting.promote(effect.group, effect.token, effect.until_s, self.hear)
            case effects.Demote():
                self._acting.demote(effect.group, effect.token, effect.until_s, effect.why, self.hear)
            case _:
                self._carry_out_rarely(effect)

    def _carry_out_rarely(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Announce():
                self._acting.announce()
            case effects.Fence():
                self._acting.fence(effect.peer, effect.session, effect.group, self.hear)
            case effects.Ask() if self._asking is not None:
                self._asking.ask(effect.session, effect.number, effect.witnesses)
            case effects.Confirm() if self._asking is not None:
                self._asking.confirm(effect.peer, effect.session, effect.number)
            case effects.End() if self._ended is not None and not self._ended.done():
                self._ended.set_result(None)

    def _start(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # -- the store

    async def _read(self) -> None:
        try:
            async with asyncio.timeout(self.state.timing.renew_s):
                entries = await self._store.read(self._prefix)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises, the store was not read
            self.hear(events.ReadFailed(why=_why(error, "reading")))
        else:
            self.hear(events.Seen(entries=tuple(self._ours(entry) for entry in entries), complete=True))

    async def _swap_in_turn(self, wanted: effects.Swap) -> None:
        async with self._gate:
            await self._swap(wanted)

    async def _swap(self, wanted: effects.Swap) -> None:
        sent_s = self._clock.monotonic_s()
        try:
            async with asyncio.timeout(self.state.timing.renew_s):
                revision = await self._store.swap(self._prefix + wanted.key, wanted.value, wanted.expected)
        except Exception as error:  # noqa: BLE001 - whatever an adapter raises, it may have written
            self.hear(events.SwapUnknown(key=wanted.key, why=_why(error, "writing")))
        else:
            self.hear(events.Swapped(key=wanted.key, value=wanted.value, sent_s=sent_s, revision=revision))

    async def _watch(self) -> None:
        """Hear of changes as they happen; again and again after the store was lost.

        Our own renewals come by here too: a watch that is silent for a whole ttl while we renew has died unnoticed.
        """
        while True:
            works = False
            with contextlib.suppress(Exception):  # the reads tell what is wrong with the store
                async with contextlib.aclosing(self._store.watch(self._prefix)) as changes:  # type: ignore[type-var]  # every adapter's is a generator
                    while True:
                        async with asyncio.timeout(self.state.timing.ttl_s * (1 if works else 3)):
                            entry = await anext(changes)
                        if not works:
                            works = True
                            self.hear(events.Watched(works=True))
                        self.hear(events.Seen(entries=(self._ours(entry),)))
            if works:
                self.hear(events.Watched(works=False))
            await asyncio.sleep(min(WATCH_AGAIN_S, self.state.timing.renew_s))

    def _ours(self, entry: Entry) -> Entry:
        return Entry(key=entry.key.removeprefix(self._prefix), value=entry.value, revision=entry.revision)


def _why(error: Exception, what: str) -> str:
    if isinstance(error, TimeoutError):
        return f"{what} took too long"
    return str(error) if isinstance(error, StoreError) else f"{type(error).__name__}: {error}"
