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

from bascule.availability.trees.modules import Module
from bascule.availability.trees.network import NEGATION

LEAST_VISITS = 20_000
"""How many gates are looked at even when time is up from the start: well under a second."""
MOST_VISITS = 10_000_000
"""How many gates are looked at even when time is never up."""
CLOSE = 1e-10
ROUNDING = 2.0**-50
Bounds = tuple[float, float]


def bounded(
    module: Module,
    inputs: Sequence[Bounds],
    *,
    expired: Callable[[], bool],
    most_cases: int,
    least_visits: int = LEAST_VISITS,
) -> Bounds:
    """Bounds of the probability that a module fails.

    Args:
        module: The module.
        inputs: For each of its inputs bounds of the probability that it has failed.
        expired: Whether time is up. A little is done all the same.
        most_cases: How many cases may be held at a time.
        least_visits: How many gates are looked at even when time is up.
    """
    return _Cases(module, inputs).split(expired, most_cases, least_visits)


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

    def split(self, expired: Callable[[], bool], most_cases: int, least_visits: int) -> Bounds:
        """Split cases until the bounds meet, time is up, or there are too many."""
        whole = self._case({}, 1.0, 1.0)
        open_cases = [(-_gap(whole), 0, whole)]
        closed_low = closed_high = 0.0
        visits, number = 0, 0
        gap, high = _gap(whole), whole.bounds[1]
        while open_cases and len(open_cases) < most_cases and gap > CLOSE * high:
            visits += 2 * len(self._module.gates)
            if visits > MOST_VISITS or (visits > least_visits and expired()):
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
        lows, highs = [low for low, _ in self._inputs], [high for _, high in self._inputs]
        free = [1 << one for one in range(len(lows))]
        for one, failed in fixed.items():
            lows[one] = highs[one] = float(failed)
            free[one] = 0
        for need, children in self._module.gates:
            low, high, mask = self._gate(need, children, lows, highs, free)
            lows.append(low)
            highs.append(high)
            free.append(mask if low < 1 and high > 0 else 0)
        return _Case(fixed, least, most, (lows[-1], highs[-1]), self._pivot(lows, highs, free))

    def _gate(
        self, need: int, children: Sequence[int], lows: Sequence[float], highs: Sequence[float], free: Sequence[int]
    ) -> tuple[float, float, int]:
        """Bounds of a gate, and the free inputs below what is open of it."""
        if need == NEGATION:
            child = children[0]
            return 1 - highs[child], 1 - lows[child], free[child]
        low: list[float] = []
        high: list[float] = []
        apart: list[int] = []
        taken = 0
        for child in children:
            if lows[child] >= 1:
                need -= 1
            elif highs[child] > 0:
                mask = free[child]
                if not mask & taken:
                    apart.append(len(low))
                taken |= mask
                low.append(lows[child])
                high.append(highs[child])
        if need <= 0:
            return 1.0, 1.0, 0
        if need > len(low):
            return 0.0, 0.0, 0
        if len(apart) == len(low):
            return _counted(need, low), _counted(need, high), taken
        return *self._sharing(need, low, high, apart), taken

    def _sharing(self, need: int, low: list[float], high: list[float], apart: list[int]) -> Bounds:
        """Bounds of a gate whose children share inputs, but for some that are apart from those before them."""
        if need == 1:
            least = max(*low, _counted(1, [low[one] for one in apart]))
            return least, _counted(1, high) if self._coherent else min(1.0, sum(high))
        if need == len(low):
            most = min(*high, _counted(len(apart), [high[one] for one in apart]))
            return _counted(need, low) if self._coherent else max(0.0, sum(low) - need + 1), most
        return max(0.0, (sum(low) - need + 1) / (len(low) - need + 1)), min(1.0, sum(high) / need)

    def _pivot(self, lows: Sequence[float], highs: Sequence[float], free: Sequence[int]) -> int:
        """The free input that bears most of what is undecided; -1 where nothing is."""
        if lows[-1] == highs[-1]:
            return -1
        count = len(self._inputs)
        weight = [0.0] * len(lows)
        weight[-1] = 1.0
        for place in range(len(self._module.gates) - 1, -1, -1):
            borne = weight[count + place]
            if borne and free[count + place]:
                left = [child for child in self._module.gates[place][1] if free[child]]
                for child in left:
                    weight[child] += borne / len(left)
        best = max((one for one in range(count) if free[one]), key=weight.__getitem__, default=-1)
        return best if best >= 0 and weight[best] > 0 else -1


def _gap(case: _Case) -> float:
    return max(0.0, case.most * case.bounds[1] - case.least * case.bounds[0])


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
