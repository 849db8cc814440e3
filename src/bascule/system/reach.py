"""Who is on the way of a request: the entry, and all that it cannot do without. Pure."""

from __future__ import annotations

from typing import Literal

from bascule.system.model import System


def reached(system: System) -> tuple[str, ...]:
    """The component that receives the load, and all that it needs hard, directly or not; services too."""
    found = [system.workload.through]
    seen = set(found)
    for name in found:
        for other in hard_needs(system, name):
            if other not in seen:
                seen.add(other)
                found.append(other)
    return tuple(found)


def needs_of(system: System, name: str) -> dict[str, Literal["hard", "soft"]]:
    """What a component needs, and how; nothing where it is a service.

    The entry also needs the store that keeps the lease of its address: nobody has the address while that is away.
    """
    component = system.components.get(name)
    found = {other: need.kind for other, need in component.needs.items()} if component is not None else {}
    entry = system.vip
    if entry is not None and entry.provider == "bascule" and name == system.workload.through:
        found[entry.store] = "hard"
    return found


def hard_needs(system: System, name: str) -> list[str]:
    """What this component or service fails without, directly."""
    return [other for other, kind in needs_of(system, name).items() if kind == "hard"]
