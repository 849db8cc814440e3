"""The minimal cut sets of a coherent system: what is enough to bring it down, and nothing of it too much. Pure.

They stay within the modules that they were found in: their number and how many there are of each order are exact, even
where nobody could list them, and the most likely ones are found without a look at the others.
"""

from __future__ import annotations

import bisect
import heapq
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from bascule.availability.structure import Basic, Fixed, Gate, Node, Not, Structure
from bascule.availability.trees.diagram import BudgetSpentError
from bascule.availability.trees.families import Family, minimal
from bascule.availability.trees.network import ALWAYS, NEVER
from bascule.availability.trees.solved import Solved
from bascule.availability.trees.solving import MOST_NODES, Engine, exactly
from bascule.kernel.errors import InputError

NO_CHANCE = -1e9
"""The logarithm that stands for a probability of 0: such sets come last, but they come."""


@dataclass(frozen=True, slots=True)
class CutSet:
    """Events whose failure is enough.

    Attributes:
        events: Their names, sorted.
        probability: That all of them have failed, in [0, 1].
    """

    events: tuple[str, ...]
    probability: float


@dataclass(frozen=True, slots=True)
class Listing:
    """Some of the cut sets.

    Attributes:
        sets: The most likely ones first.
        complete: Whether these are all.
    """

    sets: tuple[CutSet, ...]
    complete: bool


