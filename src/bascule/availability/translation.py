"""A system and its figures as a structure: what must fail, together, for users not to be served. Pure.

- A replica is down by its own failure, or because its zone or region is.
- A component fails when fewer than the needed replicas are left, while a failover runs, when one did not work, when a
  common cause takes all replicas, or when something fails that it needs hard.
- The system fails when the component that receives the load does.
- Lines between regions are taken to work: a system file says how long they take, not how often they break.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from bascule.availability import groups
from bascule.availability.assumptions import Assumed, Assumptions
from bascule.availability.structure import Basic, Event, Node, Structure, all_of, any_of, at_least
from bascule.system.model import System
from bascule.system.reach import hard_needs, needs_of, reached

_solved = lru_cache(maxsize=4096)(groups.solve)
"""Many components of a large system are alike."""


@dataclass(slots=True)
class Translation:
    """Makes the nodes of one system, each once, so that what is shared is shared.

    Attributes:
        events: Every basic event made so far.
    """

    system: System
    assumptions: Assumptions
    only_region: str = ""
    events: dict[str, Event] = field(default_factory=dict)
    _nodes: dict[str, Node] = field(default_factory=dict)

    def structure(self) -> Structure:
        """When users are not served."""
        top = self.component(self.system.workload.through)
        return Structure(top, self.events)

    def component(self, name: str) -> Node:
        """When a component does not serve. Walks its needs without recursion: chains may be long."""
        pending = [name]
        while pending:
            missing = [one for one in hard_needs(self.system, pending[-1]) if one not in self._nodes]
            if missing and pending[-1] not in self._nodes:
                pending += missing
                continue
            current = pending.pop()
            if current not in self._nodes:
                self._nodes[current] = self._made(current)
        return self._nodes[name]

    def _made(self, name: str) -> Node:
        if name in self.system.services:
            return self._service(name)
        own = self._group(self.assumptions.components[name], self._zones(name))
        return any_of(*own, *(self._nodes[other] for other in hard_needs(self.system, name)))

    def _zones(self, name: str) -> list[str]:
        """The zone of each replica, as often as it has replicas."""
        placed = self.system.components[name].replicas
        here = name == self.system.workload.through and self.only_region
        return [
            zone
            for zone, count in placed.items()
            for _ in range(count)
            if not here or self.system.region_of(zone) == self.only_region
        ]

    def _service(self, name: str) -> Node:
        figures = self.assumptions.services[name]
        event = Event(figures.unavailability, figures.mttr_s, part=name, kind="service")
        return self._basic(f"service {name}", event)

    def _group(self, assumed: Assumed, zones: list[str]) -> list[Node]:
        """The ways in which the replicas of a component fail to carry the load."""
        solved = _solved(assumed.group(len(zones)))
        needed = min(assumed.needed, len(zones))
        least = len(zones) - needed + 1
        ways: list[Node] = []
        if assumed.crews and assumed.crews < len(zones):
            ways += self._crewed(assumed, zones, least, solved.down_counts)
        else:
            ways.append(at_least(least, *self._replicas(assumed, zones, solved.down_counts)))
        failing = _solved(self._with_places(assumed, zones)) if len(zones) > 1 else None
        if failing is not None:
            for kind, told, part in (
                ("common-cause", "common cause", solved.common_cause),
                ("switching", "failover under way", failing.switching),
                ("uncovered", "failover did not work", failing.uncovered),
            ):
                if part.unavailability > 0:
                    event = Event(part.unavailability, part.mean_s, part=assumed.name, kind=kind)
                    ways.append(self._basic(f"{assumed.name}: {told}", event))
        return ways

    def _with_places(self, assumed: Assumed, zones: list[str]) -> groups.Group:
        """The group as failovers see it: replicas are also lost with their zone or region, if enough stand elsewhere.

        On average over the replicas, a place that has n_z of n takes one along n_z / n times as often as it is lost.
        """
        count = len(zones)
        regions = [self.system.region_of(zone) for zone in zones]
        rate_per_s = 1 / assumed.mtbf_s
        for places, outage in ((zones, self.assumptions.zone), (regions, self.assumptions.region)):
            for place in set(places):
                here = places.count(place)
                if count - here >= assumed.needed:
                    rate_per_s += here / count / outage.mtbf_s
        return assumed.group(count, mtbf_s=1 / rate_per_s)

    def _replicas(self, assumed: Assumed, zones: list[str], down_counts: tuple[float, ...]) -> Iterable[Node]:
        count = len(zones)
        share = sum(number * chance for number, chance in enumerate(down_counts)) / count
        numbers: dict[str, int] = {}
        for zone in zones:
            numbers[zone] = numbers.get(zone, 0) + 1
            event = Event(share, assumed.mttr_s, part=assumed.name, kind="replica")
            yield any_of(self._basic(f"{assumed.name}-{zone}-{numbers[zone]}", event), self._lost(zone))

    def _crewed(self, assumed: Assumed, zones: list[str], least: int, down_counts: tuple[float, ...]) -> Iterable[Node]:
        """The ways to fail when replicas wait for each other's repair, so that they are not independent.

        The event of rank j is that a j-th replica is down, given that j - 1 are; replicas that are down by themselves
        are taken to stand in zones that are not lost, which is pessimistic.
        """
        count = len(zones)
        at_least_down = [sum(down_counts[number:]) for number in range(count + 1)]
        ranks: list[Node] = []
        for rank in range(1, least + 1):
            given = at_least_down[rank - 1]
            event = Event(at_least_down[rank] / given if given else 0.0, assumed.mttr_s, assumed.name, "replicas")
            told = f"{assumed.name}: {rank} of {count} down"
            ranks.append(self._basic(told, event))
            lost = (self._lost(zone) for zone in zones)
            yield all_of(*ranks, *((at_least(least - rank, *lost),) if rank < least else ()))
        yield at_least(least, *(self._lost(zone) for zone in zones))

    def _lost(self, zone: str) -> Node:
        """When a zone is lost: it alone, or with its region."""
        key = f"zone {zone}"
        if key not in self._nodes:
            region = self.system.region_of(zone)
            places = self.assumptions
            alone = Event(places.zone.unavailability, places.zone.mttr_s, part=key, kind="zone")
            whole = Event(places.region.unavailability, places.region.mttr_s, part=f"region {region}", kind="region")
            self._nodes[key] = any_of(self._basic(key, alone), self._basic(f"region {region}", whole))
        return self._nodes[key]

    def _basic(self, name: str, event: Event) -> Node:
        known = self._nodes.get(f"event {name}")
        if known is None:
            self.events[name] = event
            known = self._nodes[f"event {name}"] = Basic(name)
        return known


def total(system: System, assumptions: Assumptions) -> Structure:
    """When users are not served at all."""
    return Translation(system, assumptions).structure()


def degraded(system: System, assumptions: Assumptions) -> Structure:
    """When users are not served, or miss something: also when a soft need of what serves them is not met."""
    made = Translation(system, assumptions)
    served = reached(system)
    top = made.component(system.workload.through)
    soft = [other for name in served for other, kind in needs_of(system, name).items() if kind == "soft"]
    return Structure(any_of(top, *(made.component(other) for other in dict.fromkeys(soft))), made.events)


def in_region(system: System, assumptions: Assumptions, region: str) -> Structure | None:
    """When clients are not served who arrive at the entries of this region alone.

    None where that cannot be asked: one of the entries serves for all, or too few stand there to carry the load.
    """
    entry = assumptions.components[system.workload.through]
    here = sum(system.components[entry.name].replicas.get(zone, 0) for zone in system.regions[region].zones)
    if entry.redundancy != "active" or here < entry.needed:
        return None
    return Translation(system, assumptions, only_region=region).structure()
