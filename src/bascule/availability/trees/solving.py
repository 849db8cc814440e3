"""How likely a system is down: exactly where that can be had within the limits, else within bounds that hold. Pure.

Each module of the fault tree gets a decision diagram of its own, in the better of two orders found from its shape;
where both are too large, in an order that is improved while the diagram grows; where that is too large as well, bounds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from bascule.availability.structure import Structure
from bascule.availability.trees.bounds import LEAST_VISITS, Bounds, bounded
from bascule.availability.trees.coalescing import coalesced
from bascule.availability.trees.diagram import BudgetSpentError, Diagram, Diagrams, built
from bascule.availability.trees.diagram_oxidd import OxiddDiagrams, manager
from bascule.availability.trees.evaluation import Odds, interval
from bascule.availability.trees.modules import Module, modules
from bascule.availability.trees.network import ALWAYS, NEVER, flat
from bascule.availability.trees.orders import depth_first, shared_first
from bascule.availability.trees.solved import Solved, passed
from bascule.kernel.errors import InputError

Engine: TypeAlias = Literal["own", "oxidd"]
Method: TypeAlias = Literal["bdd", "oxidd", "bounds"]
MOST_NODES = 1_000_000
MOST_CASES = 20_000
MOST_GATES = 2_000_000
FIRST_TRY = 4
SMALL = 4
INEXACT = 2.0**-44


@dataclass(frozen=True, slots=True)
class Solution:
    """How likely a system is down.

    Attributes:
        unavailability: The probability that it is, in [0, 1]; between bounds, the middle of them.
        lower: What it is at least; equal to `unavailability` where that is exact.
        upper: What it is at most.
        method: How it was found: by decision diagrams, own ones or OxiDD's, or as bounds.
        nodes: How many nodes the diagrams have.
        birnbaum: For each basic event how much more likely the system is down when it has failed than when it has not;
            empty where there are only bounds.
        solved: The diagrams; None where there are only bounds.
    """

    unavailability: float
    lower: float
    upper: float
    method: Method
    nodes: int
    birnbaum: dict[str, float]
    solved: Solved | None = field(default=None, repr=False)


def solve(
    structure: Structure, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES, engine: Engine = "own"
) -> Solution:
    """The probability that a system is down, exact, or within bounds where time or nodes run out.

    Exact values are sums and products of what is not negative: an unavailability of 1e-12 is as accurate as one of 0.5.
    When time is up, what is left to do is well under a second for some thousands of gates.

    Args:
        structure: When the system fails, and how likely each basic event is.
        expired: Whether time is up.
        most_nodes: How many nodes a diagram may have, with what is thrown away on the way to it; at least 1.
        engine: Whose decision diagrams.

    Raises:
        InputError: The structure cannot be used, or is too large even for bounds.
        MissingProgramError: The engine is not installed.
    """
    known = _diagrams(structure, most_nodes, expired, engine)
    if isinstance(known, Solved):
        share = known.top[0]
        return Solution(
            share, share, share, "bdd" if engine == "own" else "oxidd", known.nodes, known.birnbaum(), known
        )
    return _between(known, expired)


def exactly(
    structure: Structure, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES, engine: Engine = "own"
) -> Solved:
    """The diagrams of a structure, for what needs more than bounds.

    Raises:
        InputError: As `solve`, or the limits allow for bounds only.
        MissingProgramError: The engine is not installed.
    """
    solved = _diagrams(structure, most_nodes, expired, engine)
    if not isinstance(solved, Solved):
        raise InputError(
            "the fault tree is too large to be solved exactly within the limits", hint="allow more nodes or more time"
        )
    return solved


@dataclass(frozen=True, slots=True)
class _Unsolved:
    """Modules, not all of which have a diagram."""

    events: Sequence[Odds]
    modules: Sequence[Module]
    diagrams: Sequence[Diagram | None]


def _diagrams(structure: Structure, most_nodes: int, expired: Callable[[], bool], engine: Engine) -> Solved | _Unsolved:
    network = coalesced(flat(structure))
    if len(network.least) > MOST_GATES:
        raise InputError(
            f"the fault tree has {len(network.least):,} gates and events",
            hint=f"at most {MOST_GATES:,} can be solved: divide it",
        )
    shares = [structure.events[name].unavailability for name in network.events]
    events = [(share, 1 - share) for share in shares]
    if network.top in (NEVER, ALWAYS):
        return Solved(network, tuple(events), (), (), ())
    parts = modules(network)
    make = _Diagrams(most_nodes, expired) if engine == "own" else _OxiddDiagrams(most_nodes, expired)
    diagrams = [make.diagram(module) for module in parts]
    done = [diagram for diagram in diagrams if diagram is not None]
    return passed(network, events, parts, done) if len(done) == len(parts) else _Unsolved(events, parts, diagrams)


class _Diagrams:
    """Makes own diagrams within the limits."""

    def __init__(self, most_nodes: int, expired: Callable[[], bool]) -> None:
        self._most_nodes = most_nodes
        self._expired = expired

    def diagram(self, module: Module) -> Diagram | None:
        """The smaller one of two orders, else one of an order that is improved on the way; None beyond the limits."""
        first, second = depth_first(module), shared_first(module)
        most = max(1, self._most_nodes // FIRST_TRY)
        one = self._tried(module, first, most)
        if one is not None and (first == second or len(one.level) <= SMALL * len(first)):
            return one
        # A second diagram that gets much larger than the first on its way is not worth being finished.
        other = self._tried(module, second, most if one is None else min(most, SMALL * len(one.level)))
        if one is None and other is None and not self._expired():
            return self._tried(module, second, self._most_nodes, sifts=True)
        return min((it for it in (one, other) if it is not None), key=lambda it: len(it.level), default=None)

    def _tried(self, module: Module, order: Sequence[int], most: int, *, sifts: bool = False) -> Diagram | None:
        try:
            return built(module, order, Diagrams(order, most, self._expired, sifts=sifts))
        except BudgetSpentError:
            return None


class _OxiddDiagrams:
    """Makes OxiDD's diagrams within the limits."""

    def __init__(self, most_nodes: int, expired: Callable[[], bool]) -> None:
        self._manager = manager(most_nodes)
        self._expired = expired

    def diagram(self, module: Module) -> Diagram | None:
        """The first diagram of two orders that there is room for; None where there is none."""
        for order in dict.fromkeys((tuple(depth_first(module)), tuple(shared_first(module)))):
            try:
                return built(module, order, OxiddDiagrams(order, self._manager, self._expired))
            except BudgetSpentError:
                continue
        return None


def _between(unsolved: _Unsolved, expired: Callable[[], bool]) -> Solution:
    """Bounds: of what has a diagram exactly as those of its inputs allow, of what has none by splitting cases."""
    known: list[Bounds] = []
    unsolved_count = unsolved.diagrams.count(None)
    for module, diagram in zip(unsolved.modules, unsolved.diagrams, strict=True):
        inputs = [(unsolved.events[one][0],) * 2 if one >= 0 else known[~one] for one in module.inputs]
        if diagram is None:
            known.append(
                bounded(
                    module, inputs, expired=expired, most_cases=MOST_CASES, least_visits=LEAST_VISITS // unsolved_count
                )
            )
            continue
        lower = [inputs[one][0] for one in diagram.order]
        upper = [inputs[one][1] for one in diagram.order]
        low, high = interval(diagram, lower, upper)
        known.append((max(0.0, low * (1 - INEXACT)), min(1.0, high * (1 + INEXACT))))
    low, high = known[-1]
    nodes = sum(len(diagram.level) - 2 for diagram in unsolved.diagrams if diagram is not None)
    return Solution((low + high) / 2, low, high, "bounds", nodes, {})