class CutSets:
    """All the minimal cut sets of a solved fault tree.

    Args:
        solved: The fault tree, coherent.
        families: For each of its modules its minimal cut sets.

    Attributes:
        count: How many there are, exactly.
        by_order: How many have one event, two events and so on; orders without any are left out.
        nodes: How many nodes hold them.
    """

    def __init__(self, solved: Solved, families: Sequence[Family]) -> None:
        self._solved = solved
        self._families = families
        self.nodes = sum(len(family.level) - 2 for family in families)
        self.count = self._summed(1)
        width = self.count.bit_length() + 1
        # One number holds the counts of all orders, `width` bits each: to add or multiply it does so for all of them.
        packed = self._summed(1 << width)
        self.by_order: dict[int, int] = {}
        order = 0
        while packed:
            if found := packed & ((1 << width) - 1):
                self.by_order[order] = found
            packed >>= width
            order += 1

    def _summed(self, each: int) -> int:
        """The sum over all sets of the product over their events, each of which counts as much as this."""
        if not self._families:
            return 1 if self._solved.network.top == ALWAYS else 0
        totals: list[int] = []
        for module, family in zip(self._solved.modules, self._families, strict=True):
            worth = [each if module.inputs[one] >= 0 else totals[~module.inputs[one]] for one in family.order]
            sums = [0, 1]
            for node in range(2, len(family.level)):
                sums.append(sums[family.low[node]] + worth[family.level[node]] * sums[family.high[node]])
            totals.append(sums[family.root])
        return totals[-1]

    @property
    def single_points(self) -> tuple[str, ...]:
        """The events each of which is enough alone, sorted."""
        if not self._families:
            return ()
        found: list[tuple[str, ...]] = []
        for module, family in zip(self._solved.modules, self._families, strict=True):
            alone: list[str] = []
            node = family.root
            while node > 1:
                if family.high[node] == 1:
                    place = module.inputs[family.order[family.level[node]]]
                    alone += (self._solved.network.events[place],) if place >= 0 else found[~place]
                node = family.low[node]
            found.append(tuple(alone))
        return tuple(sorted(found[-1]))

    def top(self, number: int) -> Listing:
        """The most likely cut sets, none of which is less likely than one that is left out.

        Args:
            number: How many at most; at least 0.
        """
        sets = [one for one, _ in zip(self._in_order(), range(number), strict=False)]
        sets.sort(key=lambda one: (-one.probability, len(one.events), one.events))
        return Listing(tuple(sets), complete=len(sets) == self.count)

    def _in_order(self) -> Iterator[CutSet]:
        if self._families:
            yield from _Search(self._solved, self._families).sets()
        elif self.count:
            yield CutSet((), 1.0)

    def containing(self) -> dict[str, float]:
        """For each basic event the sum of the probabilities of the cut sets that contain it."""
        names, modules = self._solved.network.events, self._solved.modules
        found = dict.fromkeys(names, 0.0)
        sums, worths = self._likely()
        weight = [0.0] * len(sums)
        weight[-1:] = [1.0] * len(weight[-1:])
        for number in range(len(sums) - 1, -1, -1):
            family, total = self._families[number], sums[number]
            reach = [0.0] * len(total)
            reach[family.root] = weight[number]
            share = [0.0] * len(family.order)
            for node in range(len(total) - 1, 1, -1):
                at, mass = family.level[node], reach[node]
                share[at] += mass * total[family.high[node]]
                reach[family.low[node]] += mass
                reach[family.high[node]] += mass * worths[number][at]
            for at, one in enumerate(family.order):
                place = modules[number].inputs[one]
                if place >= 0:
                    found[names[place]] = share[at] * worths[number][at]
                else:
                    weight[~place] = share[at]
        return found

    def _likely(self) -> tuple[list[list[float]], list[list[float]]]:
        """For each module the sum of the sets' probabilities at each node, and what each level's input is worth."""
        sums: list[list[float]] = []
        worths: list[list[float]] = []
        for module, family in zip(self._solved.modules, self._families, strict=True):
            places = [module.inputs[one] for one in family.order]
            worth = [
                self._solved.events[one][0] if one >= 0 else sums[~one][self._families[~one].root] for one in places
            ]
            total = [0.0, 1.0]
            for node in range(2, len(family.level)):
                total.append(total[family.low[node]] + worth[family.level[node]] * total[family.high[node]])
            worths.append(worth)
            sums.append(total)
        return sums, worths

    def hitting(self, groups: Sequence[Iterable[str]]) -> list[float]:
        """For each group of basic events the sum of the probabilities of the cut sets that contain any of them."""
        number = {name: place for place, name in enumerate(self._solved.network.events)}
        home: dict[int, tuple[int, int]] = {}
        for module, (it, family) in enumerate(zip(self._solved.modules, self._families, strict=True)):
            home.update((it.inputs[one], (module, level)) for level, one in enumerate(family.order))
        known = self._likely()
        return [
            self._hit([number[name] for name in group if number.get(name) in home], home, known) for group in groups
        ]

    def _hit(
        self,
        events: Iterable[int],
        home: Mapping[int, tuple[int, int]],
        known: tuple[list[list[float]], list[list[float]]],
    ) -> float:
        """From the modules of these events up: of each module's sum how much is hit, and how much is not."""
        sums, worths = known
        waiting: dict[int, dict[int, tuple[float, float]]] = {}
        for one in events:
            module, level = home[one]
            waiting.setdefault(module, {})[level] = (worths[module][level], 0.0)
        while waiting:
            module = min(waiting)  # modules stand behind those that they are made of
            part = self._part_hit(module, waiting.pop(module), sums[module], worths[module])
            if module == len(self._families) - 1:
                return part[0]
            above, level = home[~module]
            waiting.setdefault(above, {})[level] = part
        return 0.0

    def _part_hit(
        self, module: int, hit: Mapping[int, tuple[float, float]], total: list[float], worth: list[float]
    ) -> tuple[float, float]:
        family = self._families[module]
        deepest = max(hit)
        # What is deeper than all that is hit, and so stands before it, is not hit.
        start = bisect.bisect_left(family.level, -deepest, lo=2, key=operator.neg)
        hits, misses = [0.0] * start, total[:start]
        for node in range(start, len(family.level)):
            low, high, level = family.low[node], family.high[node], family.level[node]
            within, without = hit.get(level, (0.0, worth[level]))
            hits.append(hits[low] + within * total[high] + without * hits[high])
            misses.append(misses[low] + without * misses[high])
        return hits[family.root], misses[family.root]


@dataclass(frozen=True, slots=True)
class _Then:
    """Where a search goes on after a module: in which module, at which node, and what is best from there to the end."""

    module: int
    node: int
    best: float
    after: _Then | None


@dataclass(frozen=True, slots=True)
class _Chosen:
    """An event, and those that were chosen before it."""

    event: int
    before: _Chosen | None


