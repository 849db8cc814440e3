"""What is left when a zone or a region is lost, and what may fail then. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

from bascule.availability.prediction import Survival, Uptime
from bascule.availability.structure import Event, Structure, fails, fatal
from bascule.availability.trees import solving
from bascule.availability.uptime import uptime
from bascule.system.model import System
from bascule.system.reach import reached

MOST_PAIRS = 60
PASSING = frozenset({"switching", "uncovered", "common-cause"})
"""Events that are no loss of a thing: they are not what one asks about after a loss."""


@dataclass(frozen=True, slots=True)
class _About:
    """Of what losses are asked."""

    system: System
    structure: Structure
    needed: Mapping[str, int]
    expired: Callable[[], bool]


def survivals(
    system: System, structure: Structure, needed: Mapping[str, int], expired: Callable[[], bool]
) -> tuple[tuple[Survival, ...], int]:
    """The loss of each zone, each region, and two zones at the same time (N-1 and N-2); and how many are left out.

    Args:
        system: A checked one.
        structure: The system's; zones and regions are its events `zone NAME` and `region NAME`.
        needed: How many replicas carry the whole load, by component.
        expired: Whether time is up: losses that are left then are left out, as are pairs beyond the first 60.
    """
    about = _About(system, structure, needed, expired)
    losses: list[tuple[tuple[str, ...], Literal["zone", "region"]]] = [((zone,), "zone") for zone in _used(system)]
    if len(system.regions) > 1:
        used = set(_used(system))
        losses += [((name,), "region") for name, region in system.regions.items() if set(region.zones) & used]
    pairs = [*combinations(_used(system), 2)]
    losses += [(pair, "zone") for pair in pairs[:MOST_PAIRS]]
    found: list[Survival] = []
    for lost, scope in losses:
        if expired():
            break
        found.append(_after(about, lost, scope))
    return tuple(found), len(losses) - len(found) + max(0, len(pairs) - MOST_PAIRS)


def _used(system: System) -> list[str]:
    """The zones in which something stands that the load needs."""
    placed = {
        zone
        for name in reached(system)
        if name in system.components
        for zone, count in system.components[name].replicas.items()
        if count
    }
    return [zone for zone in system.zones if zone in placed]


def _after(about: _About, lost: tuple[str, ...], scope: Literal["zone", "region"]) -> Survival:
    system, structure = about.system, about.structure
    down = frozenset(f"{scope} {name}" for name in lost)
    zones = set(lost) if scope == "zone" else {zone for name in lost for zone in system.regions[name].zones}
    margins = dict(_margins(system, about.needed, zones))
    survives = not fails(structure, down)
    return Survival(
        lost=lost,
        scope=scope,
        survives=survives,
        broken=tuple(name for name, (left, least) in margins.items() if left < least),
        uptime=meanwhile(structure, down, about.expired) if survives else uptime(1.0),
        next_points=fatal(structure, down, things(structure, down)) if survives else (),
        margins=margins,
    )


def _margins(system: System, needed: Mapping[str, int], zones: set[str]) -> Iterator[tuple[str, tuple[int, int]]]:
    for name in reached(system):
        if name in system.components:
            placed = system.components[name].replicas
            yield name, (sum(count for zone, count in placed.items() if zone not in zones), needed[name])


def meanwhile(structure: Structure, down: Iterable[str], expired: Callable[[], bool]) -> Uptime:
    """The availability for as long as these events last."""
    lost = {name: Event(1.0, 0.0, structure.events[name].part) for name in down if name in structure.events}
    solved = solving.solve(Structure(structure.top, {**structure.events, **lost}), expired=expired)
    return uptime(solved.upper, solved.lower)


def things(structure: Structure, down: frozenset[str] = frozenset()) -> list[str]:
    """The events that are losses of something: no failovers and common causes, and nothing that is lost already."""
    return [name for name, event in structure.events.items() if event.kind not in PASSING and name not in down]
