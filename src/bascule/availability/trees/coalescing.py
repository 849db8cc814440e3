"""ORs of ORs as one OR, ANDs of ANDs as one AND: systems that need each other say the same thing many times. Pure."""

from __future__ import annotations

from bascule.availability.trees.network import ALWAYS, NEGATION, NEVER, VARIABLE, Network

MOST_GROWTH = 4
SPARE = 1000
_OR, _AND, _OTHER = 1, 2, 0


def coalesced(network: Network) -> Network:
    """A network that fails when this one does, in which a gate holds what its like below it held.

    A gate goes where all of its parents are of its own kind. Nothing is done where that would make the network much
    larger.
    """
    if network.top in (NEVER, ALWAYS):
        return network
    kinds = [_kind(network, node) for node in range(len(network.least))]
    vanishing = _vanishing(network, kinds)
    found = Network(events=network.events)
    place: dict[int, int] = {}
    left = MOST_GROWTH * sum(map(len, network.children)) + SPARE
    for node, least in enumerate(network.least):
        if least == VARIABLE:
            place[node] = found.add(VARIABLE, network.children[node])
        elif least == NEGATION:
            place[node] = found.negation(place[network.children[node][0]])
        elif not vanishing[node]:
            children = _frontier(network, node, vanishing)
            left -= len(children)
            if left < 0:
                return network
            place[node] = _made(found, kinds[node], least, [place[child] for child in children])
    found.top = place[network.top]
    found.coherent = NEGATION not in found.least
    return found


def _kind(network: Network, node: int) -> int:
    least = network.least[node]
    if least in (VARIABLE, NEGATION):
        return _OTHER
    return _OR if least == 1 else _AND if least == len(network.children[node]) else _OTHER


def _vanishing(network: Network, kinds: list[int]) -> list[bool]:
    """Whether a gate has only parents of its own kind."""
    vanishing = [kind != _OTHER for kind in kinds]
    vanishing[network.top] = False
    for node, children in enumerate(network.children):
        if network.least[node] != VARIABLE:
            for child in children:
                vanishing[child] = vanishing[child] and kinds[child] == kinds[node]
    return vanishing


def _frontier(network: Network, node: int, vanishing: list[bool]) -> list[int]:
    """What a gate's like below it, and so on, hold that stays; of a gate that counts, its children."""
    found: dict[int, None] = {}
    counted: list[int] = []
    stack = list(reversed(network.children[node]))
    seen: set[int] = set()
    while stack:
        child = stack.pop()
        if not vanishing[child]:
            found[child] = None
            counted.append(child)
        elif child not in seen:
            seen.add(child)
            stack += reversed(network.children[child])
    return list(found) if seen or len(found) == len(counted) else counted


def _made(found: Network, kind: int, least: int, children: list[int]) -> int:
    return found.gate(least if kind == _OTHER else 1 if kind == _OR else len(children), children)
