"""The promise that a finding breaks, as the system file has it: `availability 99.95%`. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bascule.audit.finding import Objective
from bascule.kernel.quantities import Duration
from bascule.system.model import Disruption, System


def promises(system: System | None, objectives: tuple[Objective, ...]) -> tuple[str, ...]:
    """Each objective in words, with its figure where the system promises one."""
    return tuple(_promise(system, objective) for objective in objectives)


def _promise(system: System | None, objective: Objective) -> str:
    if system is None:
        return objective
    promised = system.objectives
    if objective == "availability":
        return f"availability {promised.availability.target} over {promised.availability.window}"
    if objective == "latency" and promised.latency is not None:
        return f"latency {promised.latency.percentile:g}% within {promised.latency.within}"
    if objective == "rto":
        return _shortest(promised.disruptions, "rto", lambda one: one.rto)
    if objective == "rpo":
        return _shortest(promised.disruptions, "rpo", lambda one: one.rpo)
    return f"capacity {system.workload.rate}" if objective == "capacity" else objective


def _shortest(disruptions: object, name: str, of: Callable[[Disruption], Duration]) -> str:
    """The strictest of what is promised for the loss of something."""
    promised = {scope: of(one) for scope, one in disruptions.items()} if isinstance(disruptions, dict) else {}
    if not promised:
        return name
    scope = min(promised, key=lambda one: promised[one].seconds)
    return f"{name} {promised[scope]} for the loss of one {scope}"
