"""Independent parts of a fault tree, each of which can be solved on its own. Pure.

Source: Dutuit and Rauzy, A linear-time algorithm to find modules of fault trees, IEEE Transactions on Reliability
45(3), 1996. Besides the gates that are modules, children of an AND or OR that share nothing with the others become one.
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.availability.trees.network import VARIABLE, Network


@dataclass(frozen=True, slots=True)
class Module:
    """A part of a fault tree that shares nothing with the rest but its result.

    Attributes:
        inputs: What it is made of: the place of a basic event in the network, or `~place` of another module.
        gates: Its gates as (least, children), children first, its own last: a child below `len(inputs)` is that input,
            any other is the gate at `child - len(inputs)`.
    """

    inputs: tuple[int, ...]
    gates: tuple[tuple[int, tuple[int, ...]], ...]


def modules(network: Network) -> list[Module]:
    """The modules of a network whose top is not constant: those that others are made of first, the top's last."""
    return _Division(network).modules()


def whole(network: Network) -> Module:
    """A network whose top is not constant as one module, which is not divided: its inputs are basic events."""
    division = _Division(network)
    division.join()
    return division.modules()[0]


class _Division:
    def __init__(self, network: Network) -> None:
        self._least = list(network.least)
        self._children = list(network.children)
        self._top = network.top
        self._roots = _independent(network)
        self._is_divided = True

    def join(self) -> None:
        """Take everything for one module."""
        self._roots = {self._top}
        self._is_divided = False

    def modules(self) -> list[Module]:
        """The modules, those that others are made of first."""
        found = [self._top]
        for root in found:  # it grows as modules are found within modules
            self._regroup(root)
            _, inputs = self._within(root)
            found += [node for node in inputs if self._least[node] != VARIABLE]
        found.reverse()
        place = {root: number for number, root in enumerate(found)}
        return [self._module(root, place) for root in found]

    def _within(self, root: int) -> tuple[list[int], list[int]]:
        """The gates below this one, itself last, and what they are made of: variables and other modules."""
        gates: list[int] = []
        inputs: list[int] = []
        seen = {root}
        stack = [(root, iter(self._children[root]))] if self._least[root] != VARIABLE else []
        if not stack:
            inputs.append(root)
        while stack:
            node, rest = stack[-1]
            child = next(rest, None)
            if child is None:
                gates.append(node)
                stack.pop()
            elif child not in seen:
                seen.add(child)
                if self._least[child] == VARIABLE or child in self._roots:
                    inputs.append(child)
                else:
                    stack.append((child, iter(self._children[child])))
        return gates, inputs

    def _regroup(self, root: int) -> None:
        """Where an AND or OR has children that share nothing with the others, make each group of them a module."""
        least, children = self._least[root], self._children[root]
        if not self._is_divided or least not in (1, len(children)) or len(children) < 3:
            return
        groups = self._groups(children)
        if len(groups) in (1, len(children)):
            return
        regrouped: list[int] = []
        for group in groups:
            if len(group) == 1:
                regrouped += group
                continue
            regrouped.append(len(self._least))
            self._roots.add(len(self._least))
            self._least.append(1 if least == 1 else len(group))
            self._children.append(tuple(group))
        self._least[root] = 1 if least == 1 else len(regrouped)
        self._children[root] = tuple(regrouped)

    def _groups(self, children: tuple[int, ...]) -> list[list[int]]:
        leader: dict[int, int] = {}

        def found(node: int) -> int:
            while leader[node] != node:
                leader[node] = leader[leader[node]]
                node = leader[node]
            return node

        for child in children:
            stack = [child]
            leader.setdefault(child, child)
            while stack:
                node = stack.pop()
                if self._least[node] == VARIABLE or (node in self._roots):
                    continue
                for below in self._children[node]:
                    if below in leader:
                        leader[found(below)] = found(node)
                    else:
                        leader[below] = found(node)
                        stack.append(below)
        groups: dict[int, list[int]] = {}
        for child in children:
            groups.setdefault(found(child), []).append(child)
        return list(groups.values())

    def _module(self, root: int, place: dict[int, int]) -> Module:
        gates, inputs = self._within(root)
        local = {node: number for number, node in enumerate([*inputs, *gates])}
        return Module(
            inputs=tuple(self._children[node][0] if self._least[node] == VARIABLE else ~place[node] for node in inputs),
            gates=tuple((self._least[gate], tuple(local[child] for child in self._children[gate])) for gate in gates),
        )


def _independent(network: Network) -> set[int]:
    """The gates whose descendants are visited from nowhere else, in one walk and one pass."""
    count = len(network.least)
    first, left, last = [0] * count, [0] * count, [0] * count
    earliest, latest = [0] * count, [0] * count
    roots: set[int] = set()
    clock = 1
    first[network.top] = last[network.top] = clock
    stack = [(network.top, 0)]
    while stack:
        node, at = stack.pop()
        children = network.children[node] if network.least[node] != VARIABLE else ()
        clock += 1
        if at == len(children):
            left[node] = last[node] = clock
            continue
        stack.append((node, at + 1))
        child = children[at]
        last[child] = clock
        if not first[child]:
            first[child] = clock
            stack.append((child, 0))
    for node in range(count):  # children stand before their parents
        if not first[node]:
            continue
        children = network.children[node] if network.least[node] != VARIABLE else ()
        below_first = min((earliest[child] for child in children), default=first[node])
        below_last = max((latest[child] for child in children), default=last[node])
        if children and below_first > first[node] and below_last < left[node]:
            roots.add(node)
        earliest[node], latest[node] = min(below_first, first[node]), max(below_last, last[node])
    return roots
