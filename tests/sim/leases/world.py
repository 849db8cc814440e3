"""A world in which agents live: clocks that drift and jump, a network that loses, delays, doubles and reorders.

Everything that happens is in one queue, ordered by true time, and everything that is left to luck comes from one
generator: a seed gives the same world again, to the last event.
"""

from __future__ import annotations

import dataclasses
import heapq
import random
from collections.abc import Callable

from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.step import begin, step_once
from bascule.cluster.stores.memory import MemoryStore
from bascule.cluster.stores.port import Entry
from bascule.kernel.dice import SeededDice
from bascule.kernel.facts import Fact

from .parts import Door, Event, Mutation, Node, Settings, ViolationError


class _Request:
    """A request to the store, and its one answer."""

    def __init__(
        self, world: World, node: Node, at_store: Callable[[], object], back: Callable[[Node, object], events.Event]
    ) -> None:
        self._world = world
        self._node = node
        self._life = node.life
        self._at_store = at_store
        self._back = back
        self._ended = False

    def arrive(self, *, first: bool) -> None:
        """It is at the store; without a leader it is lost, or waits and is carried out by the next one."""
        world = self._world
        if world.now_s < world.store_down_until_s:
            if world.luck.random() < 0.5:
                wait_s = world.store_down_until_s - world.now_s + world.delay_s()
                world.after(wait_s, lambda: self.arrive(first=first))
            return
        value = self._at_store()
        answers = first or world.settings.operators  # a client of a store may ask again by itself
        if answers and self._node.from_store and world.luck.random() >= world.settings.loss:
            answer = self._back(self._node, value)
            straggles = world.settings.straggling and world.luck.random() < world.settings.straggling
            extra_s = world.luck.uniform(0, world.timing.renew_s) if straggles else 0.0
            world.after(world.delay_s() + world.store_slow_s + self._node.late_s + extra_s, lambda: self.end(answer))

    def end(self, answer: events.Event) -> None:
        """The agent hears this answer, if it is the first."""
        if not self._ended and self._node.life == self._life:
            self._ended = True
            self._world.hear(self._node, answer)


