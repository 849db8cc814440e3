"""How likely a cut set that contains some event is down: the union of such cut sets, exactly, for small systems. Pure.

The definition of Fussell and Vesely, How to hand-calculate system reliability and safety characteristics, IEEE
Transactions on Reliability 24(3), 1975.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bascule.availability.trees.diagram import BudgetSpentError, Diagrams, built
from bascule.availability.trees.evaluation import Odds, upward
from bascule.availability.trees.families import Family, minimal
from bascule.availability.trees.modules import whole
from bascule.availability.trees.network import Network
from bascule.availability.trees.orders import depth_first

MOST_WORK = 100_000
"""How many nodes of a family may be looked at for all the groups together."""
MOST_NODES = 20_000
MOST_EVENTS = 200


def covered(
    network: Network, events: Sequence[Odds], groups: Sequence[set[int]], *, expired: Callable[[], bool]
) -> list[float] | None:
    """For each group the probability that all of a minimal cut set with an event of the group has failed.

    Args:
        network: A coherent fault tree whose top is not constant.
        events: For each basic event its odds.
        groups: Groups of the places of basic events.
        expired: Whether time is up.

    Returns:
        None where it takes too much: the rare-event approximation is what is left then.
    """
    if len(events) > MOST_EVENTS:
        return None
    module = whole(network)
    order = depth_first(module)
    try:
        diagram = built(module, order, Diagrams(order, MOST_NODES, expired))
        family = minimal(diagram, expired=expired, most_nodes=MOST_NODES)
        if len(family.level) * len(groups) > MOST_WORK:
            return None
        return _unions(family, module.inputs, events, groups, expired)
    except BudgetSpentError:
        return None


def _unions(
    family: Family,
    inputs: Sequence[int],
    events: Sequence[Odds],
    groups: Sequence[set[int]],
    expired: Callable[[], bool],
) -> list[float]:
    made = Diagrams(family.order, 10 * MOST_NODES, expired)
    levels = [events[inputs[one]] for one in family.order]
    every = [0, 1]
    for node in range(2, len(family.level)):
        without = every[family.low[node]]
        every.append(made.node(family.level[node], without, made.join(without, every[family.high[node]])))
    found: list[float] = []
    for group in groups:
        hit = [inputs[one] in group for one in family.order]
        union = [0, 0]
        for node in range(2, len(family.level)):
            within = (every if hit[family.level[node]] else union)[family.high[node]]
            without = union[family.low[node]]
            union.append(made.node(family.level[node], without, made.join(without, within)))
        diagram = made.finished(union[family.root])
        found.append(upward(diagram, levels)[0][diagram.root])
    return found
