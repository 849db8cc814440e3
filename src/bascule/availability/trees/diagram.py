"""Binary decision diagrams of modules: canonical, exact, and built without recursion. Pure.

A node asks whether the input at its level has failed and goes on to `low` (no) or `high` (yes); 0 and 1 are the ends.
An operation collects the pairs of nodes that it needs from the top down, then makes their results from the deepest up:
no stack can overflow, whatever the depth.

Source: Bryant, Graph-based algorithms for Boolean function manipulation, IEEE Transactions on Computers 35(8), 1986;
Rauzy, New algorithms for fault trees analysis, Reliability Engineering and System Safety 40(3), 1993.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from bascule.availability.trees.modules import Module
from bascule.availability.trees.network import NEGATION
from bascule.availability.trees.sifting import MIX, Sifting
from bascule.kernel.errors import BasculeError

LEAST_GARBAGE = 50_000
LEAST_SIFTED = 10_000
MOST_REMEMBERED = 4
"""How many results are remembered for each node that there may be."""
EACH = 4095


class BudgetSpentError(BasculeError):
    """A diagram became larger, or took longer, than it may: bounds can still be given."""


@dataclass(frozen=True, slots=True)
class Diagram:
    """A finished decision diagram.

    Attributes:
        order: For each level, from the root down, the input of the module that it asks for.
        level: For each node its level; of the ends 0 and 1 it is `len(order)`.
        low: For each node where it goes on when the input has not failed.
        high: For each node where it goes on when the input has failed.
        root: Where it starts.

    Invariant: a node stands behind those that it goes on to: one loop over the lists is a pass from the ends up.
    """

    order: tuple[int, ...]
    level: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    root: int


F = TypeVar("F")


class Algebra(Protocol[F]):
    """What a library of decision diagrams must be able to do."""

    def constant(self, failed: bool) -> F:
        """What always, or never, fails."""

    def variable(self, one: int) -> F:
        """What fails when this input does."""

    def join(self, first: F, second: F) -> F:
        """What fails when either does."""

    def meet(self, first: F, second: F) -> F:
        """What fails when both do."""

    def choose(self, test: F, then: F, otherwise: F) -> F:
        """What fails when `then` does if `test` does, and when `otherwise` does if not."""

    def tidy(self, live: list[F | None]) -> list[F | None]:
        """The same functions, after everything else may have been thrown away."""

    def finished(self, root: F) -> Diagram:
        """The diagram of a function as plain lists."""


def built(module: Module, order: Sequence[int], algebra: Algebra[F]) -> Diagram:
    """The diagram of a module, by an algebra that decides on its inputs in this order.

    Gates that count are not expanded into ANDs of ORs: with n children and `least` k they take n * k choices.

    Raises:
        BudgetSpentError: The algebra's limit of nodes or of time is reached.
    """
    count = len(module.inputs)
    level = {one: place for place, one in enumerate(order)}
    deepest = [level[one] for one in range(count)]
    uses = [0] * (count + len(module.gates))
    for _, children in module.gates:
        deepest.append(max(deepest[child] for child in children))
        for child in children:
            uses[child] += 1
    made: list[F | None] = [None] * count
    for least, children in module.gates:
        ready = sorted(children, key=deepest.__getitem__, reverse=True)
        parts: list[F] = []
        for child in ready:
            part = algebra.variable(child) if child < count else made[child]
            assert part is not None, "children are made before their parents"  # noqa: S101 - for the type checker
            parts.append(part)
        made.append(_gate(least, parts, algebra))
        for child in children:
            uses[child] -= 1
            if not uses[child]:
                made[child] = None
        made = algebra.tidy(made)
    root = made[-1] if module.gates else algebra.variable(0)
    assert root is not None, "the last gate is the module's own"  # noqa: S101 - for the type checker
    return algebra.finished(root)


def _gate(least: int, parts: list[F], algebra: Algebra[F]) -> F:
    """A gate's function; its parts come deepest first, so that each step touches little of what is done."""
    if least == NEGATION:
        return algebra.choose(parts[0], algebra.constant(failed=False), algebra.constant(failed=True))
    if least in (1, len(parts)):
        step = algebra.join if least == 1 else algebra.meet
        whole = parts[0]
        for part in parts[1:]:
            whole = step(whole, part)
        return whole
    reached = [algebra.constant(failed=True)] + [algebra.constant(failed=False)] * least
    for number, part in enumerate(parts):
        left = len(parts) - number - 1
        for need in range(least, max(0, least - left - 1), -1):
            reached[need] = algebra.choose(part, reached[need - 1], reached[need])
    return reached[least]


