"""What a seed makes of a world, what goes wrong in it, and what must hold all the same."""

from __future__ import annotations

import random

from msgspec import structs

from bascule.cluster.decisions import events
from bascule.cluster.decisions.state import State
from bascule.cluster.records import AGENTS, ORDERS, SETTINGS, Order, Session, decode, encode
from bascule.cluster.records import Settings as Stored

from .parts import Mutation, Node, Settings, ViolationError
from .world import World

MOST_STEPS_PER_S = 400.0
OPERATORS_FROM = 1_000_000
"""Seeds from here on have operators who do odd things; those below stay what they were."""


def settings_of(seed: int) -> Settings:
    """What the world of this seed is like."""
    luck = random.Random(seed ^ 0x5EED)  # noqa: S311 - a simulation
    ttl_s = luck.choice((0.5, 0.5, 1.0, 3.0))
    rough = luck.random() < 0.5
    return Settings(
        agents=luck.choice((2, 3, 3, 3, 4, 5)),
        groups=luck.choice((1, 1, 2, 4)),
        ttl_s=ttl_s,
        drift=luck.choice((0.0, 0.0199, 0.0199)),
        failsafe=luck.random() < 0.3,
        fencing=luck.choice(("lease", "lease", "lease", "fence", "both")),
        watch=luck.random() < 0.7,
        latency_s=luck.choice((0.001, 0.005, ttl_s / 40)),
        loss=luck.choice((0.0, 0.02, 0.15)) if rough else 0.0,
        twice=(luck.choice((0.0, 0.1)) if rough else 0.0) + (0.4 if seed >= OPERATORS_FROM else 0.0),
        promote_fails=luck.choice((0.0, 0.3)) if rough else 0.0,
        demote_fails=luck.choice((0.0, 0.3)) if rough else 0.0,
        hold_down_s=ttl_s * luck.choice((0.5, 2.0)),
        faults_until_s=ttl_s * luck.choice((12, 20)),
        operators=seed >= OPERATORS_FROM,
        straggling=0.2 if seed >= OPERATORS_FROM else 0.0,
    )


def bound_s(settings: Settings) -> float:
    """Within which time after the last fault somebody leads: the sum of all that may have to be waited for, in turn.

    A node that was just restarted waits for its own earlier session (1 ttl); meanwhile or afterwards the dead ones'
    sessions end (1 ttl); whoever a group was handed to does not come (1 ttl); everybody may be held down, at most
    16-fold; candidates come one after the other; two fences may fail; reads and renewals take their thirds.
    """
    stagger_s = settings.agents * max(0.05, settings.ttl_s / 5)
    fences_s = 0.0 if settings.fencing == "lease" else 5.0
    return 5 * settings.ttl_s + 17 * settings.hold_down_s + stagger_s + fences_s + 3.0