class _Search:
    """Cut sets by falling probability: best first, with the exact best that is still possible as its bound."""

    def __init__(self, solved: Solved, families: Sequence[Family]) -> None:
        self._solved = solved
        self._families = families
        self._logs = [math.log(p) if p > 0 else NO_CHANCE for p, _ in solved.events]
        self._best: list[list[float]] = []
        for module, family in zip(solved.modules, families, strict=True):
            worth = [self._worth(module.inputs[one]) for one in family.order]
            best = [-math.inf, 0.0]
            for node in range(2, len(family.level)):
                best.append(max(best[family.low[node]], worth[family.level[node]] + best[family.high[node]]))
            self._best.append(best)

    def _worth(self, place: int) -> float:
        return self._logs[place] if place >= 0 else self._best[~place][self._families[~place].root]

    def sets(self) -> Iterator[CutSet]:
        last = len(self._families) - 1
        root = self._families[last].root
        # Best bound first; a number breaks ties, so that what follows is never compared.
        waiting: list[tuple[float, int, float, int, int, _Then | None, _Chosen | None]] = []
        number = 0
        heapq.heappush(waiting, (-self._best[last][root], number, 0.0, last, root, None, None))
        while waiting:
            _, _, log, module, node, then, chosen = heapq.heappop(waiting)
            while node == 1 and then is not None:
                module, node, then = then.module, then.node, then.after
            if node == 1:
                yield self._set(chosen)
                continue
            for log_on, module_on, node_on, then_on, chosen_on in self._ways(log, module, node, then, chosen):
                if node_on:
                    number += 1
                    bound = log_on + self._best[module_on][node_on] + (then_on.best if then_on else 0.0)
                    heapq.heappush(waiting, (-bound, number, log_on, module_on, node_on, then_on, chosen_on))

    def _ways(
        self, log: float, module: int, node: int, then: _Then | None, chosen: _Chosen | None
    ) -> Iterator[tuple[float, int, int, _Then | None, _Chosen | None]]:
        """Without the node's input, and with it: a module is entered, and what comes after it remembered."""
        family = self._families[module]
        yield log, module, family.low[node], then, chosen
        place = self._solved.modules[module].inputs[family.order[family.level[node]]]
        high = family.high[node]
        if place >= 0:
            yield log + self._logs[place], module, high, then, _Chosen(place, chosen)
            return
        best = self._best[module][high] + (then.best if then else 0.0)
        yield log, ~place, self._families[~place].root, _Then(module, high, best, then), chosen

    def _set(self, chosen: _Chosen | None) -> CutSet:
        events: list[int] = []
        while chosen is not None:
            events.append(chosen.event)
            chosen = chosen.before
        names = sorted(self._solved.network.events[one] for one in events)
        return CutSet(tuple(names), math.prod(self._solved.events[one][0] for one in events))


def cut_sets(
    structure: Structure, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES, engine: Engine = "own"
) -> CutSets:
    """All the minimal cut sets of a coherent structure.

    Args:
        structure: When the system fails, and how likely each basic event is.
        expired: Whether time is up.
        most_nodes: How many nodes a diagram, or a module's cut sets, may have.
        engine: Whose decision diagrams.

    Raises:
        InputError: The structure has a NOT, or is too large for the limits.
        MissingProgramError: The engine is not installed.
    """
    return of_solved(
        exactly(structure, expired=expired, most_nodes=most_nodes, engine=engine),
        expired=expired,
        most_nodes=most_nodes,
    )


def of_solved(solved: Solved, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES) -> CutSets:
    """All the minimal cut sets of a fault tree that is solved already.

    Raises:
        InputError: It has a NOT, or too many nodes for the limits.
    """
    if solved.network.top not in (NEVER, ALWAYS) and not solved.network.coherent:
        raise InputError(
            "the fault tree has a NOT, and what repairs by failing has no minimal cut sets",
            hint="ask for probabilities and importances alone, which are exact",
        )
    try:
        families = [minimal(diagram, expired=expired, most_nodes=most_nodes) for diagram in solved.diagrams]
    except BudgetSpentError as error:
        raise InputError(error.what, hint="allow more nodes or more time") from error
    return CutSets(solved, families)


def path_sets(
    structure: Structure, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES, engine: Engine = "own"
) -> CutSets:
    """All the minimal path sets: what is enough to keep the system up; the probabilities are those of being up.

    They are the cut sets of the dual structure.

    Raises:
        InputError: As `cut_sets`.
        MissingProgramError: The engine is not installed.
    """
    return cut_sets(dual(structure), expired=expired, most_nodes=most_nodes, engine=engine)


def dual(structure: Structure) -> Structure:
    """The structure that fails exactly when the given one, with all its events turned round, does not."""
    done: dict[int, Node] = {}
    stack = [structure.top]
    while stack:
        node = stack[-1]
        children = node.children if isinstance(node, Gate) else (node.child,) if isinstance(node, Not) else ()
        waiting = [child for child in children if id(child) not in done]
        if id(node) in done or not waiting:
            stack.pop()
            done.setdefault(id(node), _turned(node, done))
        else:
            stack += waiting
    events = {name: replace(event, unavailability=1 - event.unavailability) for name, event in structure.events.items()}
    return Structure(done[id(structure.top)], events)


def _turned(node: Node, done: dict[int, Node]) -> Node:
    if isinstance(node, Basic):
        return node
    if isinstance(node, Fixed):
        return Fixed(not node.failed)
    if isinstance(node, Not):
        return Not(done[id(node.child)])
    return Gate(len(node.children) - node.least + 1, tuple(done[id(child)] for child in node.children))
