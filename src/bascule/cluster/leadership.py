"""The one of many: a block of code that runs in one process at a time, whichever it is, on whatever machine."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from bascule.cluster.agent.acting import Hear
from bascule.cluster.agent.driver import Driver
from bascule.cluster.agent.luck import Luck
from bascule.cluster.decisions import events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing, check
from bascule.cluster.decisions.step import begin
from bascule.cluster.facts import AgentNameTaken
from bascule.cluster.leadership_store import open_store
from bascule.cluster.records import AGENTS, Session, UnreadableError, decode, is_name
from bascule.cluster.stores.port import Store
from bascule.cluster.term import Term
from bascule.guard.stream import FACTS
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import InputError, LeadershipLostError, LeadershipNotGainedError
from bascule.kernel.facts import Fact

LEAVE_LIMIT_S = 10.0
MOST_SLOTS = 1000
JOIN_LIMIT_S = 30.0


class Leadership:
    """Runs its block in one process at a time: `async with Leadership(...) as term:`, or `with` in a thread.

    Entering waits until this process leads. Leaving gives the lease back, so that another process goes on within
    milliseconds. A process that dies is followed once its lease has run out: at most `ttl_s` and a little more.

    When the lease is lost meanwhile, since the store was away for too long or the process was frozen, `term.lost` is
    set before anyone else leads. With `on_lost="cancel"` a block of a task is cancelled too, and `LeadershipLostError`
    is raised where it ends. Threads cannot be cancelled: look at `term.lost`, or call `term.check()`, before each step.
    What was already on its way can be late all the same: give writes `term.token`, see `guarded`.

    It may be entered again after it was left. One object leads once at a time.

    Args:
        group: What is led: a name of letters, digits and `_.-`. All processes with the same group and store compete.
        store: Where leases live: a `Store`, the path of a SQLite file, or a text (`leadership_store.open_store`).
        cluster: Sets groups of the same name apart.
        ttl_s: How long others wait after the last sign of life, in seconds: 0.1 to 3600.
        drift: By how much the speed of any clock may differ from true time.
        name: This process' name in the cluster; by default the host's, with the first free number.
        priority: The higher, the sooner this process is chosen.
        wait_s: How long to wait at the entrance; None: for ever.
        on_lost: What becomes of a task's block when the lease is lost.
        listen: Hears facts; by default `bascule.guard.FACTS` does, and so telemetry.

    Raises:
        InputError: A name or a time is impossible.
    """

    def __init__(
        self,
        group: str,
        *,
        store: Store | str | Path,
        cluster: str = "default",
        ttl_s: float = 10.0,
        drift: float = 0.02,
        name: str = "",
        priority: int = 100,
        wait_s: float | None = None,
        on_lost: Literal["cancel", "signal"] = "cancel",
        listen: Callable[[Fact], None] = FACTS.tell,
    ) -> None:
        for what, text in (("group", group), ("cluster", cluster), ("name", name or "host")):
            if not is_name(text):
                raise InputError(f"{text[:60]!r} is no name", where=what, hint="letters, digits and _.-, at most 63")
        self.group = group
        self.cluster = cluster
        self.timing = check(Timing(ttl_s=ttl_s, drift=drift, stop_s=ttl_s / 10))
        self._where = store
        self._name = name
        self._priority = priority
        self._wait_s = wait_s
        self._on_lost = on_lost
        self._listen = listen
        self._standing: _Standing | None = None
        self._thread: _Thread | None = None

    # -- in a task

    async def __aenter__(self) -> Term:
        """Wait until this process leads.

        Raises:
            LeadershipNotGainedError: It did not come to lead within `wait_s`.
        """
        if self._standing is not None or self._thread is not None:
            raise InputError(f"this leadership of {self.group} is entered already", hint="make another one")
        standing = self._standing = _Standing(self)
        try:
            async with asyncio.timeout(self._wait_s):
                return await standing.enter(cancels=self._on_lost == "cancel")
        except TimeoutError as error:
            if self._wait_s is None:
                raise
            why = standing.state_in_words()
            await self._leave()
            raise LeadershipNotGainedError(
                f"{self.group} was not to be led within {self._wait_s:g} s: {why}", hint="wait longer, or do without"
            ) from error
        except BaseException:
            await self._leave()
            raise

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back.

        Raises:
            LeadershipLostError: The lease was lost, and the block was cancelled for that.
        """
        standing = self._standing
        if standing is None or standing.is_forked:
            return  # a child has no part in its parent's lease, and nothing to give back
        lost = await standing.undo_cancel(kind)
        await self._leave()
        if lost:
            raise LeadershipLostError(f"the lease on {self.group} was lost", hint=standing.why) from error

    async def _leave(self) -> None:
        standing, self._standing = self._standing, None
        if standing is not None:
            await standing.leave()

    # -- in a thread

    def __enter__(self) -> Term:
        """Wait until this process leads; as `async with`, in a thread.

        Raises:
            InputError: The store is an object, which belongs to one event loop: give its path or its text.
        """
        if not isinstance(self._where, str | Path):
            raise InputError("a store belongs to one event loop", hint="give `with` the store's path or its text")
        if self._standing is not None or self._thread is not None:
            raise InputError(f"this leadership of {self.group} is entered already", hint="make another one")
        self._thread = _Thread(self._twin())
        try:
            return self._thread.term()
        except BaseException:
            thread, self._thread = self._thread, None
            thread.leave()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the lease back."""
        thread, self._thread = self._thread, None
        if thread is not None and thread.pid == os.getpid():
            thread.leave()

    def _twin(self) -> Leadership:
        return Leadership(
            self.group,
            store=self._where,
            cluster=self.cluster,
            ttl_s=self.timing.ttl_s,
            drift=self.timing.drift,
            name=self._name,
            priority=self._priority,
            wait_s=self._wait_s,
            on_lost="signal",
            listen=self._listen,
        )

    def store(self) -> tuple[Store, bool]:
        """The store, and whether it was made here and so must be closed here."""
        if isinstance(self._where, str | Path):
            return open_store(self._where, self.timing.renew_s), True
        return self._where, False

    def driver(self, name: str, store: Store, standing: _Standing) -> Driver:
        """A driver for this group alone."""
        group = Group(name=self.group, identity="leadership", priority=self._priority, hold_down_s=0.0)
        return Driver(
            begin(name, self.timing, [group]),
            store,
            standing,
            cluster=self.cluster,
            clock=BootClock(),
            dice=Luck(),
            publish=standing.hear_fact,
        )

    @property
    def fixed_name(self) -> str:
        """The name that was given; empty: one must be found."""
        return self._name

    def tell(self, fact: Fact) -> None:
        """Pass a fact on."""
        self._listen(fact)


class _Standing:
    """One entering of a leadership, from the wait to the leave; the `Acting` of its driver."""

    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._store, self._ours = leadership.store()
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
        self._taken = False
        self.why = ""

    async def enter(self, *, cancels: bool) -> Term:
        """Stand for the group until it is ours."""
        while True:
            self._taken = False
            name = self._leadership.fixed_name or await self._free_name()
            self._driver = self._leadership.driver(name, self._store, self)
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

    @property
    def is_forked(self) -> bool:
        """This is a child of the process that leads."""
        return os.getpid() != self._pid

    async def _free_name(self) -> str:
        """The host's name with the first number whose session is absent or over: names come again, none piles up."""
        host = "".join(one if one.isalnum() or one in "_.-" else "-" for one in socket.gethostname())[:50] or "host"
        prefix = f"bascule/{self._leadership.cluster}/{AGENTS}{host}."
        limit_s = self._leadership.timing.renew_s
        while True:
            try:
                async with asyncio.timeout(limit_s):
                    entries = await self._store.read(prefix)
                break
            except Exception:  # noqa: BLE001 - whatever an adapter raises, the store is away; `wait_s` bounds the wait
                await asyncio.sleep(limit_s)
        alive: set[str] = set()
        for entry in entries:
            with contextlib.suppress(UnreadableError):
                if decode(entry.value, Session).state == "alive":
                    alive.add(entry.key.rpartition(".")[2])
        number = next((number for number in range(1, MOST_SLOTS) if str(number) not in alive), None)
        if number is None:
            raise InputError(f"{MOST_SLOTS} processes of {host} stand for leaderships already", hint="give a name")
        return f"{host}.{number}"

    def hear_fact(self, fact: Fact) -> None:
        """Pass facts on; a name that somebody else has means that another one must be found."""
        self._leadership.tell(fact)
        if isinstance(fact, AgentNameTaken) and not self._leadership.fixed_name and self._running is not None:
            self._taken = True
            self._running.cancel()

    def state_in_words(self) -> str:
        """Why it does not lead, for an error."""
        if self._driver is None:
            return "the store does not answer"
        state = self._driver.state
        claim = state.groups[self._leadership.group].claim
        if state.complete_s < 0:
            return "the store does not answer"
        return f"{claim.holder} leads" if claim and claim.holder else "nobody leads yet"

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
        """The term is over: the block is told, and once it has ended, so is the driver."""
        del token
        self.why = self.why or why
        if self._term is not None:
            self._term.lost.set(why)
        if self._inside:
            self._waiting = hear
            self._cancel_body()
            left_s = until_s - BootClock().monotonic_s()
            if left_s < math.inf:
                asyncio.get_running_loop().call_later(max(left_s, 0.05), self._still_inside, hear)
        else:
            hear(events.Demoted(group=group))

    def announce(self) -> None:
        """Nobody has to know."""

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        """Nobody can be fenced from inside of an application."""
        hear(events.Fenced(peer=peer, session=session, confirmed=False, why=f"{group} has no fence"))

    # -- the end

    def _cancel_body(self) -> None:
        if self._body is not None and not self._cancelled:
            self._cancelled = True
            self._body.cancel(f"the lease on {self._leadership.group} is lost")

    def _still_inside(self, hear: Hear) -> None:
        if self._waiting is hear and self._inside:
            self._waiting = None
            group = self._leadership.group
            hear(events.DemotingFailed(group=group, why="the block has not ended although its lease is lost"))

    async def undo_cancel(self, kind: type[BaseException] | None) -> bool:
        """Take back that we cancelled the block, as `asyncio.timeout` does; returns whether the loss is to be raised.

        A cancellation from outside goes before; so does an error of the block's own.
        """
        body, self._body, self._inside = self._body, None, False
        if not self._cancelled or body is None:
            return body is not None and kind is None and self._term is not None and self._term.lost.is_set()
        from_outside = body.uncancel() > self._cancelling
        if kind is not asyncio.CancelledError and not from_outside:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0)  # ours may still be on its way, and would hit the giving back
        return not from_outside and kind in {None, asyncio.CancelledError}

    async def leave(self) -> None:
        """The block has ended: give the lease back, and let go of everything, also when that is cancelled meanwhile."""
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
                    self._waiting(events.Demoted(group=self._leadership.group))
                self._driver.hear(events.Stopping())
                limit_s = min(self._leadership.timing.ttl_s, LEAVE_LIMIT_S)
                await asyncio.wait([self._running], timeout=limit_s)
        finally:
            if self._term is not None:
                self._term.lost.set("it was given back")
            if self._running is not None:
                self._running.cancel()
                await asyncio.gather(self._running, return_exceptions=True)
            if self._ours:
                await self._store.close()


