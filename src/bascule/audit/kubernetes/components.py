"""Which component of the system a workload is, and how many of its pods the system file says are needed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.estate import Estate
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.place import Place


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods carry the whole load, at least 1, and where that is written."""

    pods: int
    place: Place


def needed_pods(estate: Estate, one: Workload) -> Need | None:
    """What the system file says is needed of a workload; None where it says nothing, or there is no system.

    A workload is the component whose name it or its label `app.kubernetes.io/name` has.
    """
    components = estate.system.components if estate.system is not None else {}
    name = one.name if one.name in components else one.labels.get("app.kubernetes.io/name", "")
    component = components.get(name)
    needed = component.reliability.needed if component is not None and component.reliability is not None else None
    return None if needed is None else Need(needed, estate.place(f"components.{name}.reliability.needed"))