class Faults:
    """Makes things go wrong, one after the other, until the world's time for it is over; then all is mended."""

    def __init__(self, seed: int, world: World) -> None:
        self.luck = random.Random(seed ^ 0xFA17)  # noqa: S311 - a simulation
        self.world = world

    def begin(self) -> None:
        """Start the agents one after the other, and let the first fault come."""
        for node in self.world.nodes.values():
            self.world.after(self.luck.uniform(0, self.world.settings.ttl_s), lambda node=node: self.world.start(node))  # type: ignore[misc]  # bound now
        self.world.after(self.world.settings.ttl_s * 2, self._next)
        self._writes()

    def _writes(self) -> None:
        self.world.write()
        self.world.after(0.02, self._writes)

    def _next(self) -> None:
        if self.world.now_s >= self.world.settings.faults_until_s:
            return
        self.luck.choice(KINDS + BY_OPERATORS if self.world.settings.operators else KINDS)(self)
        self.world.after(self.luck.expovariate(1.0) * self.world.settings.ttl_s, self._next)

    def _node(self) -> Node:
        """Mostly a node that acts for something."""
        nodes = list(self.world.nodes.values())
        acting = [node for node in nodes if any(door.open for door in node.doors.values())]
        return self.luck.choice(acting if acting and self.luck.random() < 0.7 else nodes)

    def _length_s(self) -> float:
        return self.world.settings.ttl_s * self.luck.choice((0.2, 0.6, 1.0, 1.5, 3.0)) * self.luck.uniform(0.8, 1.2)

    def pause(self) -> None:
        """Freeze an agent for less or more than a lease."""
        node = self._node()
        if node.state is not None and not node.paused:
            self.world.pause(node)
            self.world.after(self._length_s(), lambda: self.world.resume(node))

    def crash(self) -> None:
        """Kill an agent, and start it again some time later."""
        node = self._node()
        if node.state is not None:
            self.world.crash(node)
            self.world.after(self._length_s(), lambda: self._restart(node))

    def _restart(self, node: Node) -> None:
        if node.state is None:
            self.world.start(node)

    def partition(self) -> None:
        """Cut an agent off from the store in one direction or both, and from some of its peers."""
        node = self._node()
        which = self.luck.choice(("to", "from", "both", "peers"))
        self.world.note(node.name, f"is cut off: {which}")
        node.to_store = node.to_store and which not in {"to", "both"}
        node.from_store = node.from_store and which not in {"from", "both"}
        if which in {"both", "peers"}:
            node.deaf = set(self.world.nodes)
        elif self.luck.random() < 0.5:
            node.deaf = {name for name in self.world.nodes if self.luck.random() < 0.5}
        self.world.after(self._length_s(), lambda: self._heal(node))

    def _heal(self, node: Node) -> None:
        self.world.note(node.name, "is joined again")
        node.to_store = node.from_store = True
        node.late_s = 0.0
        node.deaf = set()

    def fading(self) -> None:
        """Have a node's answers from the store come later and later, then not at all."""
        node = self._node()
        self.world.note(node.name, "hears the store late, then not at all")
        node.late_s = self.world.timing.renew_s * self.luck.uniform(0.5, 0.95)

        def cut() -> None:
            node.late_s = 0.0
            node.to_store = node.from_store = False

        self.world.after(self._length_s(), cut)
        self.world.after(self._length_s() + 3 * self.world.settings.ttl_s, lambda: self._heal(node))

    def outage(self) -> None:
        """Have the store elect another leader."""
        self.world.note("store", "has no leader")
        self.world.store_down_until_s = self.world.now_s + self._length_s()

    def slow(self) -> None:
        """Have the store's disk be slow for a while."""
        self.world.note("store", "is slow")
        self.world.store_slow_s = self.luck.uniform(0, self.world.settings.ttl_s / 2)
        self.world.after(self._length_s(), self._fast)

    def _fast(self) -> None:
        self.world.store_slow_s = 0.0

    def jump(self) -> None:
        """Set a node's wall clock to something else."""
        node = self._node()
        node.jump_s += self.luck.uniform(-3, 3) * self.world.settings.ttl_s
        self.world.note(node.name, "its wall clock jumps")

    def illness(self) -> None:
        """Have a node's service fail for a while."""
        node = self._node()
        self._health(node, ok=False)
        self.world.after(self._length_s(), lambda: self._health(node, ok=True))

    def _health(self, node: Node, *, ok: bool) -> None:
        node.healthy = ok
        for group in self.world.groups:
            self.world.hear(node, events.Checked(group=group, ok=ok, why="ill"))

    def order(self) -> None:
        """Have an operator order a handover, sometimes one that is out of date."""
        group = self.luck.choice(self.world.groups)
        key = ORDERS + group
        there = {entry.key: entry for entry in self.world.store.look("")}
        claim = there.get(f"groups/{group}")
        token = (claim.revision if claim else 0) - (self.luck.random() < 0.2)
        order = Order(
            group=group,
            id=f"o{self.luck.getrandbits(30)}",
            token=max(0, token),
            to=self.luck.choice(("", *self.world.nodes)),
        )
        self.world.note("operator", f"orders {group} to {order.to or 'anybody'}")
        self.world.store.put(key, encode(order), there[key].revision if key in there else 0)

    def maintenance(self) -> None:
        """Pause the cluster for a while."""
        self._settle(paused=True)
        self.world.after(self._length_s(), lambda: self._settle(paused=False))

    def _settle(self, *, paused: bool, freed: tuple[str, ...] = ()) -> None:
        there = {entry.key: entry for entry in self.world.store.look(SETTINGS)}
        self.world.note("operator", "pauses" if paused else "resumes")
        self.world.store.put(
            SETTINGS, encode(Stored(paused=paused, freed=freed)), there[SETTINGS].revision if SETTINGS in there else 0
        )

    def leave(self) -> None:
        """Stop an agent orderly, and start it again some time later."""
        node = self._node()
        if node.state is None or node.paused:
            return
        self.world.hear(node, events.Stopping())
        life = node.life

        def again() -> None:
            if node.life == life:
                self.world.crash(node)
            self._restart(node)

        self.world.after(self._length_s(), again)

    def reload(self) -> None:
        """Have an agent read a file that lacks a group, or its check, and a while later one that has it again."""
        node, group = self._node(), self.luck.choice(self.world.groups)
        whole, gone = node.configured, self.luck.random() < 0.5
        fewer = tuple(structs.replace(one, checked=False) if one.name == group else one for one in whole)
        self.world.read_file(node, tuple(one for one in whole if one.name != group) if gone else fewer)
        self.world.after(self._length_s(), lambda: self.world.read_file(node, node.configured))

    def lose(self) -> None:
        """Have a group go from an agent's file for good, while the agent claims it; somebody else still has it."""
        node, group = self._node(), self.luck.choice(self.world.groups)
        having = [one for one in self.world.nodes.values() if not one.agent and not one.loses and _has(one, group)]
        if len(having) > 1 and node in having and len(node.configured) == len(self.world.groups):
            node.loses = group

    def twin(self) -> None:
        """Start a second agent under a name that is taken, on a machine that nobody fences, and kill it later."""
        node, world = self._node(), self.world
        if node.agent or world.settings.fencing != "lease":
            return
        twin = world.nodes.get(f"{node.name}'")
        if twin is None:
            twin = Node(f"{node.name}'", node.rate, node.offset_s, agent=node.name)
            world.nodes[twin.name] = twin
        if twin.state is None:
            world.start(twin)
            world.after(3 * self._length_s(), lambda: world.crash(twin))

    def _switch_twins_off(self) -> tuple[str, ...]:
        """Switch off every agent whose name is somebody else's; returns their sessions, for an operator to confirm."""
        off = [node for node in self.world.nodes.values() if node.agent]
        for node in off:
            self.world.crash(node)
            for group in self.world.groups:
                self.world.close(node, group, "it is switched off")
        records = [decode(entry.value, Session) for entry in self.world.store.look(AGENTS)]
        names = {node.name for node in off}
        return tuple(f"{record.agent}/{record.session}" for record in records if record.address in names)

    def mend(self) -> None:
        """End every fault."""
        world = self.world
        world.note("world", "everything is mended")
        world.store_down_until_s, world.store_slow_s = -1.0, 0.0
        world.settings.loss = world.settings.twice = world.settings.straggling = 0.0
        world.settings.promote_fails = world.settings.demote_fails = 0.0
        self._settle(paused=False, freed=self._switch_twins_off())
        for node in world.nodes.values():
            self._heal(node)
            world.resume(node)
            node.loses = ""
            if node.agent:
                continue
            world.read_file(node, node.configured)
            if node.state is None or node.ended or node.state.stopping:
                world.crash(node)
                world.start(node)
            self._health(node, ok=True)


