"""Single changes of a system: one more replica, zone or region, a faster failover, a soft need for a hard one. Pure."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain, count

from msgspec import Struct
from msgspec.structs import replace

from bascule.availability.assumptions import Assumptions
from bascule.availability.figures import VOTING
from bascule.kernel.quantities import Duration, Share
from bascule.system import rules
from bascule.system.dependability import Costs, Reliability
from bascule.system.model import Component, Region, System
from bascule.system.reach import reached

ADDED = "added"
PROXIES = frozenset({"haproxy", "nginx", "envoy", "traefik", "keepalived"})
"""Engines that do nothing without what is behind them: no need of theirs can be made soft."""


class Variant(Struct, frozen=True, kw_only=True):
    """A system that differs in one thing.

    Attributes:
        change: What was changed, for people.
        kind: `replica`, `zone`, `region`, `failover`, `coverage`, `repair`, `need`, `provider`, `crew`.
        cost_per_year: What it costs; None where the file does not say.
    """

    change: str
    kind: str
    system: System
    cost_per_year: float | None = None


def variants(system: System, assumptions: Assumptions, order: Sequence[str]) -> Iterator[Variant]:
    """Every single change that could help, of what the load needs; none that a system file could not say.

    Args:
        system: A checked one.
        assumptions: Its figures.
        order: Parts, those that matter most first: their changes come first, after those of places.
    """
    served = reached(system)
    rank = {name: place for place, name in enumerate(order)}
    names = sorted((name for name in served if name in system.components), key=lambda one: rank.get(one, len(rank)))
    for one in _all(system, assumptions, names):
        if not any(rules.check(one.system)):
            yield one


def _all(system: System, assumptions: Assumptions, names: list[str]) -> Iterator[Variant]:
    yield from _places(system, names)
    for name in reached(system):
        if name in system.services:
            yield _second_provider(system, assumptions, name)
    for name in names:
        yield from _tuned(system, assumptions, name)
        yield from _replicas(system, [name])
        yield from _softer(system, name)


def _replicas(system: System, names: list[str]) -> Iterator[Variant]:
    for name in names:
        component = system.components[name]
        zone = min(system.zones, key=lambda one, of=component: (_strange(system, of, one), of.replicas.get(one, 0)))  # type: ignore[misc]  # mypy cannot type a lambda's default
        more = {**component.replicas, zone: component.replicas.get(zone, 0) + 1}
        yield Variant(
            change=f"one more {name}, in {zone}",
            kind="replica",
            system=_with(system, name, _grown(component, more)),
            cost_per_year=system.costs.replicas.get(name) if system.costs else None,
        )


def _grown(component: Component, replicas: dict[str, int]) -> Component:
    """The component with these replicas; where its engine votes, a majority of them is needed, as always."""
    given = component.reliability
    if component.engine in VOTING and given is not None and given.needed is not None:
        given = replace(given, needed=sum(replicas.values()) // 2 + 1)
    return replace(component, replicas=replicas, reliability=given)


def _strange(system: System, component: Component, zone: str) -> bool:
    """Whether the component has nothing in the zone's region yet: a new region is another change."""
    return not any(component.replicas.get(one) for one in system.regions[system.region_of(zone)].zones)


def _places(system: System, names: list[str]) -> Iterator[Variant]:
    serving = [
        name
        for name, region in system.regions.items()
        if any(system.components[system.workload.through].replicas.get(zone) for zone in region.zones)
    ]
    if not serving:
        return
    region = min(serving, key=lambda one: len(system.regions[one].zones))
    here = system.regions[region].zones
    added = {name: 1 for name in names if any(system.components[name].replicas.get(zone) for zone in here)}
    zone = _free(f"{region[:20]}-{ADDED}", system.zones)
    grown = {**system.regions, region: Region(zones=(*here, zone))}
    yield Variant(
        change=f"one more zone in {region}, with one of each component that stands there",
        kind="zone",
        system=_placed(replace(system, regions=grown), zone, added),
        cost_per_year=_cost(system.costs, added, "zone"),
    )
    most = {name: max(_count(system, name, one.zones) for one in system.regions.values()) for name in names}
    new, there = _free(ADDED, system.regions), _free(f"{ADDED}-a", system.zones)
    yield Variant(
        change="one more region, with as many of each component as another has",
        kind="region",
        system=_placed(replace(system, regions={**system.regions, new: Region(zones=(there,))}), there, most),
        cost_per_year=_cost(system.costs, most, "region"),
    )


