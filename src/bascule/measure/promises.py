"""The promises that one trial is held to, as plain numbers. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.measure.instants import Stability
from bascule.system.model import System, Workload
from bascule.system.scenario import Scope


class Promises(Struct, frozen=True, kw_only=True):
    """What was promised, in seconds and shares; None where nothing was.

    Attributes:
        availability: Share of good operations, in [0, 1], over `window_s`.
        rto_s: Longest time to recovery for the trial's scope.
        rpo_s: Longest span of acknowledged writes that may be lost. None is held to like 0: an acknowledgement is a
        promise.
        latency_percentile: Percent of operations, in steady state, that must answer within `latency_within_s`.
    """

    availability: float
    window_s: float
    rto_s: float | None = None
    rpo_s: float | None = None
    latency_percentile: float | None = None
    latency_within_s: float | None = None


def stability(system: System) -> Stability:
    """When the clients of this system count as served: the promised share of its operations is good again."""
    return Stability(target=system.objectives.availability.target.fraction)


def promises(system: System, scope: Scope | None = None) -> Promises:
    """The promises of a system for the loss of one `scope`; without a scope (a control trial) no RTO is promised."""
    objectives = system.objectives
    disruption = objectives.disruptions.get(scope) if scope is not None else None
    latency = objectives.latency
    return Promises(
        availability=objectives.availability.target.fraction,
        window_s=objectives.availability.window.seconds,
        rto_s=disruption.rto.seconds if disruption else None,
        rpo_s=disruption.rpo.seconds if disruption else None,
        latency_percentile=latency.percentile if latency else None,
        latency_within_s=latency.within.seconds if latency else None,
    )


def claims_idempotence(workload: Workload) -> bool:
    """Whether a duplicate would break a promise: every write is declared idempotent, or nothing is ever sent twice."""
    if workload.retries == 0:
        return True
    return workload.protocol == "http" and all(kind.idempotent for kind in workload.operations if kind.writes)
