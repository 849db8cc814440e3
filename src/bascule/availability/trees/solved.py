"""A fault tree that is solved: the diagrams of its modules and what they say together, by the chain rule. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bascule.availability.trees.diagram import Diagram
from bascule.availability.trees.evaluation import Odds, birnbaum, conditioned, upward
from bascule.availability.trees.modules import Module
from bascule.availability.trees.network import ALWAYS, NEVER, Network

FAILED: Odds = (1.0, 0.0)
PERFECT: Odds = (0.0, 1.0)


@dataclass(frozen=True, slots=True)
class Solved:
    """The diagrams of a fault tree, module by module, with the odds of all that they are made of.

    Attributes:
        network: The fault tree; its top may be constant, then there are no modules.
        events: For each basic event its odds.
        modules: The modules, those that others are made of first.
        diagrams: For each module its diagram.
        passes: For each module what `upward` found.
    """

    network: Network
    events: tuple[Odds, ...]
    modules: tuple[Module, ...]
    diagrams: tuple[Diagram, ...]
    passes: tuple[tuple[list[float], list[float]], ...]

    @property
    def top(self) -> Odds:
        """The odds of the system."""
        if self.network.top in (NEVER, ALWAYS):
            return FAILED if self.network.top == ALWAYS else PERFECT
        return self.odds(len(self.modules) - 1)

    @property
    def nodes(self) -> int:
        """How many nodes the diagrams have, without their ends."""
        return sum(len(diagram.level) - 2 for diagram in self.diagrams)

    def odds(self, module: int) -> Odds:
        """The odds of a module."""
        fails, holds = self.passes[module]
        root = self.diagrams[module].root
        return fails[root], holds[root]

    def levels(self, module: int) -> list[Odds]:
        """For each level of a module's diagram the odds of what it asks for."""
        inputs = self.modules[module].inputs
        return [
            self.events[inputs[one]] if inputs[one] >= 0 else self.odds(~inputs[one])
            for one in self.diagrams[module].order
        ]

    def birnbaum(self) -> dict[str, float]:
        """For each basic event how much more likely the system is down when it has failed than when it has not.

        The importance of an event is that of its module's result, times its own within the module.
        """
        found = dict.fromkeys(self.network.events, 0.0)
        weight = [0.0] * len(self.modules)
        if weight:
            weight[-1] = 1.0
        for module in range(len(self.modules) - 1, -1, -1):
            diagram, inputs = self.diagrams[module], self.modules[module].inputs
            shares = birnbaum(diagram, self.levels(module), self.passes[module][0])
            for one, share in zip(diagram.order, shares, strict=True):
                if inputs[one] >= 0:
                    found[self.network.events[inputs[one]]] = weight[module] * share
                else:
                    weight[~inputs[one]] = weight[module] * share
        return found

    def given(self, changes: Sequence[Mapping[str, Odds]]) -> list[Odds]:
        """The odds of the system under each of many changes of the odds of some events, all in one sweep per module."""
        number = {name: place for place, name in enumerate(self.network.events)}
        top = self.top
        found = [top] * len(changes)
        # For each module, for each change that touches it, the changed odds of its inputs.
        touched: list[dict[int, dict[int, Odds]]] = [{} for _ in self.modules]
        home = {
            one: module for module, it in enumerate(self.modules) for one in it.inputs
        }  # an event, or ~module, is an input of one module only
        for place, change in enumerate(changes):
            for name, odds in change.items():
                event = number.get(name)
                if event is not None and event in home:
                    touched[home[event]].setdefault(place, {})[event] = odds
        for module, by_change in enumerate(touched):
            if not by_change:
                continue
            for place, odds in zip(by_change, self._conditioned(module, list(by_change.values())), strict=True):
                if module == len(self.modules) - 1:
                    found[place] = odds
                else:
                    touched[home[~module]].setdefault(place, {})[~module] = odds
        return found

    def _conditioned(self, module: int, changes: Sequence[Mapping[int, Odds]]) -> list[Odds]:
        diagram, inputs = self.diagrams[module], self.modules[module].inputs
        level = {inputs[one]: at for at, one in enumerate(diagram.order)}
        by_level = [{level[one]: odds for one, odds in change.items()} for change in changes]
        return conditioned(diagram, self.levels(module), self.passes[module], by_level)


def passed(network: Network, events: Sequence[Odds], modules: Sequence[Module], diagrams: Sequence[Diagram]) -> Solved:
    """The solution that these diagrams of these modules make."""
    passes: list[tuple[list[float], list[float]]] = []
    for module, diagram in zip(modules, diagrams, strict=True):
        levels: list[Odds] = []
        for one in diagram.order:
            place = module.inputs[one]
            if place >= 0:
                levels.append(events[place])
            else:
                root = diagrams[~place].root
                levels.append((passes[~place][0][root], passes[~place][1][root]))
        passes.append(upward(diagram, levels))
    return Solved(network, tuple(events), tuple(modules), tuple(diagrams), tuple(passes))
