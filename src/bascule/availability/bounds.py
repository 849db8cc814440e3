"""Bounds of how likely a module fails, to be had within any limits, and closer the wider these are. Pure.

States of some variables are fixed, failed or not, and what is left is bounded gate by gate. The case whose bounds lie
farthest apart, weighed by its probability, is split at the variable that bears most of what is undecided. The bounds
are the sums over the cases: they contain the truth at every moment.

Source: Shannon's decomposition, best first; bounds of gates by Esary and Proschan, Coherent structures of non-identical
components, Technometrics 5(2), 1963 (products, where nothing is negated), and by Boole, Fréchet and Markov (without any
assumption); gates whose children share nothing are exact.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from bascule.availability.modules import Module
from bascule.availability.network import NEGATION

LEAST_VISITS = 300_000
"""How many gates are looked at even when time is up from the start: well under a second."""
CLOSE = 1e-10
ROUNDING = 2.0**-50
Bounds = tuple[float, float]


def bounded(module: Module, inputs: Sequence[Bounds], *, expired: Callable[[], bool], most_cases: int) -> Bounds:
    """Bounds of the probability that a module fails.

    Args:
        module: The module.
        inputs: For each of its inputs bounds of the probability that it has failed.
        expired: Whether time is up. A little is done all the same.
        most_cases: How many cases may be held at a time.
    """
    return _Cases(module, inputs).split(expired, most_cases)


@dataclass(frozen=True, slots=True)
class _Case:
    """Some inputs are fixed.

    Attributes:
        fixed: What each of them is: whether it has failed.
        least: A lower bound of the probability of the case.
        most: An upper bound of it.
        bounds: Those of a failure, given the case.
        pivot: The input to split it at.
    """

    fixed: Mapping[int, bool]
    least: float
    most: float
    bounds: Bounds
    pivot: int


class _Cases:
    def __init__(self, module: Module, inputs: Sequence[Bounds]) -> None:
        self._module = module
        self._inputs = inputs
        self._coherent = all(least != NEGATION for least, _ in module.gates)

    def split(self, expired: Callable[[], bool], most_cases: int) -> Bounds:
        """Split cases until the bounds meet, time is up, or there are too many."""
        whole = self._case({}, 1.0, 1.0)
        open_cases = [(-_gap(whole), 0, whole)]
        closed_low = closed_high = 0.0
        visits, number = 0, 0
        gap, high = _gap(whole), whole.bounds[1]
        while open_cases and len(open_cases) < most_cases and gap > CLOSE * high:
            visits += 2 * len(self._module.gates)
            if visits > LEAST_VISITS and expired():
                break
            case = heapq.heappop(open_cases)[2]
            gap -= _gap(case)
            high -= case.most * case.bounds[1]
            for failed in (True, False):
                half = self._half(case, failed)
                number += 1
                gap += _gap(half)
                high += half.most * half.bounds[1]
                if half.pivot < 0 or half.most <= 0:
                    closed_low += half.least * half.bounds[0]
                    closed_high += half.most * half.bounds[1]
                else:
                    heapq.heappush(open_cases, (-_gap(half), number, half))
        low = closed_low + sum(case.least * case.bounds[0] for _, _, case in open_cases)
        high = closed_high + sum(case.most * case.bounds[1] for _, _, case in open_cases)
        slack = ROUNDING * (number + len(self._module.gates) + len(self._inputs) + 1)
        # The complement of what is nearly certain has that one's rounding error, however small it is itself.
        least = 0.0 if self._coherent else slack
        return max(0.0, low * (1 - slack) - least), min(1.0, high * (1 + slack) + least)

    def _half(self, case: _Case, failed: bool) -> _Case:
        least, most = self._inputs[case.pivot]
        if not failed:
            least, most = 1 - most, 1 - least
        return self._case({**case.fixed, case.pivot: failed}, case.least * least, case.most * most)

    def _case(self, fixed: Mapping[int, bool], least: float, most: float) -> _Case:
        count = len(self._inputs)
        bounds = list(self._inputs)
        for one, failed in fixed.items():
            bounds[one] = (1.0, 1.0) if failed else (0.0, 0.0)
        free = [0 if one in fixed else 1 << one for one in range(count)]
        for need, children in self._module.gates:
            open_children = [child for child in children if bounds[child] not in _ENDS]
            failed_already = sum(bounds[child] == _ENDS[1] for child in children)
            need_left = need if need == NEGATION else max(0, need - failed_already)
            bounds.append(self._gate(need_left, open_children, children, bounds, free))
            mask = 0
            if bounds[-1] not in _ENDS:
                for child in open_children:
                    mask |= free[child]
            free.append(mask)
        return _Case(fixed, least, most, bounds[-1], self._pivot(bounds, free, fixed))

    def _gate(  # noqa: PLR0911 - a table of cases reads best as one
        self, need: int, left: Sequence[int], children: Sequence[int], bounds: Sequence[Bounds], free: Sequence[int]
    ) -> Bounds:
        if need == NEGATION:
            least, most = bounds[children[0]]
            return 1 - most, 1 - least
        if need <= 0:
            return 1.0, 1.0
        if need > len(left):
            return 0.0, 0.0
        if len(left) == 1:
            return bounds[left[0]]
        apart = _apart(left, free)
        lows, highs = [bounds[child][0] for child in left], [bounds[child][1] for child in left]
        if len(apart) == len(left):
            return _counted(need, lows), _counted(need, highs)
        if need == 1:
            least = max(*lows, _counted(1, [bounds[child][0] for child in apart]))
            return least, _counted(1, highs) if self._coherent else min(1.0, sum(highs))
        if need == len(left):
            most = min(*highs, _counted(len(apart), [bounds[child][1] for child in apart]))
            product = _counted(need, lows)
            return (product if self._coherent else max(0.0, sum(lows) - need + 1)), most
        return max(0.0, (sum(lows) - need + 1) / (len(left) - need + 1)), min(1.0, sum(highs) / need)

    def _pivot(self, bounds: Sequence[Bounds], free: Sequence[int], fixed: Mapping[int, bool]) -> int:
        """The input that bears most of what is undecided; -1 where nothing is."""
        least, most = bounds[-1]
        if least == most:
            return -1
        count = len(self._inputs)
        weight = [0.0] * len(bounds)
        weight[-1] = 1.0
        for place in range(len(self._module.gates) - 1, -1, -1):
            borne = weight[count + place]
            if not borne:
                continue
            left = [child for child in self._module.gates[place][1] if bounds[child] not in _ENDS]
            for child in left:
                weight[child] += borne / len(left)
        # An input that is fixed decides nothing any more; one that is below no open gate never did.
        best = max((one for one in range(count) if one not in fixed and free[one]), key=weight.__getitem__, default=-1)
        return best if best >= 0 and weight[best] > 0 else -1


_ENDS = ((0.0, 0.0), (1.0, 1.0))


def _gap(case: _Case) -> float:
    return max(0.0, case.most * case.bounds[1] - case.least * case.bounds[0])


def _apart(children: Sequence[int], free: Sequence[int]) -> list[int]:
    """Those of the children that share no free input with one before them."""
    found: list[int] = []
    taken = 0
    for child in children:
        if not free[child] & taken:
            found.append(child)
            taken |= free[child]
    return found


def _counted(need: int, odds: Sequence[float]) -> float:
    """The probability that at least this many of independent ones fail; every term is positive."""
    if need == 1:
        fails, holds = 0.0, 1.0
        for p in odds:
            fails += holds * p
            holds *= 1 - p
        return fails
    reached = [1.0] + [0.0] * need
    for p in odds:
        for level in range(need, 0, -1):
            if level == need:
                reached[level] += reached[level - 1] * p
            else:
                reached[level] = reached[level] * (1 - p) + reached[level - 1] * p
        reached[0] *= 1 - p
    return reached[need]