def _has(node: Node, group: str) -> bool:
    return any(one.name == group for one in node.configured)


KINDS = (
    Faults.pause,
    Faults.pause,
    Faults.crash,
    Faults.crash,
    Faults.partition,
    Faults.partition,
    Faults.fading,
    Faults.fading,
    Faults.outage,
    Faults.slow,
    Faults.jump,
    Faults.illness,
    Faults.order,
    Faults.maintenance,
    Faults.leave,
)
BY_OPERATORS = (Faults.reload, Faults.lose, Faults.twin, Faults.order, Faults.order)


def live(seed: int, mutation: Mutation | None = None, settings: Settings | None = None) -> World:
    """Live through the world of a seed; returns it with its trace.

    Raises:
        ViolationError: An invariant does not hold.
    """
    settings = settings or settings_of(seed)
    world = World(seed, settings, mutation or Mutation())
    faults = Faults(seed, world)
    faults.begin()
    world.run(settings.faults_until_s)
    # Faults that were to end later still do, which changes nothing any more.
    faults.luck = random.Random(0)  # noqa: S311 - nothing depends on it now
    world.run(settings.faults_until_s + 4.5 * settings.ttl_s)
    faults.mend()
    world.run(world.now_s + bound_s(settings))
    holders = {group: _holder(world, group) for group in world.groups}
    world.run(world.now_s + 2 * settings.ttl_s)
    for group, holder in holders.items():
        if _holder(world, group) != holder:
            raise ViolationError(f"{group} went from {holder} to {_holder(world, group)} although nothing happened")
    _check_effort(world)
    return world


def _holder(world: World, group: str) -> str:
    """Who acts for a group.

    Raises:
        ViolationError: Nobody does.
    """
    acting = [node.name for node in world.nodes.values() if group in node.doors and node.doors[group].open]
    if len(acting) != 1:
        told = {node.name: _phase(node.state, group) for node in world.nodes.values()}
        raise ViolationError(
            f"{acting or 'nobody'} acts for {group} {bound_s(world.settings):.1f} s after the end: {told}"
        )
    return acting[0]


def _phase(state: State | None, group: str) -> str:
    if state is None or group not in state.groups:
        return "down"
    return f"{state.groups[group].phase}{'' if state.groups[group].eligible else ' (not eligible)'}"


def _check_effort(world: World) -> None:
    """No agent may run in circles."""
    for node in world.nodes.values():
        if node.steps / world.now_s > MOST_STEPS_PER_S * (1 + len(world.groups)):
            raise ViolationError(f"{node.name} took {node.steps} steps in {world.now_s:.1f} s")
