"""Better orders for diagrams that are there already: each variable moved to where the diagram is smallest. Pure.

Source: Rudell, Dynamic variable ordering for ordered binary decision diagrams, ICCAD 1993. Two neighbours are swapped
in place; a node keeps its number and its meaning, so that whoever holds it need not know.
"""

from __future__ import annotations

from collections.abc import Callable

MIX = 1_000_000_007
"""Two nodes make one key, `low * MIX + high`: unique below a thousand million nodes, and spread well over a table."""
MOST_GROWTH = 1.2
EFFORT = 50
"""How many nodes may be looked at, for each node that is there."""
MOST_EFFORT = 1_000_000
"""How many nodes may be looked at in all: some seconds."""


class Sifting:
    """Nodes labelled with variables, which it reorders so that there are fewer of them.

    Args:
        order: For each level the variable that it asks for.
        level: For each node its level; the ends 0 and 1 come first.
        low: For each node where it goes on when the variable has not failed.
        high: For each node where it goes on when the variable has failed.
        roots: The nodes that must stay.

    Invariant: every node is reached from a root; after each swap the nodes mean what they did before.
    """

    def __init__(self, order: list[int], level: list[int], low: list[int], high: list[int], roots: list[int]) -> None:
        self.order = list(order)
        self.low, self.high = low, high
        self.variable = [-1 if node < 2 else order[at] for node, at in enumerate(level)]
        self._tables: dict[int, dict[int, int]] = {variable: {} for variable in order}
        self._uses = [0] * len(level)
        self._free: list[int] = []
        for node in range(2, len(level)):
            self._tables[self.variable[node]][low[node] * MIX + high[node]] = node
            self._uses[low[node]] += 1
            self._uses[high[node]] += 1
        for root in roots:
            self._uses[root] += 1
        self.size = len(level) - 2
        self._looked_at = 0

    def sift(self, expired: Callable[[], bool]) -> None:
        """Move each variable, those with most nodes first, to where there are fewest nodes; stop when time is up."""
        effort = min(EFFORT * self.size, MOST_EFFORT)
        for variable in sorted(self._tables, key=lambda one: -len(self._tables[one])):
            if self._looked_at > effort or expired():
                return
            self._place(variable, expired)

    def _place(self, variable: int, expired: Callable[[], bool]) -> None:
        """Try the nearer end first, then the other, and go back to the best place."""
        here = self.order.index(variable)
        last = len(self.order) - 1
        best, least = here, self.size
        ends = (last, 0) if here > last // 2 else (0, last)
        for end in ends:
            step = 1 if end > here else -1
            while here != end:
                self.swap(here if step > 0 else here - 1)
                here += step
                if self.size < least:
                    best, least = here, self.size
                if self.size > MOST_GROWTH * least + 2 or expired():
                    break
        while here != best:
            self.swap(here if best > here else here - 1)
            here += 1 if best > here else -1

    def swap(self, at: int) -> None:
        """Exchange the variables at this level and the next."""
        upper, lower = self.order[at], self.order[at + 1]
        self.order[at], self.order[at + 1] = lower, upper
        variable, low, high = self.variable, self.low, self.high
        above = self._tables[upper]
        if not self._tables[lower]:
            return
        self._looked_at += len(above)
        moving = [node for node in above.values() if variable[low[node]] == lower or variable[high[node]] == lower]
        below = self._tables[lower]
        for node in moving:
            del above[low[node] * MIX + high[node]]
        for node in moving:
            f, g = low[node], high[node]
            f0, f1 = (low[f], high[f]) if variable[f] == lower else (f, f)
            g0, g1 = (low[g], high[g]) if variable[g] == lower else (g, g)
            without, within = self._node(upper, f0, g0), self._node(upper, f1, g1)
            variable[node], low[node], high[node] = lower, without, within
            below[without * MIX + within] = node
            self._uses[without] += 1
            self._uses[within] += 1
            self._drop(f)
            self._drop(g)

    def _node(self, variable: int, low: int, high: int) -> int:
        if low == high:
            return low
        table, key = self._tables[variable], low * MIX + high
        node = table.get(key)
        if node is not None:
            return node
        if self._free:
            node = self._free.pop()
            self.variable[node], self.low[node], self.high[node] = variable, low, high
        else:
            node = len(self.low)
            self.variable.append(variable)
            self.low.append(low)
            self.high.append(high)
            self._uses.append(0)
        table[key] = node
        self._uses[low] += 1
        self._uses[high] += 1
        self.size += 1
        return node

    def _drop(self, node: int) -> None:
        dropped = [node]
        while dropped:
            node = dropped.pop()
            self._uses[node] -= 1
            if self._uses[node] or node < 2:
                continue
            low, high = self.low[node], self.high[node]
            del self._tables[self.variable[node]][low * MIX + high]
            self._free.append(node)
            self.size -= 1
            dropped += (low, high)
