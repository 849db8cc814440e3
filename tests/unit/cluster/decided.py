"""Agents for tests of the decisions: a store that answers at once, clocks that stand still, and no world around."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.cluster.decisions import effects, events
from bascule.cluster.decisions.effects import Effect
from bascule.cluster.decisions.events import Event
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.state import GroupState
from bascule.cluster.decisions.step import begin, step
from bascule.cluster.records import Record, encode
from bascule.cluster.stores.memory import MemoryStore
from bascule.kernel.dice import SeededDice
from bascule.kernel.facts import Fact

TIMING = Timing(ttl_s=10.0, drift=0.02, stop_s=1.0)


class Scripted:
    """One agent on a store, moved by a test.

    Attributes:
        effects: Everything that it wanted, in order.
        facts: Everything that it told, in order.
        online: Its store answers at once; otherwise what it asks stays in `asked`.
        obliging: What follows a lease is done and undone at once.
    """

    def __init__(
        self,
        name: str,
        store: MemoryStore,
        groups: Sequence[Group] = (Group(name="g", identity="id"),),
        *,
        failsafe: bool = False,
        address: str = "",
        seed: int = 1,
    ) -> None:
        self.name = name
        self.store = store
        self.now_s = 1000.0
        self.state = begin(name, TIMING, groups, address=address, failsafe=failsafe)
        self.effects: list[Effect] = []
        self.facts: list[Fact] = []
        self.asked: list[Effect] = []
        self.online = True
        self.obliging = True
        self._dice = SeededDice(seed + sum(name.encode()))
        self.hear(events.Ticked())

    def hear(self, event: Event) -> None:
        """Take a step, and all that follow from a store that answers at once."""
        self.state, wanted = step(self.state, event, self.now_s, self._dice)
        for effect in wanted:
            self._carry_out(effect)

    def _carry_out(self, effect: Effect) -> None:
        self.effects.append(effect)
        match effect:
            case effects.Tell():
                self.facts.append(effect.fact)
            case effects.Read() | effects.Swap():
                self.asked.append(effect)
                if self.online:
                    self.answer()
            case effects.Promote() if self.obliging:
                self.hear(events.Promoted(group=effect.group))
            case effects.Demote() if self.obliging:
                self.hear(events.Demoted(group=effect.group))

    def answer(self) -> None:
        """Have the store answer everything that was asked."""
        while self.asked:
            asked = self.asked.pop(0)
            if isinstance(asked, effects.Read):
                self.hear(events.Seen(entries=self.store.look(""), complete=True))
            elif isinstance(asked, effects.Swap):
                revision = self.store.put(asked.key, asked.value, asked.expected)
                self.hear(events.Swapped(key=asked.key, value=asked.value, sent_s=self.now_s, revision=revision))

    def fail(self) -> None:
        """Have the store answer nothing that was asked: each swap may have happened."""
        failed, self.asked = self.asked, []
        for asked in failed:
            if isinstance(asked, effects.Swap):
                self.hear(events.SwapUnknown(key=asked.key, why="silence"))
            else:
                self.hear(events.ReadFailed(why="silence"))

    def look(self) -> None:
        """Read everything now."""
        self.hear(events.Seen(entries=self.store.look(""), complete=True))

    def pass_s(self, seconds: float) -> None:
        """Let time pass, with every wake-up on the way."""
        end_s = self.now_s + seconds
        for _ in range(10_000):
            if not self.now_s < self.state.due_s <= end_s:
                break
            self.now_s = self.state.due_s
            self.hear(events.Ticked())
        self.now_s = end_s
        self.hear(events.Ticked())

    def jump_s(self, seconds: float) -> None:
        """Let time pass without a wake-up, as when the process is frozen; it hears nothing yet."""
        self.now_s += seconds

    def check(self, *, ok: bool, lag_bytes: int | None = None, group: str = "g") -> None:
        """Say how its service is."""
        self.hear(events.Checked(group=group, ok=ok, why="" if ok else "ill", lag_bytes=lag_bytes))

    def put(self, key: str, record: Record) -> int:
        """Write a register, whatever is there."""
        there = {entry.key: entry.revision for entry in self.store.look("")}
        revision = self.store.put(key, encode(record), there.get(key, 0))
        assert revision is not None
        return revision

    def told(self, kind: type[Fact]) -> list[Fact]:
        """The facts of a kind."""
        return [fact for fact in self.facts if isinstance(fact, kind)]

    def wanted(self, kind: type[Effect]) -> list[Effect]:
        """The effects of a kind."""
        return [effect for effect in self.effects if isinstance(effect, kind)]

    @property
    def group(self) -> GroupState:
        """How far it is with the group `g`."""
        return self.state.groups["g"]

    @property
    def phase(self) -> str:
        """What it is doing with the group `g`."""
        return self.group.phase
