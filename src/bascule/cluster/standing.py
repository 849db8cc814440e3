"""One entering of a leadership, from the wait at the entrance to the lease that is given back."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
import os
import re
import socket
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bascule.cluster.agent.acting import Hear
from bascule.cluster.agent.driver import Driver
from bascule.cluster.agent.luck import Luck
from bascule.cluster.decisions import events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.state import NEVER_S
from bascule.cluster.decisions.step import begin
from bascule.cluster.facts import StoreBack, StoreLost
from bascule.cluster.leadership_store import open_store
from bascule.cluster.records import AGENTS, Session, UnreadableError, decode
from bascule.cluster.stores.port import Entry, Store
from bascule.cluster.term import Term
from bascule.guard.stream import FACTS
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import InputError, LeadershipNotGainedError
from bascule.kernel.facts import Fact

LOGGER = logging.getLogger("bascule.cluster")
LEAVE_LIMIT_S = 10.0
MOST_SLOTS = 1000
LEAST_PATIENCE_S = 0.05
"""How long a body has to leave when it was too late from the start: a cancellation takes some turns of the loop."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is led, and how: the same for each entering.

    Attributes:
        name: This process' name in the cluster; empty: one is found.
        wait_s: How long to wait at the entrance; None: for ever.
        tell: Hears facts.
    """

    group: str
    where: Store | str | Path
    cluster: str
    timing: Timing
    name: str
    priority: int
    wait_s: float | None
    tell: Callable[[Fact], None]


class Standing:
    """Stands for one group in one event loop, and is the `Acting` of its driver.

    The body is the block of code that runs while this process leads. It is told that the lease is lost; the driver is
    told that the term has ended only once the body has left.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._ours = isinstance(plan.where, str | Path)
        self._store = open_store(plan.where, plan.timing.renew_s) if isinstance(plan.where, str | Path) else plan.where
        self._clock = BootClock()
        self._driver: Driver | None = None
        self._running: asyncio.Task[None] | None = None
        self._gained: asyncio.Future[Term] = asyncio.get_running_loop().create_future()
        self._term: Term | None = None
        self._body: asyncio.Task[object] | None = None
        self._cancelled = False
        self._cancelling = 0
        self._inside = False
        self._pid = os.getpid()
        self._waiting: Hear | None = None
        self._overdue = False
        self._taken = False
        self._away = ""
        self._warned = False
        self.why = ""

    # -- the entrance

    async def enter(self, *, cancels: bool) -> Term:
        """Wait until the group is ours. However this fails, everything was given back.

        Args:
            cancels: This task is the body, and is cancelled when the lease is lost.

        Raises:
            LeadershipNotGainedError: It was not within the plan's `wait_s`.
            InputError: The store refuses what it is asked, and always will.
        """
        limit = asyncio.timeout(self._plan.wait_s)
        try:
            async with limit:
                return await self._stand(cancels=cancels)
        except TimeoutError as error:
            why = self._state_in_words()
            await self.leave()
            if not limit.expired():
                raise
            raise LeadershipNotGainedError(
                f"{self._plan.group} was not to be led within {self._plan.wait_s:g} s: {why}",
                hint="wait longer, or do without",
            ) from error
        except BaseException:
            await self.leave()
            raise

    async def _stand(self, *, cancels: bool) -> Term:
        while True:
            self._taken = False
            self._driver = self._make_driver(self._plan.name or await self._free_name())
            self._running = asyncio.create_task(self._driver.run())
            self._running.add_done_callback(self._driver_ended)
            term = await self._gained_term(self._running)
            if term is not None:
                self._body = asyncio.current_task() if cancels else None
                self._cancelling = self._body.cancelling() if self._body else 0
                self._inside = True
                return term
            if not self._taken:
                await self._running  # raises what ended it

    def _make_driver(self, name: str) -> Driver:
        plan = self._plan
        group = Group(name=plan.group, identity="leadership", priority=plan.priority, hold_down_s=0.0)
        store: Store = self._store
        if not plan.name:
            store = _Named(store, f"bascule/{plan.cluster}/{AGENTS}{name}", self._lost_name)
        return Driver(
            begin(name, plan.timing, [group]),
            store,
            self,
            cluster=plan.cluster,
            clock=self._clock,
            dice=Luck(),
            publish=self._tell,
        )

    def _tell(self, fact: Fact) -> None:
        """Pass a fact on. A wait for a store that is away would be a silent one: the first loss is logged then."""
        self._plan.tell(fact)
        if isinstance(fact, StoreLost) and not (self._inside or self._warned or FACTS.is_heard):
            self._warned = True
            LOGGER.warning("waiting to lead %s: the store does not answer: %s", self._plan.group, fact.why)

    async def _gained_term(self, running: asyncio.Task[None]) -> Term | None:
        """A term that is not lost already; None: the driver has ended."""
        while True:
            either: set[asyncio.Future[Any]] = {self._gained, running}
            await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
            if not self._gained.done():
                return None
            term = self._gained.result()
            if not term.lost.is_set():
                return term
            self._gained = asyncio.get_running_loop().create_future()

    def _driver_ended(self, running: asyncio.Task[None]) -> None:
        """Nobody keeps the lease any more, by a fault of ours: whoever is inside must hear of it."""
        if self._inside and not running.cancelled() and running.exception() is not None and self._term is not None:
            self.why = self.why or f"a fault of bascule itself: {running.exception()}"
            self._term.lost.set(self.why)
            self._cancel_body()

    async def _free_name(self) -> str:
        """The host's name with the first number whose session is absent or over: names come again, none piles up.

        Two processes may choose the same: a compare-and-swap lets one have it, and the other one chooses again at once.
        A number whose process was killed comes free as soon as another process of the cluster ends its session.
        """
        host = re.sub(r"[^A-Za-z0-9_.-]", "-", socket.gethostname())[:50] or "host"
        alive: set[str] = set()
        for entry in await self._sessions(f"{host}."):
            try:
                is_over = decode(entry.value, Session).state == "ended"
            except UnreadableError:
                is_over = False  # whatever it is, it is not ours to write over
            if not is_over:
                alive.add(entry.key.rpartition(".")[2])
        number = next((number for number in range(1, MOST_SLOTS) if str(number) not in alive), None)
        if number is None:
            raise InputError(f"{MOST_SLOTS} processes of {host} stand for leaderships already", hint="give a name")
        return f"{host}.{number}"

    async def _sessions(self, prefix: str) -> tuple[Entry, ...]:
        """What the store has of them, once it answers."""
        limit_s = self._plan.timing.renew_s
        lost_s: float | None = None
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    entries = await self._store.read(f"bascule/{self._plan.cluster}/{AGENTS}{prefix}")
            except InputError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever an adapter raises, the store is away; `wait_s` bounds the wait
                self._away = str(error) or type(error).__name__
                if lost_s is None:
                    lost_s = self._clock.monotonic_s()
                    self._tell(StoreLost(at_s=lost_s, agent=prefix.rstrip("."), why=self._away))
                await asyncio.sleep(limit_s)
            else:
                self._away = ""
                if lost_s is not None:
                    now_s = self._clock.monotonic_s()
                    self._tell(StoreBack(at_s=now_s, agent=prefix.rstrip("."), away_s=now_s - lost_s))
                return entries

    def _lost_name(self) -> None:
        """Somebody else was faster with this name: another one must be found. A name that leads is kept."""
        if not self._gained.done() and not self._inside and self._running is not None:
            self._taken = True
            self._running.cancel()

    def _state_in_words(self) -> str:
        """Why it does not lead, for an error."""
        state = None if self._driver is None else self._driver.state
        away = self._away or (state.lost_why if state is not None and state.lost_s != NEVER_S else "")
        if away or self._driver is None or self._driver.state.complete_s < 0:
            return f"the store does not answer{f': {away}' if away else ''}"
        claim = self._driver.state.groups[self._plan.group].claim
        return f"{claim.holder} leads" if claim and claim.holder else "nobody leads yet"

    @property
    def is_forked(self) -> bool:
        """This is a child of the process that leads."""
        return os.getpid() != self._pid

    # -- what the driver wants

    def promote(self, group: str, token: int, until_s: float, hear: Hear) -> None:
        """This process leads."""
        self._term = Term(group, token, until_s)
        hear(events.Promoted(group=group))
        if self._gained.done():
            self._gained = asyncio.get_running_loop().create_future()
        self._gained.set_result(self._term)

    def extend(self, until_s: float) -> None:
        """The term holds until then."""
        if self._term is not None:
            self._term.extend(until_s)

    def demote(self, group: str, token: int, until_s: float, why: str, hear: Hear) -> None:
        """The term is over: the body is told, and once it has left, so is the driver.

        That the body has not left in time is told once. There is nothing to try again: the driver waits for it.
        """
        del token
        self.why = self.why or why
        if self._term is not None:
            self._term.lost.set(why)
        if not self._inside:
            hear(events.Demoted(group=group))
            return
        self._waiting = hear
        self._cancel_body()
        if until_s < math.inf and not self._overdue:
            left_s = max(LEAST_PATIENCE_S, until_s - self._clock.monotonic_s())
            asyncio.get_running_loop().call_later(left_s, self._still_inside, hear)

    def announce(self) -> None:
        """Nobody has to know."""

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        """Nobody can be fenced from inside of an application."""
        hear(events.Fenced(peer=peer, session=session, confirmed=False, why=f"{group} has no fence"))

    def _cancel_body(self) -> None:
        if self._body is not None and not self._cancelled:
            self._cancelled = True
            self._body.cancel(f"the lease on {self._plan.group} is lost")

    def _still_inside(self, hear: Hear) -> None:
        if self._inside and not self._overdue and self._waiting is not None:
            self._overdue, self._waiting = True, None
            hear(
                events.DemotingFailed(group=self._plan.group, why="the block has not ended although its lease is lost")
            )

    # -- the end

    def end_body(self, kind: type[BaseException] | None) -> bool:
        """The body has left; returns whether that the lease was lost is to be raised.

        Takes back that we cancelled the body, as `asyncio.timeout` does: a cancellation from outside goes before, and
        so does an error of the body's own.
        """
        body, self._body, self._inside = self._body, None, False
        if body is None:
            return False
        if not self._cancelled:
            return kind is None and self._term is not None and self._term.lost.is_set()
        from_outside = body.uncancel() > self._cancelling
        return not from_outside and kind in {None, asyncio.CancelledError}

    async def leave(self) -> None:
        """Give the lease back, and let go of everything, also when that is cancelled meanwhile."""
        self._inside = False
        leaving = asyncio.create_task(self._give_back())
        try:
            await asyncio.shield(leaving)
        except asyncio.CancelledError:
            await asyncio.wait([leaving])
            raise

    async def _give_back(self) -> None:
        try:
            if self._driver is not None and self._running is not None and not self._running.done():
                if self._waiting is not None:
                    self._waiting(events.Demoted(group=self._plan.group))
                self._driver.hear(events.Stopping())
                await asyncio.wait([self._running], timeout=min(self._plan.timing.ttl_s, LEAVE_LIMIT_S))
        finally:
            if self._term is not None:
                self._term.lost.set("it was given back")
            if self._running is not None:
                self._running.cancel()
                await asyncio.gather(self._running, return_exceptions=True)
            if self._ours:
                await self._store.close()


class _Named:
    """A store that notices at once when a name is somebody else's; the driver may wait a whole lease for it."""

    def __init__(self, store: Store, key: str, lost: Callable[[], None]) -> None:
        self.name = store.name
        self.watch = store.watch
        self.close = store.close
        self._store = store
        self._key = key
        self._lost = lost
        self._ours: set[str] = set()

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        entries = await self._store.read(prefix)
        there = next((entry for entry in entries if entry.key == self._key), None)
        with contextlib.suppress(UnreadableError):
            record = decode(there.value, Session) if there is not None else None
            if record is not None and record.state == "alive" and record.session not in self._ours:
                self._lost()
        return entries

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        if key == self._key:
            self._ours.add(decode(value, Session).session)
        revision = await self._store.swap(key, value, expected)
        if revision is None and key == self._key:
            self._lost()
        return revision
