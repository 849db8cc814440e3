"""Who is on the way of a request: the entry, and all that it cannot do without. Pure."""

from __future__ import annotations

from typing import Literal

from bascule.system.model import System


def reached(system: System) -> tuple[str, ...]:
    """The component that receives the load, and all that it needs hard, directly or not; services too."""
    found = [system.workload.through]
    seen = set(found)
    for name in found:
        for other, kind in needs_of(system, name).items():
            if kind == "hard" and other not in seen:
                seen.add(other)
                found.append(other)
    return tuple(found)


def needs_of(system: System, name: str) -> dict[str, Literal["hard", "soft"]]:
    """What a component needs, and how; nothing where it is a service."""
    component = system.components.get(name)
    return {other: need.kind for other, need in component.needs.items()} if component is not None else {}
