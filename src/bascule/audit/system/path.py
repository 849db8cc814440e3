"""What rules about the system ask of it: who is on the way of a request, and who may be lost. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from bascule.audit.estate import Estate
from bascule.availability.figures import VOTING
from bascule.system.model import Component, System
from bascule.system.reach import reached

if TYPE_CHECKING:  # a prediction needs numpy, which an audit of files alone does without
    from bascule.availability.prediction import Prediction

STATEFUL = frozenset({"postgresql", "etcd", "redis", "mysql", "kafka", "mongodb"})


def on_the_way(system: System) -> Iterator[tuple[str, Component]]:
    """The components without which no request is served, the entry first."""
    yield from ((name, system.components[name]) for name in reached(system) if name in system.components)


def predicted(estate: Estate) -> tuple[System, Prediction] | None:
    """The system and its prediction; None when there is one of both only."""
    if estate.system is None or estate.prediction is None:
        return None
    return estate.system, estate.prediction


def replicas(component: Component) -> int:
    """How many there are in all."""
    return sum(component.replicas.values())


def regions_of(system: System, component: Component) -> dict[str, int]:
    """How many replicas each region has, of those that have any."""
    found: dict[str, int] = {}
    for zone, count in component.replicas.items():
        if count:
            region = system.region_of(zone)
            found[region] = found.get(region, 0) + count
    return found


def needed(component: Component) -> int:
    """How many replicas must be left: as the file says, else a majority of voters, else one."""
    if component.reliability is not None and component.reliability.needed is not None:
        return component.reliability.needed
    return replicas(component) // 2 + 1 if component.engine in VOTING else 1


def keeps_data(component: Component) -> bool:
    """Whether its engine is known to keep what was acknowledged."""
    return component.engine in STATEFUL