class Diagrams:
    """The house's own decision diagrams, in lists and dictionaries of integers.

    Args:
        order: For each level, from the root down, the input that it asks for.
        most_nodes: How many nodes may be there at a time.
        expired: Whether time is up; it is asked every few thousand steps.
        sifts: Whether the order may be changed where that makes large diagrams smaller.
    """

    def __init__(
        self, order: Sequence[int], most_nodes: int, expired: Callable[[], bool], *, sifts: bool = False
    ) -> None:
        levels = len(order)
        self._order = list(order)
        self._level_of = {one: level for level, one in enumerate(order)}
        self._sift_at = LEAST_SIFTED if sifts else most_nodes + 1
        self.level = [levels, levels]
        self.low = [0, 1]
        self.high = [0, 1]
        self._unique: list[dict[int, int]] = [{} for _ in range(levels)]
        self._known: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._chosen: dict[tuple[int, int, int], int] = {}
        self._most_nodes = most_nodes
        self._expired = expired
        self._next_tidy = min(LEAST_GARBAGE, max(1, most_nodes // 2))

    def constant(self, failed: bool) -> int:
        """The end 1 or 0."""
        return int(failed)

    def variable(self, one: int) -> int:
        """The node that asks for this input alone."""
        return self.node(self._level_of[one], 0, 1)

    def node(self, level: int, low: int, high: int) -> int:
        """The only node of its kind; both ways must lead deeper than `level`."""
        if low == high:
            return low
        key = low * MIX + high
        found = self._unique[level].get(key)
        if found is None:
            found = self._unique[level][key] = len(self.level)
            self.level.append(level)
            self.low.append(low)
            self.high.append(high)
        return found

    def join(self, first: int, second: int) -> int:
        """What fails when either does."""
        return self._combined(first, second, 1)

    def meet(self, first: int, second: int) -> int:
        """What fails when both do."""
        return self._combined(first, second, 0)

    def _combined(self, first: int, second: int, ruling: int) -> int:  # noqa: C901, PLR0912 - unrolled: run by the million
        """OR where 1 is ruling, AND where 0 is."""
        known, level, low, high = self._known[ruling], self.level, self.low, self.high
        other = 1 - ruling
        if ruling in (first, second):
            return ruling
        if first in (other, second):
            return second
        if second == other:
            return first
        if first > second:
            first, second = second, first
        found = known.get(first * MIX + second)
        if found is not None:
            return found
        # Pairs, the smaller node first; a result that is not known yet is the complement of its place in here.
        keys, pairs = [first * MIX + second], [(first, second)]
        tops: list[int] = []
        ways: tuple[list[int], list[int]] = ([], [])
        for f, g in pairs:  # it grows while it is worked on
            at_f, at_g = level[f], level[g]
            top = at_f if at_f < at_g else at_g  # noqa: FURB136 - a call costs as much as the rest of the step
            tops.append(top)
            for way, next_of in zip(ways, (low, high), strict=True):
                a = next_of[f] if at_f == top else f
                b = next_of[g] if at_g == top else g
                if a > b:
                    a, b = b, a
                # The ends are the smallest nodes: once sorted, only `a`, or both, can be one of them.
                if a < 2:
                    way.append(ruling if ruling in (a, b) else b)
                elif a == b:
                    way.append(a)
                else:
                    key = a * MIX + b
                    found = known.get(key)
                    if found is None:
                        found = known[key] = ~len(pairs)
                        keys.append(key)
                        pairs.append((a, b))
                    way.append(found)
            if not len(tops) & EACH:
                self._check(len(pairs))
        made = self._made(tops, *ways)
        known.update(zip(keys, made, strict=True))
        return made[0]

    def choose(self, test: int, then: int, otherwise: int) -> int:  # noqa: C901, PLR0912 - unrolled: run by the million
        """What fails when `then` does if `test` does, and when `otherwise` does if not."""
        if test < 2 or then == otherwise:
            return then if test else otherwise
        if not otherwise:
            return self._combined(test, then, 0)
        if then == 1:
            return self._combined(test, otherwise, 1)
        known, level, low, high = self._chosen, self.level, self.low, self.high
        found = known.get((test, then, otherwise))
        if found is not None:
            return found
        triples = [(test, then, otherwise)]
        tops: list[int] = []
        ways: tuple[list[int], list[int]] = ([], [])
        for f, g, h in triples:  # it grows while it is worked on
            at_f, at_g, at_h = level[f], level[g], level[h]
            top = at_f if at_f < at_g else at_g  # noqa: FURB136 - a call costs as much as the rest of the step
            if at_h < top:  # noqa: PLR1730 - as above
                top = at_h
            tops.append(top)
            for way, next_of in zip(ways, (low, high), strict=True):
                a = next_of[f] if at_f == top else f
                b = next_of[g] if at_g == top else g
                c = next_of[h] if at_h == top else h
                if a < 2:
                    way.append(b if a else c)
                elif b == c:
                    way.append(b)
                elif b == 1 and not c:
                    way.append(a)
                else:
                    found = known.get((a, b, c))
                    if found is None:
                        found = known[a, b, c] = ~len(triples)
                        triples.append((a, b, c))
                    way.append(found)
            if not len(tops) & EACH:
                self._check(len(triples))
        made = self._made(tops, *ways)
        known.update(zip(triples, made, strict=True))
        return made[0]

    def _made(self, tops: list[int], lows: list[int], highs: list[int]) -> list[int]:
        """The nodes of what was sought, from the deepest up; a way that is negative leads to another of them."""
        made = [0] * len(tops)
        unique, level, low, high = self._unique, self.level, self.low, self.high
        for place in sorted(range(len(tops)), key=tops.__getitem__, reverse=True):
            f, g = lows[place], highs[place]
            if f < 0:
                f = made[~f]
            if g < 0:
                g = made[~g]
            if f == g:
                made[place] = f
                continue
            key, table = f * MIX + g, unique[tops[place]]
            found = table.get(key)
            if found is None:
                found = table[key] = len(level)
                level.append(tops[place])
                low.append(f)
                high.append(g)
            made[place] = found
        self._check(0)
        remembered = len(self._known[0]) + len(self._known[1]) + len(self._chosen)
        if remembered > MOST_REMEMBERED * self._most_nodes:
            self._known, self._chosen = ({}, {}), {}
        return made

    def _check(self, pending: int) -> None:
        if len(self.level) + pending > self._most_nodes:
            raise BudgetSpentError(f"the decision diagram has more than {self._most_nodes:,} nodes")
        if self._expired():
            raise BudgetSpentError("the decision diagram was not done in time")

    def tidy(self, live: list[int | None]) -> list[int | None]:
        """The same functions; nodes that none of them needs are gone once there are many."""
        if len(self.level) < min(self._next_tidy, self._sift_at):
            return live
        live = self._replaced(live)
        if len(self.level) > self._sift_at:
            self._sift([one for one in live if one is not None])
            live = self._replaced(live)
            self._sift_at = max(LEAST_SIFTED, 2 * len(self.level))
        for table in self._unique:
            table.clear()
        for node in range(2, len(self.level)):
            self._unique[self.level[node]][self.low[node] * MIX + self.high[node]] = node
        self._known = ({}, {})
        self._chosen = {}
        self._next_tidy = min(max(LEAST_GARBAGE, 2 * len(self.level)), self._sift_at)
        return live

    def _replaced(self, live: list[int | None]) -> list[int | None]:
        """Drop what is not reached from these, and number the rest anew."""
        kept, self.level, self.low, self.high = self._kept([one for one in live if one is not None])
        return [None if one is None else kept[one] for one in live]

    def _sift(self, roots: list[int]) -> None:
        sifting = Sifting(self._order, self.level, self.low, self.high, roots)
        sifting.sift(self._expired)
        self._order = sifting.order
        self._level_of = {one: level for level, one in enumerate(self._order)}
        self.level = [self._level_of.get(one, len(self._order)) for one in sifting.variable]

    def _kept(self, roots: list[int]) -> tuple[dict[int, int], list[int], list[int], list[int]]:
        """What is reached from the roots, numbered anew from the ends up."""
        seen = {0, 1, *roots}
        stack = list(seen)
        while stack:
            node = stack.pop()
            for way in (self.low[node], self.high[node]):
                if way not in seen:
                    seen.add(way)
                    stack.append(way)
        seen -= {0, 1}
        nodes = [0, 1, *sorted(seen, key=self.level.__getitem__, reverse=True)]
        kept = {node: place for place, node in enumerate(nodes)}
        level = [self.level[node] for node in nodes]
        return kept, level, [kept[self.low[node]] for node in nodes], [kept[self.high[node]] for node in nodes]

    def finished(self, root: int) -> Diagram:
        """The diagram of a function as plain lists."""
        kept, level, low, high = self._kept([root])
        return Diagram(tuple(self._order), tuple(level), tuple(low), tuple(high), kept[root])