class _Thread:
    """The event loop of a leadership that is entered from a thread."""

    def __init__(self, leadership: Leadership) -> None:
        self._leadership = leadership
        self._gained: Future[Term] = Future()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._serving: asyncio.Task[None] | None = None
        self._left = threading.Event()
        self.pid = os.getpid()
        self._thread = threading.Thread(target=self._run, name=f"leadership {leadership.group}", daemon=True)
        self._thread.start()

    def term(self) -> Term:
        """The term, once this process leads; raises what kept it from that."""
        return self._gained.result()

    def leave(self) -> None:
        """The block has ended: give the lease back."""
        self._left.set()
        loop, serving = self._loop, self._serving
        if loop is not None and serving is not None:
            with contextlib.suppress(RuntimeError):  # it has ended meanwhile
                loop.call_soon_threadsafe(serving.cancel)
        self._thread.join(JOIN_LIMIT_S)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:  # noqa: BLE001 - whoever waits for the term must hear of it
            if not self._gained.done():
                self._gained.set_exception(error)

    async def _serve(self) -> None:
        self._loop, self._serving = asyncio.get_running_loop(), asyncio.current_task()
        if self._left.is_set():
            return  # whoever wanted it has left already
        with contextlib.suppress(asyncio.CancelledError):
            async with self._leadership as term:
                self._gained.set_result(term)
                if not self._left.is_set():
                    await asyncio.Event().wait()
