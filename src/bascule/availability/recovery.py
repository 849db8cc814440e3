"""How long clients are not served when something is lost, as a sum of named parts, and how much work is lost. Pure.

Along the hard needs recoveries wait for each other: a database cannot elect a primary before the store of its lease
serves again. The time is that of the slowest such chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from bascule.availability.assumptions import Assumptions
from bascule.availability.prediction import Part, Recovery
from bascule.system.model import SCOPES, System
from bascule.system.reach import hard_needs, reached
from bascule.system.scenario import Scope

RESTORED = "restored from its backup"
Parts = Mapping[str, tuple[Part, ...]]


@dataclass(frozen=True, slots=True)
class _Loss:
    """What is lost: so many replicas of each component, by the zone that they stand in."""

    name: str
    scope: Scope
    replicas: Mapping[str, int]


@dataclass(slots=True)
class _Course:
    """What happens after one loss, component by component."""

    system: System
    assumptions: Assumptions
    failovers: Parts
    loss: _Loss
    known: dict[str, tuple[Part, ...]] = field(default_factory=dict)

    def until(self, name: str) -> tuple[Part, ...]:
        """The parts that pass until this component serves again; needs have no circle, and are known first."""
        pending = [name]
        while pending:
            current = pending[-1]
            waiting = [other for other in self._needs(current) if other not in self.known]
            if waiting:
                pending += waiting
                continue
            pending.pop()
            before = max((self.known[other] for other in self._needs(current)), key=length_s, default=())
            own, from_the_start = self._own(current)
            if not from_the_start:
                self.known[current] = before + own
            else:  # it does not wait for what it needs: the longer of both counts
                self.known[current] = max(before, own, key=length_s)
        return self.known[name]

    def _needs(self, name: str) -> list[str]:
        return [other for other in hard_needs(self.system, name) if other in self.system.components]

    def _own(self, name: str) -> tuple[tuple[Part, ...], bool]:
        """What passes here, and whether it begins with the loss; else it begins when what is needed serves again."""
        lost = self.loss.replicas.get(name, 0)
        assumed = self.assumptions.components[name]
        if not lost:
            return (), False
        if assumed.replicas - lost >= assumed.needed:
            whole = (Part(name=f"{name}: the others take over", seconds=assumed.failover_s),)
            return self.failovers.get(name) or whole, False
        return (self._without(name, assumed.mttr_s),), True

    def _without(self, name: str, mttr_s: float) -> Part:
        backup = self.system.components[name].backup
        place = {"zone": self.assumptions.zone.mttr_s, "region": self.assumptions.region.mttr_s}.get(self.loss.scope)
        if place is None:
            return Part(name=f"{name}: repair, for too few replicas are left", seconds=mttr_s)
        if backup is not None and backup.restore is not None and backup.off_site and backup.restore.seconds < place:
            return Part(name=f"{name}: {RESTORED}", seconds=backup.restore.seconds)
        return Part(name=f"{name}: until the {self.loss.scope} is back", seconds=place)

    def lost_work(self) -> tuple[float | None, str]:
        """How much acknowledged work is lost in all, in seconds, and why; None where one component's is not known."""
        found: list[tuple[float, str]] = []
        unknown: list[str] = []
        for name in reached(self.system):
            if name in self.system.components and self.loss.replicas.get(name, 0):
                lost_s, because = self._lost_here(name)
                if lost_s is None:
                    unknown.append(f"{name}: {because}")
                elif lost_s:
                    found.append((lost_s, f"{name}: {because}"))
        if found:
            lost_s, because = max(found)
            return lost_s, because if not unknown else f"at least, for {because}; and {unknown[0]}"
        return (None, unknown[0]) if unknown else (0.0, "nothing that was acknowledged")

    def _lost_here(self, name: str) -> tuple[float | None, str]:
        assumed = self.assumptions.components[name]
        backup = self.system.components[name].backup
        if assumed.replicas - self.loss.replicas[name] >= assumed.needed:
            known = assumed.lost_s is not None
            return assumed.lost_s, "what was not replicated yet" if known else "what a failover loses is not known"
        own, _ = self._own(name)
        if backup is not None and (RESTORED in own[0].name or self.loss.scope == "host"):
            return backup.every.seconds, "what came after the last backup"
        if self.loss.scope == "host" and not (assumed.lost_s == 0 and assumed.redundancy == "active"):
            return None, "its disk may be gone with the host, and there is no backup"
        return 0.0, ""


def length_s(parts: tuple[Part, ...]) -> float:
    """How long these parts take, one after the other."""
    return sum(part.seconds for part in parts)


def recoveries(system: System, assumptions: Assumptions, failovers: Parts) -> tuple[Recovery, ...]:
    """For each scope the loss that takes longest.

    Args:
        system: A checked one.
        assumptions: The figures of its components and places.
        failovers: The parts of a component's failover where its engine knows them; else it is one part.
    """
    return tuple(_worst(system, assumptions, failovers, scope) for scope in SCOPES)


def _worst(system: System, assumptions: Assumptions, failovers: Parts, scope: Scope) -> Recovery:
    told: list[tuple[_Loss, tuple[Part, ...], tuple[float | None, str]]] = []
    for loss in _losses(system, scope):
        course = _Course(system, assumptions, failovers, loss)
        told.append((loss, course.until(system.workload.through), course.lost_work()))
    loss, parts, _ = max(told, key=lambda one: length_s(one[1]))
    unknown = [lost for _, _, lost in told if lost[0] is None]
    lost_s, because = unknown[0] if unknown else max((lost for _, _, lost in told), key=lambda one: one[0] or 0.0)
    promise = system.objectives.disruptions.get(scope)
    return Recovery(
        scope=scope,
        worst=loss.name,
        rto_s=length_s(parts),
        parts=parts,
        lost_s=lost_s,
        lost_because=because,
        promised_rto_s=promise.rto.seconds if promise is not None else None,
        promised_rpo_s=promise.rpo.seconds if promise is not None else None,
    )


def _losses(system: System, scope: Scope) -> Iterator[_Loss]:
    """Everything of this scope that can be lost."""
    names = [name for name in reached(system) if name in system.components]
    if scope in {"process", "host"}:
        yield from (_Loss(f"one {name}", scope, {name: 1}) for name in names)
        return
    places = {name: region.zones for name, region in system.regions.items()}
    if scope == "zone":
        places = {zone: (zone,) for zone in system.zones}
    for place, zones in places.items():
        yield _Loss(
            f"{scope} {place}",
            scope,
            {name: sum(system.components[name].replicas.get(zone, 0) for zone in zones) for name in names},
        )