def _free(wanted: str, taken: Collection[str]) -> str:
    """This name, or one like it that is not taken."""
    numbered = (f"{wanted}{number}" for number in count(2))
    return next(name for name in chain((wanted,), numbered) if name not in taken)


def _count(system: System, name: str, zones: tuple[str, ...]) -> int:
    return sum(system.components[name].replicas.get(zone, 0) for zone in zones)


def _placed(system: System, zone: str, added: dict[str, int]) -> System:
    components = {
        name: _grown(one, {**one.replicas, zone: added[name]}) if added.get(name) else one
        for name, one in system.components.items()
    }
    return replace(system, components=components)


def _cost(costs: Costs | None, added: dict[str, int], scope: str) -> float | None:
    """What so many more replicas cost, with their place; None where one of them has no price."""
    if costs is None or not all(name in costs.replicas for name in added):
        return None
    place = costs.zone if scope == "zone" else costs.region
    return place + sum(costs.replicas[name] * count for name, count in added.items())


def _tuned(system: System, assumptions: Assumptions, name: str) -> Iterator[Variant]:
    assumed = assumptions.components[name]
    several = assumed.replicas > 1
    faster = Duration(assumed.failover_s / 2)
    surer = Share(min(1.0, round((1 + assumed.coverage) / 2, 12)))
    sooner = Duration(assumed.mttr_s / 2)
    if several and assumed.failover_s > 0:
        told = f"{name}: failover in {_time(faster.seconds)} instead of {_time(assumed.failover_s)}"
        yield _reliable(system, name, told, "failover", failover=faster)
    if several and assumed.coverage < 1:
        shares = f"{_percent(surer.fraction)} instead of {_percent(assumed.coverage)}"
        told = f"{name}: half as many failovers that do not work ({shares})"
        yield _reliable(system, name, told, "coverage", coverage=surer)
    yield _reliable(
        system,
        name,
        f"{name}: repaired in {_time(sooner.seconds)} instead of {_time(assumed.mttr_s)}",
        "repair",
        mttr=sooner,
    )
    if 0 < assumed.crews < assumed.replicas:
        yield _reliable(system, name, f"{name}: a repair crew for each replica", "crew", crews=0)


def _time(seconds: float) -> Duration:
    """For people: five digits are as many as anybody compares."""
    return Duration(float(f"{seconds:.5g}"))


def _percent(share: float) -> str:
    return f"{share * 100:.6g}%"


def _reliable(system: System, name: str, change: str, kind: str, **fields: Duration | Share | int) -> Variant:
    component = system.components[name]
    given = replace(component.reliability or Reliability(), **fields)
    return Variant(change=change, kind=kind, system=_with(system, name, replace(component, reliability=given)))


def _softer(system: System, name: str) -> Iterator[Variant]:
    component = system.components[name]
    for other, need in component.needs.items():
        if need.kind == "hard" and component.engine not in PROXIES:
            softer = replace(need, kind="soft", degrades="to be found out")
            needs = {**component.needs, other: softer}
            yield Variant(
                change=f"{name} needs {other} only to be whole (soft instead of hard)",
                kind="need",
                system=_with(system, name, replace(component, needs=needs)),
            )


def _second_provider(system: System, assumptions: Assumptions, name: str) -> Variant:
    service = system.services[name]
    down = assumptions.services[name].unavailability
    both = replace(service, availability=Share(round(1 - down**2, 12)), basis="assumed")
    services = {**system.services, name: both}
    return Variant(change=f"a second provider of {name}", kind="provider", system=replace(system, services=services))


def _with(system: System, name: str, component: Component) -> System:
    return replace(system, components={**system.components, name: component})
