"""What is typical of a service of one's own, and how soon the proxies before it lead around a lost replica. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.availability.figures import TYPICAL, Figures
from bascule.engines.haproxy.figures import noticed
from bascule.kernel.quantities import Duration
from bascule.system.model import System

FIGURES = structs.replace(
    TYPICAL.but("mttr", Duration(600.0), "assumption: ten minutes, for it has no data of its own"), lost=Duration(0.0)
)
"""Of replicas without state, which is what the engine knows of a command."""


def figures(system: System, name: str) -> Figures:
    """The typical figures, with the detour as it follows from the checks of the proxies, or from the clients'."""
    found = noticed(system, name)
    if found is not None:
        return FIGURES.but("failover", *found)
    if system.workload.through == name:
        deadline = system.workload.deadline
        return FIGURES.but("failover", deadline, f"workload.deadline {deadline}: then a client leaves what is silent")
    return FIGURES
