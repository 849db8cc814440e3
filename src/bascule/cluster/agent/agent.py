"""An agent: its file's parts put together, run, asked, reloaded, and taken down again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import signal
from collections.abc import Coroutine, Mapping
from typing import Any

from msgspec import structs

from bascule.cluster import facts
from bascule.cluster.agent import registry
from bascule.cluster.agent.checking import keep_checking
from bascule.cluster.agent.configuration import Configuration, GroupPart, load
from bascule.cluster.agent.control import Control, Request
from bascule.cluster.agent.driver import Driver, Publish
from bascule.cluster.agent.guardian import Guardian
from bascule.cluster.agent.luck import Luck
from bascule.cluster.agent.notify import ServiceManager
from bascule.cluster.agent.peers import Peers, read_key
from bascule.cluster.agent.performing import Performer
from bascule.cluster.agent.status import Status, status
from bascule.cluster.decisions import events
from bascule.cluster.decisions.step import begin
from bascule.cluster.fencing.watchdog import KernelDevice, Watchdog, timeout_for
from bascule.cluster.records import ORDERS, SETTINGS, Order, Settings, encode
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import BasculeError, ClusterError, FenceError, InputError, StoreError

SWITCHOVER_LIMIT_S = 30.0
POLL_S = 0.01
PROMISE_LIMIT_S = 10.0


class Agent:
    """One node's part in a cluster.

    Args:
        configuration: From the agent's file.
        publish: Hears every fact.
        manager: Whoever started this process and wants to hear how it is; by default nobody.
    """

    def __init__(self, configuration: Configuration, publish: Publish, manager: ServiceManager | None = None) -> None:
        self.configuration = configuration
        self._manager = manager or ServiceManager({})
        self._publish = publish
        self._clock = BootClock()
        made = configuration.agent
        self._store = registry.make_store(configuration.store, configuration.timing.renew_s)
        self._guardian = Guardian(configuration.path) if made.guardian else None
        self._fences = {name: registry.make_other(one) for name, one in configuration.fences.items()}
        self._performer = Performer(
            made.cluster,
            made.name,
            {name: _actuators(group) for name, group in configuration.groups.items()},
            clock=self._clock,
            publish=publish,
            fence=self._fence,
            on_hold=self._hold,
            promote_s=made.promote_within.seconds,
            demote_s=made.demote_within.seconds,
            verify_s=made.verify_every.seconds,
        )
        self._watchdog = _watchdog(configuration, self._clock)
        self._feeding: asyncio.Task[None] | None = None
        self._held: Mapping[str, float] = {}
        self._control = Control(configuration.control, self._answer)
        self._peers: Peers | None = None
        self._driver: Driver | None = None
        self._checks: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[Any]] = set()

    @property
    def driver(self) -> Driver:
        """The driver, once the agent runs.

        Raises:
            ClusterError: It does not run yet.
        """
        if self._driver is None:
            raise ClusterError("the agent does not take part yet", hint="ask again in a moment")
        return self._driver

    async def run(self) -> None:
        """Take part until SIGTERM or SIGINT; then give everything back, and undo everything.

        Raises:
            BasculeError: The control socket, the peers' address or the guardian cannot be had; or an earlier process
                left something that cannot be undone.
        """
        made = self.configuration.agent
        await self._control.start()
        try:
            await self._performer.undo_leftovers()
            address = await self._listen()
            if self._guardian is not None:
                await self._guardian.start()
                self._keep(self._guardian.keep())
            if self._watchdog is not None:
                self._watchdog.start()
                self._feeding = asyncio.get_running_loop().create_task(self._feed(self._watchdog))
            self._driver = Driver(
                begin(
                    made.name,
                    self.configuration.timing,
                    [group.decided for group in self.configuration.groups.values()],
                    address=address,
                    failsafe=made.without_store == "hold",
                ),
                self._store,
                self._performer,
                cluster=made.cluster,
                clock=self._clock,
                dice=Luck(),
                publish=self._publish,
                asking=self._peers,
            )
            self._check_all()
            self._keep(self._tell_promise())
            self._keep(self._try_fences())
            self._keep(self._stay_alive())
            self._manager.ready(self._in_a_line())
            with self._signals():
                await self._driver.run()
        finally:
            await self._take_down()

    async def _stay_alive(self) -> None:
        """Say that the event loop turns, in which all decisions are taken; a manager that misses it steps in."""
        every_s = self._manager.alive_every_s
        while every_s is not None:
            self._manager.alive()
            await asyncio.sleep(every_s)

    def _in_a_line(self) -> str:
        return f"acts for {', '.join(sorted(self._held))}" if self._held else "stands by"

    async def _try_fences(self) -> None:
        """Tell of each fence that would not work: better now than when it is needed."""
        for peer, fence in self._fences.items():
            try:
                await fence.try_out()
            except FenceError as error:
                made, now_s = self.configuration.agent, self._clock.monotonic_s()
                self._publish(facts.FenceFailed(at_s=now_s, agent=made.name, peer=peer, why=f"tried out: {error}"))

    async def _tell_promise(self) -> None:
        """Tell what an acknowledged lease is worth, where that depends on how the store is set up."""
        promises = getattr(self._store, "promises", None)
        if promises is None:
            return
        with contextlib.suppress(StoreError, TimeoutError):  # the reads tell that the store is away
            async with asyncio.timeout(PROMISE_LIMIT_S):
                promise = await promises()
            made = self.configuration.agent
            self._publish(facts.StorePromised(at_s=self._clock.monotonic_s(), agent=made.name, promise=promise))

    async def _listen(self) -> str:
        if self.configuration.peers is None:
            return ""
        made = self.configuration.agent
        key = read_key(self.configuration.path.parent / self.configuration.peers.key_file)
        self._peers = Peers(made.cluster, made.name, key, self._address_of, self._hear)
        return await self._peers.listen(self.configuration.peers.listen)

    def _hear(self, event: events.Event) -> None:
        if self._driver is not None:
            self._driver.hear(event)

    def _address_of(self, peer: str) -> str:
        known = self.driver.state.peers.get(peer)
        return known.record.address if known else ""

    @contextlib.contextmanager
    def _signals(self) -> Any:  # noqa: ANN401 - a context manager
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self.stop)
        loop.add_signal_handler(signal.SIGHUP, lambda: self._keep(self._reload_by_signal()))
        try:
            yield
        finally:
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                loop.remove_signal_handler(number)

    def stop(self) -> None:
        """Give everything back; `run` returns once that is done."""
        self._manager.stopping("hands over")
        self.driver.hear(events.Stopping())

    def _keep(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _take_down(self) -> None:
        for task in (*self._checks.values(), *self._tasks):
            task.cancel()
        await asyncio.gather(*self._checks.values(), *self._tasks, return_exceptions=True)
        undone = await self._performer.give_up()
        if self._feeding is not None:
            self._feeding.cancel()  # only now: until all was undone, the watchdog is fed as long as the lease holds
            await asyncio.gather(self._feeding, return_exceptions=True)
        if self._watchdog is not None and undone:
            self._watchdog.stop()
        if self._guardian is not None:
            await self._guardian.let_go()
        if self._peers is not None:
            self._peers.close()
        await self._store.close()
        await self._control.close()

    # -- what the decisions want

    def _hold(self, until_s: Mapping[str, float]) -> None:
        before, self._held = self._held, until_s
        if before.keys() != until_s.keys():
            self._manager.status(self._in_a_line())
        if self._guardian is not None:
            self._guardian.hold(until_s)

    async def _feed(self, watchdog: Watchdog) -> None:
        """Pet the watchdog for as long as what is held here holds; it resets the machine if that ends and we do not."""
        while True:
            watchdog.pet(min(self._held.values(), default=math.inf))
            await asyncio.sleep(watchdog.pet_every_s)

    async def _fence(self, peer: str, group: str) -> None:
        fence = self._fences.get(peer)
        if fence is None:
            raise FenceError(f"nobody said how {peer} is fenced", where=group, hint=f"[fences.{peer}]")
        await fence.fence(peer)

    def _check_all(self) -> None:
        for task in self._checks.values():
            task.cancel()
        self._checks = {
            name: self._keep(keep_checking(name, registry.make_other(group.check), group.times, self.driver.hear))
            for name, group in self.configuration.groups.items()
            if group.check is not None
        }

    # -- what operators want

    async def _answer(self, request: Request) -> object:
        match request.do:
            case "status":
                return self.status()
            case "switchover":
                return await self._switchover(request)
            case "pause" | "resume":
                return await self._settle(paused=request.do == "pause", by=request.by)
            case "fence":
                return await self._fence_by_order(request)
            case "reload":
                return await self._reload()

    def status(self) -> Status:
        """The agent and its cluster, as it sees it now."""
        now_s = self._clock.monotonic_s()
        return status(self.driver.state, now_s, cluster=self.configuration.agent.cluster, store=self._store.name)

    async def _swap(self, key: str, value: bytes, expected: int) -> None:
        full = f"bascule/{self.configuration.agent.cluster}/{key}"
        async with asyncio.timeout(5):
            if await self._store.swap(full, value, expected) is None:
                raise ClusterError("somebody else asked for something at the same time", hint="look, and ask again")

    async def _revision(self, key: str) -> int:
        full = f"bascule/{self.configuration.agent.cluster}/{key}"
        async with asyncio.timeout(5):
            there = [entry for entry in await self._store.read(full) if entry.key == full]
        return there[0].revision if there else 0

    async def _switchover(self, request: Request) -> object:
        """Order a handover, and see it done."""
        group = self.driver.state.groups.get(request.group)
        if group is None:
            known = ", ".join(self.driver.state.groups) or "none"
            raise InputError(f"this agent has no group {request.group!r}", hint=f"it has {known}")
        if group.claim is None or not group.claim.holder:
            raise ClusterError(f"nobody holds {request.group}", hint="bascule cluster status")
        if request.to and request.to == group.claim.holder:
            raise ClusterError(f"{request.to} holds {request.group} already")
        stands = {
            name
            for name, profile in self.driver.state.profiles.items()
            if (one := profile.groups.get(request.group)) is not None and one.eligible
        } - {group.claim.holder}
        if (request.to and request.to not in stands) or not stands:
            who = request.to or "nobody else"
            raise ClusterError(f"{who} may not be chosen for {request.group}", hint="bascule cluster status says why")
        token, began_s = group.revision, self._clock.monotonic_s()
        order = Order(
            group=request.group, id=secrets.token_hex(8), token=token, to=request.to, by=request.by or "an operator"
        )
        await self._swap(ORDERS + request.group, encode(order), await self._revision(ORDERS + request.group))
        while self._clock.monotonic_s() < began_s + SWITCHOVER_LIMIT_S:
            if order.id in self.driver.state.refused:
                hint = "HandoverRefused in the log says why"
                raise ClusterError(f"{request.group} stays with {group.claim.holder}", hint=hint)
            now = self.driver.state.groups[request.group]
            if now.claim and now.claim.holder and now.revision > token and now.claim.holder != group.claim.holder:
                took_s = round(self._clock.monotonic_s() - began_s, 3)
                return {"group": request.group, "from": group.claim.holder, "to": now.claim.holder, "took_s": took_s}
            await asyncio.sleep(POLL_S)
        raise ClusterError(
            f"{request.group} was not handed over within {SWITCHOVER_LIMIT_S:g} s", hint="cluster status"
        )

    async def _settle(self, *, paused: bool, by: str) -> object:
        state = self.driver.state
        settings = structs.replace(state.settings, paused=paused, by=by[:400])
        await self._swap(SETTINGS, encode(settings), await self._revision(SETTINGS))
        return {"paused": paused}

    async def _fence_by_order(self, request: Request) -> object:
        """Cut a peer off, or take the operator's word that it is off, and let its groups be taken over at once."""
        peer = self.driver.state.peers.get(request.peer)
        if peer is None:
            known = ", ".join(self.driver.state.peers) or "none"
            raise InputError(f"no agent is called {request.peer!r}", hint=f"known: {known}")
        if request.peer == self.configuration.agent.name:
            raise InputError("an agent does not fence itself", hint="stop it")
        if not request.confirmed:
            await self._fence(request.peer, "ordered")
        state = self.driver.state
        freed = (*state.settings.freed, f"{request.peer}/{peer.record.session}")[-50:]
        settings: Settings = structs.replace(state.settings, freed=freed)
        await self._swap(SETTINGS, encode(settings), await self._revision(SETTINGS))
        return {"fenced": request.peer, "session": peer.record.session}

    async def _reload_by_signal(self) -> None:
        self._manager.reloading()
        try:
            await self._reload()
        except BasculeError as error:
            self._manager.ready(f"{self._in_a_line()}; the file was not taken: {error}")
        else:
            self._manager.ready(self._in_a_line())

    async def _reload(self) -> object:
        """Read the file again; groups and checks change, sessions and terms go on.

        Raises:
            InputError: The file is wrong, or changes what only a restart can change.
        """
        fresh = load(self.configuration.path)
        before = self.configuration
        fixed = ("agent", "store", "peers", "watchdog")
        changed = [name for name in fixed if getattr(fresh, name) != getattr(before, name)]
        if changed:
            raise InputError(
                f"[{changed[0]}] cannot be changed by a reload", where=str(fresh.path), hint="restart the agent"
            )
        different = [
            name
            for name, group in fresh.groups.items()
            if name not in before.groups or before.groups[name].actuators != group.actuators
        ]
        busy = [name for name in different if self._performer.is_active(name)]
        if busy:
            hint = f"bascule cluster switchover {busy[0]}, then reload"
            raise InputError(
                f"{busy[0]} is active here, and its actuators have changed", where=str(fresh.path), hint=hint
            )
        for name in different:
            self._performer.add(name, _actuators(fresh.groups[name]))
        self._fences = {name: registry.make_other(one) for name, one in fresh.fences.items()}
        self.configuration = fresh
        self.driver.hear(events.Reconfigured(groups=tuple(group.decided for group in fresh.groups.values())))
        self._check_all()
        if self._guardian is not None:
            self._guardian.renew()
        return {"groups": sorted(fresh.groups), "changed": different}


def _watchdog(configuration: Configuration, clock: BootClock) -> Watchdog | None:
    if configuration.watchdog is None:
        return None
    timing, path = configuration.timing, configuration.watchdog.device
    return Watchdog(
        KernelDevice(path),
        path,
        timeout_s=timeout_for(timing.valid_s, timing.renew_s, timing.drift),
        stop_s=timing.stop_s,
        drift=timing.drift,
        clock=clock,
    )


def _actuators(group: GroupPart) -> list[Any]:
    return [registry.make_actuator(one) for one in group.actuators]
