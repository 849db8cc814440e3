"""Probabilities on decision diagrams: sums of products of what is not negative, with nothing subtracted. Pure.

Each probability is a pair: that it fails, and that it does not, worked out apart, so that both keep their relative
accuracy however small they are. Source: Rauzy 1993 (see `diagram`); Dutuit and Rauzy, Efficient algorithms to assess
component and gate importance in fault tree analysis, Reliability Engineering and System Safety 72(2), 2001.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bascule.availability.trees.diagram import Diagram

Odds = tuple[float, float]
"""The probabilities that something has failed, and that it has not."""


def upward(diagram: Diagram, odds: Sequence[Odds]) -> tuple[list[float], list[float]]:
    """For each node how likely one fails, and does not, from there on.

    Args:
        diagram: The diagram.
        odds: Those of the input at each level.
    """
    fails, holds = [0.0, 1.0], [1.0, 0.0]
    level, low, high = diagram.level, diagram.low, diagram.high
    for node in range(2, len(level)):
        p, q = odds[level[node]]
        fails.append(p * fails[high[node]] + q * fails[low[node]])
        holds.append(p * holds[high[node]] + q * holds[low[node]])
    return fails, holds


def birnbaum(diagram: Diagram, odds: Sequence[Odds], fails: Sequence[float]) -> list[float]:
    """For each level the Birnbaum importance of its input: how much more likely failure is when it has failed.

    Args:
        diagram: The diagram.
        odds: Those of the input at each level.
        fails: What `upward` found for them.
    """
    reach = [0.0] * len(diagram.level)
    reach[diagram.root] = 1.0
    found = [0.0] * len(diagram.order)
    level, low, high = diagram.level, diagram.low, diagram.high
    for node in range(len(level) - 1, 1, -1):
        mass, at = reach[node], level[node]
        p, q = odds[at]
        found[at] += mass * (fails[high[node]] - fails[low[node]])
        reach[high[node]] += mass * p
        reach[low[node]] += mass * q
    return found


def interval(diagram: Diagram, lower: Sequence[float], upper: Sequence[float]) -> tuple[float, float]:
    """Bounds of the probability that the root fails, from bounds for the input at each level.

    What one input contributes is linear in its probability, so that it is least, and most, at one of its bounds.
    """
    least, most = [0.0, 1.0], [0.0, 1.0]
    for node in range(2, len(diagram.level)):
        at = diagram.level[node]
        a, b = lower[at], upper[at]
        low, high = least[diagram.low[node]], least[diagram.high[node]]
        least.append(min(a * high + (1 - a) * low, b * high + (1 - b) * low))
        low, high = most[diagram.low[node]], most[diagram.high[node]]
        most.append(max(a * high + (1 - a) * low, b * high + (1 - b) * low))
    return least[diagram.root], most[diagram.root]


def conditioned(
    diagram: Diagram,
    odds: Sequence[Odds],
    known: tuple[list[float], list[float]],
    changes: Sequence[Mapping[int, Odds]],
) -> list[Odds]:
    """The odds of the root under each of many changes of the odds of few levels, in one sweep from the root down.

    The sweep holds the cut: the nodes that are entered from above a level, with the probability of being so. A change
    costs the width of the cut and the nodes between its first and its last level, whatever the size of the rest.

    Args:
        diagram: The diagram.
        odds: Those of the input at each level.
        known: What `upward` found for them.
        changes: The changed odds of some levels; none may be empty.
    """
    found: list[Odds] = [(0.0, 0.0)] * len(changes)
    starting: dict[int, list[int]] = {}
    for number, change in enumerate(changes):
        starting.setdefault(min(change), []).append(number)
    by_level: list[list[int]] = [[] for _ in diagram.order]
    for node in range(2, len(diagram.level)):
        by_level[diagram.level[node]].append(node)
    cut = {diagram.root: 1.0}
    for at, nodes in enumerate(by_level):
        for number in starting.get(at, ()):
            found[number] = _changed(diagram, odds, known, changes[number], cut, by_level)
        _step(diagram, nodes, odds[at], cut)
    return found


def _step(diagram: Diagram, nodes: Sequence[int], odds: Odds, cut: dict[int, float]) -> None:
    """Move the cut below the nodes of a level."""
    p, q = odds
    for node in nodes:
        mass = cut.pop(node, 0.0)
        if mass:
            low, high = diagram.low[node], diagram.high[node]
            cut[low] = cut.get(low, 0.0) + mass * q
            cut[high] = cut.get(high, 0.0) + mass * p


def _changed(  # noqa: PLR0917 - what a sweep holds
    diagram: Diagram,
    odds: Sequence[Odds],
    known: tuple[list[float], list[float]],
    change: Mapping[int, Odds],
    cut: Mapping[int, float],
    by_level: Sequence[Sequence[int]],
) -> Odds:
    moved = dict(cut)
    for at in range(min(change), max(change) + 1):
        _step(diagram, by_level[at], change.get(at, odds[at]), moved)
    fails, holds = known
    return (
        sum(mass * fails[node] for node, mass in moved.items()),
        sum(mass * holds[node] for node, mass in moved.items()),
    )
