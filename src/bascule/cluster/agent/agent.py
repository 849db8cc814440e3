"""An agent: its file's parts put together, run, asked, reloaded, and taken down again."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
from collections.abc import Coroutine, Mapping
from typing import Any

from bascule.cluster import facts
from bascule.cluster.agent import registry
from bascule.cluster.agent.checking import keep_checking
from bascule.cluster.agent.configuration import Configuration, GroupPart, load
from bascule.cluster.agent.control import Control, Request
from bascule.cluster.agent.driver import Driver, Publish
from bascule.cluster.agent.examination import examine
from bascule.cluster.agent.guarding import Guardian
from bascule.cluster.agent.luck import Luck
from bascule.cluster.agent.notify import ServiceManager
from bascule.cluster.agent.orders import Orders
from bascule.cluster.agent.peers import Peers, read_key
from bascule.cluster.agent.performing import Performer
from bascule.cluster.agent.status import Status, status
from bascule.cluster.decisions import events
from bascule.cluster.decisions.step import begin
from bascule.cluster.fencing.watchdog import KernelDevice, Watchdog, timeout_for
from bascule.kernel.clock import BootClock
from bascule.kernel.errors import BasculeError, ClusterError, FenceError, InputError, StoreError

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
        self._guardian = self._make_guardian() if made.guardian else None
        self._renews_guardian = False
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
        self._beginning: asyncio.Task[None] | None = None
        self._stops = False
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
        await self._control.start()
        try:
            with self._signals():
                self._beginning = self._keep(self._begin())
                try:
                    await self._beginning
                except asyncio.CancelledError:
                    if self._stops:
                        return
                    raise
                await self.driver.run()
        finally:
            await self._take_down()

    async def _begin(self) -> None:
        made = self.configuration.agent
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
        self._check_all(_checks(self.configuration))
        self._keep(self._tell_promise())
        self._keep(self._try_fences())
        self._keep(self._stay_alive())
        self._manager.ready(self._in_a_line())

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
        """Give everything back; `run` returns once that is done. What does not take part yet does not begin."""
        self._manager.stopping("hands over")
        self._stops = True
        if self._driver is not None:
            self._driver.hear(events.Stopping())
        elif self._beginning is not None:
            self._beginning.cancel()

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
            await self._guardian.let_go(undone=undone)
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
            self._renew_guardian()

    def _make_guardian(self) -> Guardian:
        return Guardian(
            self.configuration.path,
            undone=lambda group: self._performer.restore(group, "the guardian undid it"),
            failed=lambda why: self._publish(
                facts.GuardianMissing(at_s=self._clock.monotonic_s(), agent=self.configuration.agent.name, why=why)
            ),
        )

    def _renew_guardian(self) -> None:
        """Have a guardian that knows the file as it is now, once nothing is held that this file does not have."""
        if (
            self._renews_guardian
            and self._guardian is not None
            and self._held.keys() <= self.configuration.groups.keys()
        ):
            self._renews_guardian = False
            self._keep(self._guardian.renew())

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

    def _check_all(self, checks: Mapping[str, Any]) -> None:
        """Ask these from now on, and no others."""
        for task in self._checks.values():
            task.cancel()
        self._checks = {
            name: self._keep(keep_checking(name, check, self.configuration.groups[name].times, self.driver.hear))
            for name, check in checks.items()
        }

    # -- what operators want

    @property
    def _orders(self) -> Orders:
        made = self.configuration.agent
        return Orders(self.driver, self._store, made.cluster, self._clock, self._fence)

    async def _answer(self, request: Request) -> object:
        match request.do:
            case "status":
                return self.status()
            case "switchover":
                return await self._orders.switchover(request)
            case "pause" | "resume":
                return await self._orders.settle(paused=request.do == "pause", by=request.by)
            case "fence":
                return await self._orders.fence(request, self.configuration.agent.name)
            case "reload":
                return await self._reload()

    def status(self) -> Status:
        """The agent and its cluster, as it sees it now."""
        now_s = self._clock.monotonic_s()
        return status(self.driver.state, now_s, cluster=self.configuration.agent.cluster, store=self._store.name)

    async def _reload_by_signal(self) -> None:
        if self._beginning is not None:
            await asyncio.wait([self._beginning])
        self._manager.reloading()
        try:
            await self._reload()
        except BasculeError as error:
            self._manager.ready(f"{self._in_a_line()}; the file was not taken: {error}")
        else:
            self._manager.ready(self._in_a_line())

    async def _reload(self) -> object:
        """Read the file again, and tell what came of it; groups and checks change, sessions and terms go on.

        Raises:
            BasculeError: The file is wrong, or changes what only a restart can change; nothing has changed.
        """
        at_s, name = self._clock.monotonic_s(), self.configuration.agent.name
        try:
            changed, gone = self._take_file()
        except BasculeError as error:
            self._publish(facts.ReloadRefused(at_s=at_s, agent=name, why=str(error)))
            raise
        told = {"groups": sorted(self.configuration.groups), "changed": changed, "gone": gone}
        self._publish(facts.Reloaded(at_s=at_s, agent=name, **{what: ", ".join(names) for what, names in told.items()}))
        return told

    def _take_file(self) -> tuple[list[str], list[str]]:
        """Go on with what the file says now; returns the groups that are new or other than before, and those gone."""
        driver = self.driver  # before the agent takes part, nothing is taken
        fresh = load(self.configuration.path)
        examine(fresh)
        before = self.configuration
        fixed = ("agent", "store", "peers", "watchdog", "telemetry")
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
        # Whatever may be wrong with a part is found before anything changes.
        actuators = {name: _actuators(fresh.groups[name]) for name in different}
        fences = {name: registry.make_other(one) for name, one in fresh.fences.items()}
        checks = _checks(fresh)
        for name, made in actuators.items():
            self._performer.add(name, made)
        self._fences = fences
        self.configuration = fresh
        driver.hear(events.Reconfigured(groups=tuple(group.decided for group in fresh.groups.values())))
        self._check_all(checks)
        self._renews_guardian = self._guardian is not None
        self._renew_guardian()
        changed = [name for name, group in fresh.groups.items() if before.groups.get(name) != group]
        return sorted(changed), sorted(before.groups.keys() - fresh.groups.keys())


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


def _checks(configuration: Configuration) -> dict[str, Any]:
    """A check of each group that has one."""
    return {
        name: registry.make_other(group.check)
        for name, group in configuration.groups.items()
        if group.check is not None
    }
