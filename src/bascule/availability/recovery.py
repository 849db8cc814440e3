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
from bascule.system.reach import reached
from bascule.system.scenario import Scope

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
            self.known[current] = before + self._own(current)
        return self.known[name]

    def _needs(self, name: str) -> list[str]:
        needs = self.system.components[name].needs
        return [other for other, need in needs.items() if need.kind == "hard" and other in self.system.components]

    def _own(self, name: str) -> tuple[Part, ...]:
        lost = self.loss.replicas.get(name, 0)
        assumed = self.assumptions.components[name]
        if not lost:
            return ()
        if assumed.replicas - lost >= assumed.needed:
            whole = (Part(name=f"{name}: the others take over", seconds=assumed.failover_s),)
            return self.failovers.get(name) or whole
        return (self._without(name, assumed.mttr_s),)

    def _without(self, name: str, mttr_s: float) -> Part:
        backup = self.system.components[name].backup
        place = {"zone": self.assumptions.zone.mttr_s, "region": self.assumptions.region.mttr_s}.get(self.loss.scope)
        if place is None:
            return Part(name=f"{name}: repair, for too few replicas are left", seconds=mttr_s)
        if backup is not None and backup.restore is not None and backup.off_site and backup.restore.seconds < place:
            return Part(name=f"{name}: restored from its backup", seconds=backup.restore.seconds)
        return Part(name=f"{name}: until the {self.loss.scope} is back", seconds=place)

    def lost_work(self) -> tuple[float | None, str]:
        """How much acknowledged work is lost in all, in seconds, and why; None where one component's is not known."""
        found: list[tuple[float, str]] = []
        for name in reached(self.system):
            lost = self.loss.replicas.get(name, 0)
            if name not in self.system.components or not lost:
                continue
            assumed = self.assumptions.components[name]
            backup = self.system.components[name].backup
            restored = any("restored from its backup" in part.name for part in self._own(name))
            if restored and backup is not None:
                found.append((backup.every.seconds, f"{name}: what came after the last backup"))
            elif assumed.replicas - lost >= assumed.needed and assumed.lost_s is None:
                return None, f"{name}: what a failover loses is not known"
            elif assumed.replicas - lost >= assumed.needed and assumed.lost_s:
                found.append((assumed.lost_s, f"{name}: what was not replicated yet"))
        return max(found, default=(0.0, "nothing that was acknowledged"))


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
