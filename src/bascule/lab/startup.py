"""Which components may start now: those whose hard needs all serve. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from bascule.engines.protocols import Observation
from bascule.system.model import System

Ready = Callable[[System, Mapping[str, Collection[Observation]]], frozenset[str]]
"""Which components are ready, by the last observation of each member."""


def serving(observations: Collection[Observation]) -> bool:
    """Whether a component serves: a primary is up, or, where nobody is primary, every member is up."""
    if any(seen.up and seen.role == "primary" for seen in observations):
        return True
    return bool(observations) and all(seen.up and seen.role == "peer" for seen in observations)


def startable(
    system: System, started: Collection[str], observations: Mapping[str, Collection[Observation]]
) -> tuple[str, ...]:
    """The components not started yet whose hard needs are started and serving, in the file's order.

    Args:
        system: A checked system: its hard needs have no cycle.
        started: Components whose members were launched.
        observations: The last observation of each member, by component.
    """
    return tuple(
        name
        for name, component in system.components.items()
        if name not in started
        and all(
            other in started and serving(observations.get(other, ()))
            for other, need in component.needs.items()
            if need.kind == "hard" and other in system.components
        )
    )


def whole_components(system: System, observations: Mapping[str, Collection[Observation]]) -> frozenset[str]:
    """The components that have all their members, each fully part of it, no more than one primary, and serve."""
    return frozenset(
        name
        for name, component in system.components.items()
        if len(observations.get(name, ())) == sum(component.replicas.values())
        and all(seen.up and seen.whole for seen in observations[name])
        and sum(seen.role == "primary" for seen in observations[name]) <= 1
        and serving(observations[name])
    )


def serving_components(system: System, observations: Mapping[str, Collection[Observation]]) -> frozenset[str]:
    """The components that have all their members up, and serve; some may still have to be taken in fully."""
    return frozenset(
        name
        for name, component in system.components.items()
        if len(observations.get(name, ())) == sum(component.replicas.values())
        and all(seen.up for seen in observations[name])
        and serving(observations[name])
    )


def serves(system: System, observations: Mapping[str, Collection[Observation]]) -> bool:
    """Whether every member is up and every component serves."""
    return len(serving_components(system, observations)) == len(system.components)


def whole(system: System, observations: Mapping[str, Collection[Observation]]) -> bool:
    """Whether every component is whole."""
    return len(whole_components(system, observations)) == len(system.components)


def missing(system: System, observations: Mapping[str, Mapping[str, Observation]]) -> tuple[str, ...]:
    """The members that are not whole, each with what it says of itself, for an error message."""
    lines: list[str] = []
    for name in system.components:
        for member, seen in observations.get(name, {}).items():
            if not (seen.up and seen.whole):
                lines.append(f"{member}: {seen.detail or ('up, not whole' if seen.up else 'does not answer')}")
    return tuple(lines)