class World:
    """A cluster in simulated time.

    Args:
        seed: Of everything.
        settings: What it is like.
        mutation: What is broken on purpose around the decisions.
    """

    def __init__(self, seed: int, settings: Settings, mutation: Mutation) -> None:
        self.luck = random.Random(seed)  # noqa: S311 - a simulation
        self.settings = settings
        self.mutation = mutation
        self.now_s = 0.0
        self.trace: list[Event] = []
        self.store = MemoryStore()
        self.store_down_until_s = -1.0
        self.store_slow_s = 0.0
        self.timing = Timing(ttl_s=settings.ttl_s, drift=0.02, stop_s=settings.ttl_s / 10)
        self._queue: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0
        self.nodes = {
            name: Node(name, 1 + self.luck.uniform(-settings.drift, settings.drift), self.luck.uniform(0, 1e5))
            for name in (f"n{number}" for number in range(1, settings.agents + 1))
        }
        self.groups = [f"g{number}" for number in range(1, settings.groups + 1)]
        self.written: dict[str, int] = {}
        self.claimed: dict[str, int] = {}

    # -- time

    def after(self, delay_s: float, do: Callable[[], None]) -> None:
        """Have something happen so much later, in true time."""
        self._count += 1
        heapq.heappush(self._queue, (self.now_s + max(0.0, delay_s), self._count, do))

    def run(self, until_s: float) -> None:
        """Let everything happen up to a time."""
        while self._queue and self._queue[0][0] <= until_s:
            self.now_s, _, do = heapq.heappop(self._queue)
            do()
        self.now_s = until_s

    def local_s(self, node: Node) -> float:
        """The time on a node's clock; a mutant reads the wall clock, which jumps."""
        jump_s = node.jump_s if self.mutation.wall_clock else 0.0
        return node.offset_s + self.now_s * node.rate + jump_s

    def note(self, who: str, what: str) -> None:
        """Write a line of the trace."""
        self.trace.append(Event(self.now_s, who, what))

    # -- processes

    def start(self, node: Node) -> None:
        """Start a node's agent; what an earlier one left is undone first."""
        for group in self.groups:
            self.close(node, group, "an agent undoes what was left")
            node.services.pop(group, None)
        node.life += 1
        node.paused, node.ended, node.watching = False, False, False
        node.inbox.clear()
        node.work.clear()
        node.held_down.clear()  # an agent that starts anew remembers no failure
        number = int(node.called[1:])
        node.configured = node.configured or tuple(
            Group(
                name=group,
                priority=100 + (number * 7 + place) % 3,
                fencing=self.settings.fencing,  # type: ignore[arg-type]  # one of the three words
                checked=True,
                hold_down_s=self.settings.hold_down_s,
                preempt_after_s=self.settings.ttl_s * 2 if number % 2 else None,
            )
            for place, group in enumerate(self.groups)
        )
        node.state = begin(
            node.called,
            self.timing,
            node.configured,
            address=node.name,
            failsafe=self.settings.failsafe,
        )
        self.note(node.name, "starts")
        self.hear(node, events.Ticked())
        for group in self.groups:
            self.hear(node, events.Checked(group=group, ok=node.healthy, why="ill"))
        if self.settings.watch:
            self._watch(node, node.life)

    def crash(self, node: Node) -> None:
        """Kill a node's agent; doors stay until the kernel closes them, services go on."""
        self.note(node.name, "is killed")
        node.life += 1
        node.state = None
        node.last_pause_s = self.now_s

    def pause(self, node: Node) -> None:
        """Freeze a node's agent."""
        self.note(node.name, "is frozen")
        node.paused = True
        node.last_pause_s = self.now_s

    def resume(self, node: Node) -> None:
        """Thaw a node's agent: it hears at once what came meanwhile."""
        if not node.paused:
            return
        node.paused = False
        node.last_pause_s = self.now_s
        self.note(node.name, "is thawed")
        heard, node.inbox = node.inbox, []
        if node.state is not None:
            self._step(node, [*heard, events.Ticked()])

    def hear(self, node: Node, event: events.Event) -> None:
        """A node's agent hears something, or will once it is thawed."""
        if node.state is None or node.ended:
            return
        if node.paused:
            node.inbox.append(event)
        else:
            self._step(node, [event])

    def _step(self, node: Node, heard: list[events.Event]) -> None:
        if node.state is None:
            return
        node.steps += 1
        local_s = self.local_s(node)
        node.state, wanted = step_once(node.state, heard, local_s, SeededDice(self.luck.getrandbits(32)))
        for effect in wanted:
            self._carry_out(node, effect)
        node.timer += 1
        timer, life, due_s = node.timer, node.life, node.state.due_s
        if due_s < 1e300:
            delay_s = max(1e-6, (due_s - local_s) / node.rate)
            self.after(delay_s, lambda: self._tick(node, life, timer))

    def _tick(self, node: Node, life: int, timer: int) -> None:
        if (node.life, node.timer) == (life, timer):
            self.hear(node, events.Ticked())

    def read_file(self, node: Node, groups: tuple[Group, ...]) -> None:
        """A node's agent reads its file again, and finds these groups."""
        self.note(node.name, f"reads its file again: {' '.join(one.name for one in groups)}")
        self.hear(node, events.Reconfigured(groups=groups))

    # -- what agents do

    def _carry_out(self, node: Node, effect: effects.Effect) -> None:
        match effect:
            case effects.Tell():
                values = _values(effect.fact)
                words = " ".join(f"{name}={value}" for name, value in values.items())
                self.trace.append(Event(self.now_s, node.name, f"{type(effect.fact).__name__} {words}", values))
            case effects.Read():
                self._ask_store(node, lambda: self.store.look(""), _read_back, events.ReadFailed(why="lost"))
            case effects.Swap():
                self._swap(node, effect)
            case effects.Ask():
                for peer in effect.witnesses:
                    asked = events.Asked(peer=node.called, session=effect.session, number=effect.number)
                    self._say(node, peer, asked)
            case effects.Confirm():
                confirmed = events.Confirmed(peer=node.called, session=effect.session, number=effect.number)
                self._say(node, effect.peer, confirmed)
            case _:
                self._act(node, effect)

    def _act(self, node: Node, effect: effects.Effect) -> None:
        match effect:
            case effects.Promote():
                self._promote(node, effect)
            case effects.Extend():
                self._extend(node, effect)
            case effects.Demote():
                self._demote(node, effect)
            case effects.Fence():
                self._fence(node, effect)
            case effects.End():
                node.ended = True
                self.note(node.name, "has ended")

    def _extend(self, node: Node, effect: effects.Extend) -> None:
        for group, door in node.doors.items():
            door.until_s = max(door.until_s, effect.until_s)
            if group in node.services and self.phase(node, group) != "demoting":
                self.open(node, group, door.token)

    def phase(self, node: Node, group: str) -> str:
        """What an agent does for a group; empty when it runs no more, or does not know the group."""
        known = node.state.groups.get(group) if node.state else None
        return known.phase if known else ""

    def _say(self, node: Node, peer: str, event: events.Event) -> None:
        known = node.state.peers.get(peer) if node.state else None
        other = self.nodes[known.record.address if known and known.record.address else peer]
        if peer in node.deaf or self.luck.random() < self.settings.loss:
            return
        life = other.life
        self.after(self.delay_s(), lambda: self.hear(other, event) if other.life == life else None)

    def delay_s(self) -> float:
        """How long something is on its way."""
        return self.settings.latency_s * (0.2 + self.luck.expovariate(1.0))

    def _ask_store(
        self,
        node: Node,
        at_store: Callable[[], object],
        back: Callable[[Node, object], events.Event],
        failure: events.Event,
    ) -> None:
        """It may be lost, late or doubled, and so may its answer; the driver waits a third of the ttl."""
        node.requests += 1
        request = _Request(self, node, at_store, back)
        self.after(self.timing.renew_s / node.rate, lambda: request.end(failure))
        if node.to_store and self.luck.random() >= self.settings.loss:
            self.after(self.delay_s(), lambda: request.arrive(first=True))
            if self.luck.random() < self.settings.twice:
                late_s = self.delay_s() + self.luck.uniform(0, 2 * self.settings.ttl_s)
                if self.settings.operators and self.luck.random() < 0.5:
                    late_s = self.delay_s()
                self.after(late_s, lambda: request.arrive(first=False))

    def _swap(self, node: Node, effect: effects.Swap) -> None:
        sent_s = self.local_s(node)
        if node.loses and effect.key == f"groups/{node.loses}":
            fewer = tuple(one for one in node.configured if one.name != node.loses)
            node.configured, node.loses = fewer, ""
            self.after(self.delay_s() / 2, lambda: self.read_file(node, fewer))

        def at_store() -> int | None:
            revision = self.store.put(effect.key, effect.value, effect.expected)
            if revision is not None:
                self._written(effect, revision)
            return revision

        def back(_: Node, value: object) -> events.Event:
            return events.Swapped(key=effect.key, value=effect.value, sent_s=sent_s, revision=value)  # type: ignore[arg-type]  # what `put` gave

        self._ask_store(node, at_store, back, events.SwapUnknown(key=effect.key, why="lost"))

    def _written(self, effect: effects.Swap, revision: int) -> None:
        if effect.key.startswith("groups/"):
            if revision <= self.claimed.get(effect.key, 0):
                raise ViolationError(f"{effect.key}: token {revision} after {self.claimed[effect.key]}")
            self.claimed[effect.key] = revision
        entry = Entry(key=effect.key, value=effect.value, revision=revision)
        for node in self.nodes.values():
            if node.watching and node.from_store:
                self.after(self.delay_s(), lambda node=node, life=node.life: self._changed(node, life, entry))  # type: ignore[misc]  # bound now

    def _changed(self, node: Node, life: int, entry: Entry) -> None:
        if node.life == life and node.watching:
            node.watched_s = self.now_s
            self.hear(node, events.Seen(entries=(entry,)))

    def _watch(self, node: Node, life: int) -> None:
        """Watch anew when the last one has died, as the driver does."""
        if node.life != life or node.state is None:
            return
        reachable = node.from_store and node.to_store and self.now_s >= self.store_down_until_s
        if node.watching and self.now_s - node.watched_s > self.settings.ttl_s:
            node.watching = False
            self.hear(node, events.Watched(works=False))
        elif not node.watching and reachable:
            node.watching, node.watched_s = True, self.now_s
            self.hear(node, events.Watched(works=True))
        self.after(self.timing.renew_s / 2, lambda: self._watch(node, life))

    # -- what acts

    def _promote(self, node: Node, effect: effects.Promote) -> None:
        group, life = effect.group, node.life
        if node.held_down.get(group, -1.0) > self.now_s:
            raise ViolationError(f"{node.name} claims {group} although it failed a short while ago")
        work = node.work[group] = node.work.get(group, 0) + 1
        door = node.doors.setdefault(group, Door())
        door.until_s = max(door.until_s, effect.until_s)
        fails = self.luck.random() < self.settings.promote_fails
        takes_s = self.luck.uniform(0.001, 0.05) + (self.luck.random() < 0.05) * self.luck.uniform(
            0, self.settings.ttl_s
        )

        def done() -> None:
            if node.life != life or node.work[group] != work:
                return
            if node.paused:
                self.after(0.01, done)  # the process that does it is frozen, too
            elif fails:
                # What a clock shows may be off by as much as the clocks are allowed to drift.
                node.held_down[group] = self.now_s + self.settings.hold_down_s / node.rate * 0.99
                self.hear(node, events.PromotingFailed(group=group, why="it failed"))
            else:
                node.services[group] = effect.token
                self.open(node, group, effect.token)
                self.hear(node, events.Promoted(group=group))

        self.after(takes_s, done)

    def _demote(self, node: Node, effect: effects.Demote) -> None:
        group, life = effect.group, node.life
        work = node.work[group] = node.work.get(group, 0) + 1
        fails = self.luck.random() < self.settings.demote_fails
        takes_s = self.luck.uniform(0.0005, 0.01)
        if self.luck.random() < self.settings.demote_fails:
            takes_s = self.luck.uniform(0, self.settings.ttl_s)
        left_s = max(0.05, (effect.until_s - self.local_s(node)) / node.rate)
        if takes_s > left_s:
            takes_s, fails = left_s, True  # it is broken off at the end of the validity

        def done() -> None:
            if node.life != life or node.work[group] != work:
                return
            if node.paused:
                self.after(0.01, done)
            elif fails:
                self.hear(node, events.DemotingFailed(group=group, why="it failed"))
            else:
                self.close(node, group, "demoted")
                node.services.pop(group, None)
                self.hear(node, events.Demoted(group=group))

        self.after(takes_s, done)

    def open(self, node: Node, group: str, token: int) -> None:
        """Let a node act for a group until its door's time is over, by the kernel's clock, which is the node's."""
        door = node.doors[group]
        left_s = (door.until_s - self.local_s(node)) / node.rate
        if left_s <= 0:
            return
        if not door.open:
            for other in self.nodes.values():
                there = other.doors.get(group)
                if other is not node and there is not None and there.open:
                    raise ViolationError(f"{node.name} and {other.name} act for {group} at the same time")
            self.note(node.name, f"ACTS for {group} with token {token}")
        door.open, door.token = True, token
        door.version += 1
        version = door.version
        self.after(left_s, lambda: self._ends(node, group, version))

    def _ends(self, node: Node, group: str, version: int) -> None:
        door = node.doors[group]
        if not door.open or door.version != version:
            return
        ran = node.state is not None and not node.paused and self.now_s - node.last_pause_s > self.timing.ttl_s
        if ran and self.phase(node, group) != "demoting":
            raise ViolationError(f"{node.name} acts for {group} to the end of its validity")
        self.close(node, group, "the kernel closes its door")

    def close(self, node: Node, group: str, why: str) -> None:
        """A node acts for a group no more."""
        door = node.doors.get(group)
        if door is not None and door.open:
            door.open = False
            door.version += 1
            self.note(node.name, f"stops to act for {group}: {why}")

    def write(self) -> None:
        """Every service writes in the name of its term, whoever else does; the resource refuses what is old."""
        for node in self.nodes.values():
            for group, token in node.services.items():
                newest = self.written.get(group, 0)
                if token >= newest:
                    self.written[group] = token
                elif self.mutation.token_unchecked:
                    raise ViolationError(f"{node.name} wrote for {group} with token {token} after {newest}")

    def _fence(self, node: Node, effect: effects.Fence) -> None:
        """Power a peer off, which may fail, and tell."""
        life, peer = node.life, self.nodes[effect.peer]
        works = self.luck.random() < 0.7

        def done() -> None:
            if works:
                self.crash(peer)
                for group in self.groups:
                    self.close(peer, group, "it is fenced")
                    peer.services.pop(group, None)
            if node.life == life:
                fenced = events.Fenced(peer=effect.peer, session=effect.session, confirmed=works, why="it failed")
                self.hear(node, fenced)

        self.after(self.luck.uniform(0.05, 0.5), done)


def _read_back(_: Node, value: object) -> events.Event:
    return events.Seen(entries=value, complete=True)  # type: ignore[arg-type]  # what `look` gave


def _values(fact: Fact) -> dict[str, object]:
    told = {one.name: getattr(fact, one.name) for one in dataclasses.fields(fact)}
    return {name: value for name, value in told.items() if name not in {"at_s", "agent"}}
