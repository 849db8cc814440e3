"""Families of sets as zero-suppressed decision diagrams: minimal cut sets by the million in thousands of nodes. Pure.

A node splits a family by its variable: `low` are the sets without it, `high` those with it, the variable taken out; 0
is the family without a set, 1 that of the empty set alone.

Source: Minato, Zero-suppressed BDDs for set manipulation in combinatorial problems, DAC 1993; Rauzy, New algorithms for
fault trees analysis, Reliability Engineering and System Safety 40(3), 1993, section 4 (minimal solutions).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from bascule.availability.trees.diagram import BudgetSpentError, Diagram
from bascule.availability.trees.sifting import MIX

EACH = 4096


@dataclass(frozen=True, slots=True)
class Family:
    """A finished family of sets.

    Attributes:
        order: For each level, from the root down, the input that it stands for.
        level: For each node its level; of the ends 0 and 1 it is `len(order)`.
        low: For each node the sets without its input.
        high: For each node the sets with its input, which is taken out.
        root: The family.

    Invariant: a node stands behind those that it leads to.
    """

    order: tuple[int, ...]
    level: tuple[int, ...]
    low: tuple[int, ...]
    high: tuple[int, ...]
    root: int


def minimal(diagram: Diagram, *, expired: Callable[[], bool], most_nodes: int) -> Family:
    """The minimal cut sets of a coherent diagram: the least sets of inputs whose failure leads to 1.

    Raises:
        BudgetSpentError: There are more nodes than there may be, or time is up.
    """
    return _Families(diagram.order, expired, most_nodes).minimal(diagram)


class _Families:
    def __init__(self, order: Sequence[int], expired: Callable[[], bool], most_nodes: int) -> None:
        self._order = tuple(order)
        self._level = [len(order), len(order)]
        self._low, self._high = [0, 1], [0, 1]
        self._unique: list[dict[int, int]] = [{} for _ in order]
        self._known: dict[int, int] = {}
        self._expired = expired
        self._most_nodes = most_nodes

    def minimal(self, diagram: Diagram) -> Family:
        """What fails with the input only counts where it would not fail without."""
        found = [0, 1]
        for node in range(2, len(diagram.level)):
            without = found[diagram.low[node]]
            found.append(self._node(diagram.level[node], without, self._freed(found[diagram.high[node]], without)))
        return self._finished(found[diagram.root])

    def _node(self, level: int, low: int, high: int) -> int:
        if not high:
            return low
        key = low * MIX + high
        node = self._unique[level].get(key)
        if node is None:
            node = self._unique[level][key] = len(self._level)
            self._level.append(level)
            self._low.append(low)
            self._high.append(high)
            if not node % EACH and (node > self._most_nodes or self._expired()):
                raise BudgetSpentError("the minimal cut sets take more nodes or time than there is")
        return node

    def _seen(self, sets: int, of: int) -> int | None:
        """The result of `_freed` where it is known or plain."""
        if not sets or of in (1, sets):
            return 0
        if not of or sets == 1:
            return sets
        return self._known.get(sets * MIX + of)

    def _freed(self, sets: int, of: int) -> int:
        """The sets that contain none of the sets `of`."""
        level, low, high = self._level, self._low, self._high
        stack = [(sets, of)]
        while stack:
            a, b = stack[-1]
            if self._seen(a, b) is not None:
                stack.pop()
                continue
            if level[a] > level[b]:
                found = self._seen(a, low[b])
                if found is None:
                    stack.append((a, low[b]))
                    continue
                self._known[a * MIX + b] = found
                continue
            same = level[a] == level[b]
            rest = low[b] if same else b
            without, within = self._seen(low[a], rest), self._seen(high[a], rest)
            if without is None or within is None:
                stack += [pair for pair, it in (((low[a], rest), without), ((high[a], rest), within)) if it is None]
                continue
            if same:
                twice = self._seen(within, high[b])
                if twice is None:
                    stack.append((within, high[b]))
                    continue
                within = twice
            self._known[a * MIX + b] = self._node(level[a], without, within)
        found = self._seen(sets, of)
        assert found is not None, "it was the last pair on the stack"  # noqa: S101 - for the type checker
        return found

    def _finished(self, root: int) -> Family:
        seen = {0, 1, root}
        stack = [root]
        while stack:
            node = stack.pop()
            for way in (self._low[node], self._high[node]):
                if way not in seen:
                    seen.add(way)
                    stack.append(way)
        nodes = [0, 1, *sorted(seen - {0, 1}, key=self._level.__getitem__, reverse=True)]
        place = {node: number for number, node in enumerate(nodes)}
        return Family(
            self._order,
            tuple(self._level[node] for node in nodes),
            tuple(place[self._low[node]] for node in nodes),
            tuple(place[self._high[node]] for node in nodes),
            place[root],
        )
