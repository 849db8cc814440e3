"""The promises against the prediction. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.audit.system.path import predicted
from bascule.kernel.quantities import Duration, Share


def _percent(value: float) -> str:
    return f"{value * 100:.5g}%" if value < 0.9 else f"{value * 100:.6f}".rstrip("0").rstrip(".") + "%"


@rule(
    "BSC-SYS-001",
    "predicted-availability-below-objective",
    severity="critical",
    technology="system",
    breaks=("availability",),
    why="What the load needs in a row cannot be more available than the product of its parts. Before anything is "
    "broken on purpose, the promise is out of reach.",
    fix="Run `bascule predict` and take the change that saves most downtime, or promise less.",
    source="B. Beyer et al., Site Reliability Engineering (2016), ch. 3; series systems: IEC 61078",
)
def predicted_availability(estate: Estate) -> Iterator[Found]:
    """The expected availability is below the target."""
    both = predicted(estate)
    if both is None or both[1].meets is not False:
        return
    system, told = both
    best = told.changes[0].change if told.changes and told.changes[0].saved_s > 0 else ""
    weights = [weight for weight in told.weights if weight.criticality > 0.05][:3]
    because = ", ".join(f"{one.part} takes part in {one.criticality:.0%} of it" for one in weights)
    yield Found(
        place=estate.place("objectives.availability.target"),
        what=f"{_percent(told.uptime.availability)} is expected, {system.objectives.availability.target} is promised"
        + (f": {because}" if because else ""),
        subject=f"system {system.system}",
        fix=f"what would help most: {best}" if best else "",
    )


@rule(
    "BSC-SYS-002",
    "failover-longer-than-rto",
    severity="high",
    technology="system",
    breaks=("rto",),
    why="The parts of a recovery add up: detection, election, promotion, being led around. Their sum is longer than "
    "what was promised, so that every such loss breaks the promise.",
    fix="Shorten the longest part, add a replica that can take over, or promise a longer RTO.",
    source="ISO 22301:2019, recovery time objective; MEASURES: RTO is detection + failover + client recovery",
)
def failover_longer_than_rto(estate: Estate) -> Iterator[Found]:
    """A scope whose predicted recovery takes longer than its RTO."""
    both = predicted(estate)
    for one in both[1].recovery if both else ():
        if one.meets_rto is False:
            longest = max(one.parts, key=lambda part: part.seconds)
            yield Found(
                place=estate.place(f"objectives.disruptions.{one.scope}.rto"),
                what=f"the loss of {one.worst} takes {Duration(round(one.rto_s, 3))} to recover from, and "
                f"{Duration(one.promised_rto_s or 0.0)} are promised: {longest.name} "
                f"({Duration(round(longest.seconds, 3))})",
                subject=f"loss of one {one.scope}",
            )


@rule(
    "BSC-SYS-003",
    "acknowledged-work-is-lost",
    severity="high",
    technology="system",
    breaks=("rpo",),
    why="Work that was acknowledged and stands on one replica only is gone when a failover happens before it was "
    "copied. The promise allows less than that.",
    fix="Replicate synchronously, back up more often, or promise a longer RPO.",
    source="ISO 22301:2019, recovery point objective; PostgreSQL documentation, 26.2.8 Synchronous Replication",
)
def acknowledged_work_is_lost(estate: Estate) -> Iterator[Found]:
    """A scope whose loss takes more acknowledged work than its RPO allows."""
    both = predicted(estate)
    for one in both[1].recovery if both else ():
        if one.meets_rpo is False:
            yield Found(
                place=estate.place(f"objectives.disruptions.{one.scope}.rpo"),
                what=f"{Duration(one.lost_s or 0.0)} of acknowledged work may be lost, and "
                f"{Duration(one.promised_rpo_s or 0.0)} are promised: {one.lost_because}",
                subject=f"loss of one {one.scope}",
            )


@rule(
    "BSC-SYS-004",
    "hard-need-of-a-service-below-objective",
    severity="high",
    technology="system",
    breaks=("availability",),
    why="A service that others run and that is needed hard bounds the availability of everything above it. A refund "
    "threshold is what the provider pays for, not what was measured.",
    fix="Need it soft with a fallback, use a second provider, or promise less than it has.",
    source="B. Treynor et al., The Calculus of Service Availability, ACM Queue 15(2), 2017",
)
def service_below_objective(estate: Estate) -> Iterator[Found]:
    """A hard need of a service whose availability is below the target."""
    system = estate.system
    for name, service in system.services.items() if system is not None else ():
        users = [
            user
            for user, component in (system.components.items() if system is not None else ())
            if name in component.needs and component.needs[name].kind == "hard"
        ]
        share: Share | None = service.availability
        if users and share is not None and system is not None and share < system.objectives.availability.target:
            yield Found(
                place=estate.place(f"services.{name}.availability"),
                what=f"{share} ({service.basis}) is below the promised {system.objectives.availability.target}, and "
                f"{', '.join(users)} cannot do without it",
                subject=f"service {name}",
                related=tuple((estate.place(f"components.{user}.needs.{name}"), "needed hard") for user in users),
            )


RULES = (predicted_availability, failover_longer_than_rto, acknowledged_work_is_lost, service_below_objective)
