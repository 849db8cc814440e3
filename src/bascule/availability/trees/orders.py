"""Orders of variables for decision diagrams, found from the shape of a fault tree alone. Pure.

Whoever is decided on first stands first. No order is good for all trees: callers build with one, and with the other,
and keep the smaller diagram.
"""

from __future__ import annotations

from collections.abc import Callable

from bascule.availability.trees.modules import Module

_HUGE = 1e300


def depth_first(module: Module) -> list[int]:
    """The inputs as they are met from the top, left to right, what is smaller and more shared first.

    Source: Fujita, Fujisawa and Kawato, Evaluation and improvements of Boolean comparison method based on binary
    decision diagrams, ICCAD 1988: what is used together stands together.
    """
    count = len(module.inputs)
    size = [1.0] * count
    for _, children in module.gates:
        size.append(min(1 + sum(size[child] for child in children), _HUGE))
    return _walk(module, lambda child: (size[child], child))


def shared_first(module: Module) -> list[int]:
    """The inputs that weigh most first: those of many gates near the top; equal ones as a walk meets them.

    The top weighs 1, a gate shares its weight among its children. Inputs of a single gate keep the places of the walk,
    as only being together matters to them.

    Source: Minato, Ishiura and Yajima, Shared binary decision diagram with attributed edges, DAC 1990, section 4.
    """
    weight, parents = weights(module)
    walked = _walk(module, lambda child: (-parents[child], child))
    shared = [one for one in walked if parents[one] > 1]
    shared.sort(key=lambda one: -weight[one])
    return shared + [one for one in walked if parents[one] <= 1]


def weights(module: Module) -> tuple[list[float], list[int]]:
    """How much of the top each node bears, in (0, 1], and of how many gates it is a child."""
    count = len(module.inputs)
    weight = [0.0] * (count + len(module.gates))
    parents = [0] * len(weight)
    weight[-1] = 1.0
    for place in range(len(module.gates) - 1, -1, -1):
        children = module.gates[place][1]
        share = weight[count + place] / len(children)
        for child in children:
            weight[child] += share
            parents[child] += 1
    return weight, parents


def _walk(module: Module, key: Callable[[int], tuple[float, int]]) -> list[int]:
    """The inputs as a walk from the top meets them, of each gate's children that with the smallest key first."""
    count = len(module.inputs)
    met: dict[int, None] = {}
    stack = [count + len(module.gates) - 1]
    seen: set[int] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node < count:
            met[node] = None
        else:
            stack += sorted(module.gates[node - count][1], key=key, reverse=True)
    return list(met)
