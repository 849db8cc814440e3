"""A world, a switch and a stream of facts, for tests of what is injected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bascule.guard import Disturbances, Guard, Policy, Stream, World
from bascule.guard.facts import GuardFact
from bascule.kernel.clock import FakeClock
from bascule.kernel.dice import LoadedDice
from bascule.kernel.facts import Fact

ALLOWED = {"BASCULE_INJECT": "allowed"}


class Stage:
    """Where faults are injected: a clock that a test moves, dice that fall as it says, and what was told."""

    def __init__(self, dice: Iterable[float] = (), environment: Mapping[str, str] | None = None) -> None:
        self.clock = FakeClock(100.0)
        self.dice = LoadedDice(dice)
        self.world = World.fake(self.clock, self.dice)
        self.facts = Stream()
        self._heard: list[Fact] = []
        self.facts.subscribe(self._heard.append)
        self.switch = Disturbances(
            environment=ALLOWED if environment is None else environment, world=self.world, facts=self.facts
        )

    def guard(self, *policies: Policy[Any], name: str = "prices") -> Guard[Any]:
        return Guard(*policies, name=name, world=self.world, facts=self.facts)

    def told(self, kind: type[GuardFact]) -> list[Any]:
        """The facts of one kind so far."""
        assert self.facts.flush()
        return [fact for fact in self._heard if isinstance(fact, kind)]


class Dependency:
    """What is called; it counts."""

    def __init__(self) -> None:
        self.calls = 0

    def ask(self, who: str = "ada") -> str:
        self.calls += 1
        return f"good {who}"

    async def ask_async(self, who: str = "ada") -> str:
        return self.ask(who)
