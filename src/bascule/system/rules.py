"""What must hold between the parts of a system: what is named exists, and every promise makes sense. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

from bascule.kernel.quantities import Duration
from bascule.system import rules_dependability, rules_entry, rules_workload
from bascule.system.model import Component, Link, System
from bascule.system.problems import Finding, did_you_mean, quoted

OUTSIDE = "outside"
RESERVED_COMPONENTS = {"client": "the host of the load", "probe": "the hosts from which drills watch"}
MAX_HOST_NAME = 63
MAX_ZONES = 200
MAX_HOSTS_PER_ZONE = 200
MAX_RECOVERY = Duration(30 * 86400.0)
MAX_WINDOW = Duration(366 * 86400.0)
MAX_DELAY = Duration(10.0)


def check(system: System) -> Iterator[Finding]:
    """Everything that contradicts something else.

    Args:
        system: May have neutral values where its file could not be read.
    """
    yield from _objectives(system)
    yield from _regions(system)
    zones = dict.fromkeys(system.zones)
    named = _where_zones_are_named(system)
    for name, component in system.components.items():
        yield from _component(system, zones, named, name, component)
    yield from _host_names(system)
    yield from _hard_cycles(system)
    yield from _links(system)
    yield from rules_workload.check(system)
    yield from rules_entry.check(system)
    yield from rules_dependability.check(system)


def _objectives(system: System) -> Iterator[Finding]:
    promised = system.objectives
    share = promised.availability.target.fraction
    if not 0 < share < 1:
        at = "objectives.availability.target"
        yield Finding(at, f"{promised.availability.target} cannot be promised", "between 0% and 100%, like 99.95%")
    if not 0 < promised.availability.window.seconds <= MAX_WINDOW.seconds:
        at = "objectives.availability.window"
        yield Finding(at, f"{promised.availability.window} is no window", f"up to {MAX_WINDOW}, like 30d")
    if promised.latency is not None and promised.latency.within.seconds <= 0:
        yield Finding("objectives.latency.within", "no answer takes no time", "write it like 200ms")
    for scope, disruption in promised.disruptions.items():
        for name, value in (("rto", disruption.rto), ("rpo", disruption.rpo)):
            if value > MAX_RECOVERY:
                yield Finding(f"objectives.disruptions.{scope}.{name}", f"{value} is too long", f"up to {MAX_RECOVERY}")


def _regions(system: System) -> Iterator[Finding]:
    seen: dict[str, str] = {}
    for name, region in system.regions.items():
        if name == OUTSIDE:
            yield Finding(f"regions.{name}", "'outside' is where the clients are", "give the region another name")
        for number, zone in enumerate(region.zones):
            at = f"regions.{name}.zones[{number}]"
            if zone == OUTSIDE:
                yield Finding(at, "'outside' is where the clients are", "give the zone another name")
            if zone in seen:
                yield Finding(at, f"zone {zone!r} is in region {seen[zone]!r} already", "zone names are unique")
            seen[zone] = name
    if len(seen) > MAX_ZONES:
        yield Finding("regions", f"{len(seen)} zones are too many", f"at most {MAX_ZONES}")


def _where_zones_are_named(system: System) -> tuple[str, ...]:
    return ("regions", *(f"regions.{name}{below}" for name in system.regions for below in ("", ".zones")))


def _component(
    system: System, zones: Collection[str], named: tuple[str, ...], name: str, component: Component
) -> Iterator[Finding]:
    here = f"components.{name}"
    if name in RESERVED_COMPONENTS:
        yield Finding(here, f"{name!r} is {RESERVED_COMPONENTS[name]}", "give the component another name")
    for zone in component.replicas:
        if zone not in zones:
            hint = did_you_mean(zone, zones)
            yield Finding(f"{here}.replicas.{zone}", f"unknown zone {zone!r}", hint, because=named)
    if sum(component.replicas.values()) == 0:
        yield Finding(f"{here}.replicas", "there is not one replica", "give at least one zone 1")
    for other, need in component.needs.items():
        at = f"{here}.needs.{other}"
        if other == name:
            yield Finding(at, "a component cannot need itself", "remove it")
        elif other not in system.components and other not in system.services:
            hint = did_you_mean(other, [one for one in (*system.components, *system.services) if one != name])
            yield Finding(at, f"unknown component {other!r}", hint, because=("components", "services"))
        if need.kind == "soft" and not need.degrades.strip():
            hint = '{kind: soft, degrades: "what a user notices"}'
            yield Finding(f"{at}.degrades", "a soft need must say what degrades without it", hint)


def _host_names(system: System) -> Iterator[Finding]:
    taken: dict[str, str] = {}
    for name, component in system.components.items():
        for zone, count in component.replicas.items():
            at = f"components.{name}.replicas.{zone}"
            longest = f"{name}-{zone}-{count}"
            if count and len(longest) > MAX_HOST_NAME:
                what = f"the host name {longest} has {len(longest)} characters"
                yield Finding(at, what, f"at most {MAX_HOST_NAME}: shorten the component's or the zone's name")
            if count and f"{name}-{zone}" in taken:
                what = f"its hosts would be called {name}-{zone}-1, as those of {taken[f'{name}-{zone}']!r} are"
                yield Finding(at, what, "rename one of the components or zones")
            if count:
                taken[f"{name}-{zone}"] = name


def check_addresses(system: System) -> Iterator[Finding]:
    """What has no room in a lab: a zone has no more hosts than its network has addresses. Systems may be larger."""
    in_zone: Counter[str] = Counter()
    for name, component in system.components.items():
        for zone, count in component.replicas.items():
            in_zone[zone] += count
            if in_zone[zone] > MAX_HOSTS_PER_ZONE >= in_zone[zone] - count:
                at = f"components.{name}.replicas.{zone}"
                yield Finding(at, f"more than {MAX_HOSTS_PER_ZONE} hosts in zone {zone!r}", "use more zones")


def _hard_cycles(system: System) -> Iterator[Finding]:
    """A finding for each hard need that closes a circle, by depth-first search."""
    hard = {
        name: [other for other, need in component.needs.items() if need.kind == "hard" and other != name]
        for name, component in system.components.items()
    }
    finished: set[str] = set()
    for start, first in hard.items():
        trail = [start]
        pending = [iter(first)] if start not in finished else []
        while pending:
            other = next(pending[-1], None)
            if other is None:
                finished.add(trail.pop())
                pending.pop()
            elif other in trail:
                yield _circle(trail[trail.index(other) :])
            elif other in hard and other not in finished:
                trail.append(other)
                pending.append(iter(hard[other]))


def _circle(names: list[str]) -> Finding:
    told = " -> ".join((*names, names[0]))
    because = tuple(f"components.{name}.needs" for name in names)
    at = f"components.{names[-1]}.needs.{names[0]}"
    return Finding(at, f"hard needs in a circle: {told}", "make one of them soft", because=because)


def _links(system: System) -> Iterator[Finding]:
    seen: dict[frozenset[str], int] = {}
    places = (*system.regions, OUTSIDE)
    for number, link in enumerate(system.links):
        here = f"links[{number}]"
        for end, place in enumerate(link.between):
            if place not in places:
                hint = did_you_mean(place, places)
                yield Finding(f"{here}.between[{end}]", f"unknown region {quoted(place)}", hint, because=("regions",))
        pair = frozenset(link.between)
        if len(pair) == 1:
            yield Finding(f"{here}.between", "a link needs two different ends", "name two regions")
        elif pair in seen:
            what = f"the link between {' and '.join(link.between)} is given already"
            yield Finding(f"{here}.between", what, f"see links[{seen[pair]}]; a link counts in both directions")
        seen.setdefault(pair, number)
        yield from _line(here, link)


def _line(here: str, link: Link) -> Iterator[Finding]:
    if link.delay > MAX_DELAY:
        yield Finding(f"{here}.delay", f"{link.delay} is too long", f"up to {MAX_DELAY}, like 20ms; it is one way")
    if link.jitter > link.delay:
        at = f"{here}.jitter"
        yield Finding(
            at, f"{link.jitter} is more than the delay, {link.delay}", "a packet cannot arrive before it left"
        )
    if link.loss.fraction >= 1:
        yield Finding(f"{here}.loss", "nothing would ever arrive", "below 100%; a drill cuts links by itself")
