"""The long run of a finite Markov chain in continuous time, with nothing lost to cancellation. Pure.

Source: W. K. Grassmann, M. I. Taksar, D. P. Heyman, "Regenerative analysis and steady state distributions for Markov
chains", Operations Research 33(5), 1985 (the GTH algorithm). It adds, multiplies and divides positive numbers only, so
that each probability comes out with small relative error, be it 1e-15; C. A. O'Cinneide, "Entrywise perturbation theory
and error analysis for Markov chains", Numerische Mathematik 65, 1993, bounds that error.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from typing import TypeAlias, TypeVar

from bascule.kernel.errors import InputError

State = TypeVar("State", bound=Hashable)

MOST_STATES = 2000
MOST_UPDATES = 20_000_000
"""How many rates an elimination may compute: some ten seconds; a full matrix reaches it at some 400 states."""

_LARGE = 1e100

Rates: TypeAlias = Mapping[State, Mapping[State, float]]
"""From each state to those that it may change to, how often it does so per unit of time; the diagonal is ignored."""


def dense(rows: Sequence[Sequence[float]]) -> dict[int, dict[int, float]]:
    """The rates of a square matrix, its rows being the states that are left; the diagonal is ignored.

    Raises:
        InputError: It is not square.
    """
    for number, row in enumerate(rows):
        if len(row) != len(rows):
            what = f"row {number} of the matrix of rates has {len(row)} numbers, and there are {len(rows)} rows"
            raise InputError(what, hint="a matrix of rates is square")
    return {
        source: {target: rate for target, rate in enumerate(row) if target != source and rate}
        for source, row in enumerate(rows)
    }


def steady_state(rates: Rates[State]) -> dict[State, float]:
    """The share of time in each state in the long run: positive numbers that add up to 1, in the order of `rates`.

    A probability below 1e-308 may come out as 0.

    Args:
        rates: At most 2,000 states; each of them is a key. Rates are finite and not negative.

    Raises:
        InputError: There is no state, or there are too many; a rate cannot be one; the chain is reducible, so that its
            long run depends on where it starts; or it is too dense to be solved in reasonable time.
    """
    order, out = _numbered(rates)
    into = _reversed(out)
    _check_irreducible(order, out, into)
    eliminated = _eliminate(out, into)
    weights = [0.0] * len(order)
    weights[0] = 1.0
    for state, entering in reversed(eliminated):
        weight = math.fsum(weights[source] * rate for source, rate in entering.items())
        weights[state] = weight
        if weight > _LARGE:
            weights = [each / weight for each in weights]
    total = math.fsum(weights)
    return {name: weight / total for name, weight in zip(order, weights, strict=True)}


def probability(long_run: Mapping[State, float], inside: Callable[[State], bool] | Collection[State]) -> float:
    """The share of time within a set of states."""
    within = _membership(inside)
    return math.fsum(share for state, share in long_run.items() if within(state))


def frequency(
    long_run: Mapping[State, float], rates: Rates[State], inside: Callable[[State], bool] | Collection[State]
) -> float:
    """How often a set of states is entered from outside, per unit of time; as often as it is left.

    Source: K. S. Trivedi, A. Bobbio, "Reliability and Availability Engineering", Cambridge University Press, 2017,
    on the expected number of visits; the balance of flows across a cut.
    """
    within = _membership(inside)
    return math.fsum(
        long_run[source] * rate
        for source, targets in rates.items()
        if not within(source)
        for target, rate in targets.items()
        if within(target)
    )


def mean_sojourn(
    long_run: Mapping[State, float], rates: Rates[State], inside: Callable[[State], bool] | Collection[State]
) -> float:
    """How long the chain stays within a set of states once it enters, on average; infinite where it never enters."""
    entered = frequency(long_run, rates, inside)
    return probability(long_run, inside) / entered if entered > 0 else math.inf


def _membership(inside: Callable[[State], bool] | Collection[State]) -> Callable[[State], bool]:
    return inside if callable(inside) else inside.__contains__


def _numbered(rates: Rates[State]) -> tuple[list[State], list[dict[int, float]]]:
    """The states in order, and the positive rates between their numbers."""
    order = list(rates)
    if not 0 < len(order) <= MOST_STATES:
        what = f"a Markov chain of {len(order)} states"
        raise InputError(what, hint=f"1 to {MOST_STATES} can be solved")
    number = {state: index for index, state in enumerate(order)}
    out: list[dict[int, float]] = [{} for _ in order]
    for source, targets in rates.items():
        for target, rate in targets.items():
            if target not in number:
                raise InputError(f"state {source!r} leads to {target!r}, which is no state", hint="list every state")
            if target == source:
                continue
            if not 0 <= rate < math.inf:
                raise InputError(f"the rate from {source!r} to {target!r} is {rate}", hint="finite and not negative")
            if rate > 0:
                out[number[source]][number[target]] = float(rate)
    return order, out


def _reversed(out: list[dict[int, float]]) -> list[set[int]]:
    into: list[set[int]] = [set() for _ in out]
    for source, targets in enumerate(out):
        for target in targets:
            into[target].add(source)
    return into


def _check_irreducible(order: list[State], out: list[dict[int, float]], into: list[set[int]]) -> None:
    for neighbours, problem in ((out, "cannot be reached from"), (into, "never leads to")):
        seen, front = {0}, [0]
        while front:
            fresh = set(neighbours[front.pop()]) - seen
            seen |= fresh
            front += fresh
        if len(seen) < len(order):
            lost = next(state for number, state in enumerate(order) if number not in seen)
            what = f"the chain is reducible: state {lost!r} {problem} state {order[0]!r}"
            raise InputError(what, hint="every state must be reached from every other: give each failure its repair")


def _eliminate(out: list[dict[int, float]], into: list[set[int]]) -> list[tuple[int, dict[int, float]]]:
    """Take out every state but the first, those with the fewest neighbours first, and lead what went through it around.

    Returns:
        The states in the order in which they went, each with what its probability is made of: those of others.
    """
    queue = [(len(into[state]) * len(out[state]), state) for state in range(1, len(out))]
    heapq.heapify(queue)
    gone = [False] * len(out)
    taken: list[tuple[int, dict[int, float]]] = []
    updates = 0
    while queue:
        size, state = heapq.heappop(queue)
        if gone[state] or size != len(into[state]) * len(out[state]):
            continue
        updates += size
        if updates > MOST_UPDATES:
            what = f"a Markov chain of {len(out)} states whose rates are too dense"
            raise InputError(what, hint="fewer states, or fewer changes between them")
        gone[state] = True
        taken.append((state, _take_out(state, out, into)))
        for each in taken[-1][1].keys() | out[state].keys():
            if each:
                heapq.heappush(queue, (len(into[each]) * len(out[each]), each))
    return taken


def _take_out(state: int, out: list[dict[int, float]], into: list[set[int]]) -> dict[int, float]:
    leaving = out[state]
    total = math.fsum(leaving.values())
    entering = {source: out[source].pop(state) / total for source in into[state]}
    for source, ratio in entering.items():
        row = out[source]
        for target, rate in leaving.items():
            if target != source:
                row[target] = row.get(target, 0.0) + ratio * rate
                into[target].add(source)
    for target in leaving:
        into[target].discard(state)
    return entering
