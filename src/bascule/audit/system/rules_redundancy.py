"""Replicas, zones, regions and votes: what one loss takes along. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.audit.system.path import needed, on_the_way, regions_of, replicas
from bascule.availability.figures import VOTING

SRE = "B. Beyer et al., Site Reliability Engineering (2016), ch. 20 and 23"


@rule(
    "BSC-SYS-010",
    "single-point-of-failure",
    severity="critical",
    technology="system",
    breaks=("availability", "rto"),
    why="Every request needs this component, and there is one replica of it. Each failure, each restart and each "
    "upgrade of it is an outage of the whole system.",
    fix="Give it a second replica, in another zone.",
    source=f"{SRE}; IEC 61078, reliability block diagrams",
)
def single_point(estate: Estate) -> Iterator[Found]:
    """A component on the way of every request that has one replica."""
    system = estate.system
    for name, component in on_the_way(system) if system is not None else ():
        if replicas(component) == 1:
            zone = next(zone for zone, count in component.replicas.items() if count)
            yield Found(
                place=estate.place(f"components.{name}.replicas"),
                what=f"every request needs {name}, and its one replica stands in {zone}",
                subject=f"component {name}",
            )


@rule(
    "BSC-SYS-011",
    "no-spare-capacity",
    severity="high",
    technology="system",
    breaks=("capacity", "availability"),
    why="All replicas are needed to carry the load. When one of them fails, or is upgraded, the others are overloaded.",
    fix="Add a replica (N+1), or two where one may fail while another is upgraded (N+2).",
    source=f"{SRE} (N+2)",
)
def no_spare(estate: Estate) -> Iterator[Found]:
    """A component with several replicas that needs all of them."""
    system = estate.system
    for name, component in on_the_way(system) if system is not None else ():
        count = replicas(component)
        if count > 1 and needed(component) >= count:
            yield Found(
                place=estate.place(f"components.{name}.replicas"),
                what=f"{needed(component)} of {count} replicas are needed: none may fail",
                subject=f"component {name}",
            )


@rule(
    "BSC-SYS-012",
    "zone-loss-is-an-outage",
    severity="critical",
    technology="system",
    breaks=("rto", "availability"),
    why="The loss of a zone has a promised recovery time, and this component has not enough replicas outside of "
    "one zone. It is back when the zone is.",
    fix="Spread its replicas so that any zone may be lost.",
    source="AWS Well-Architected Framework, Reliability pillar, REL10 (deploy to multiple locations)",
)
def zone_loss(estate: Estate) -> Iterator[Found]:
    """A component that no longer has what it needs when one zone is lost, though the loss of a zone has a promise."""
    system = estate.system
    if system is None or "zone" not in system.objectives.disruptions:
        return
    for name, component in on_the_way(system):
        count = replicas(component)
        for zone, here in component.replicas.items():
            if here and count > 1 and count - here < needed(component):
                yield Found(
                    place=estate.place(f"components.{name}.replicas.{zone}"),
                    what=f"without {zone} {count - here} of {count} replicas are left, {needed(component)} are needed",
                    subject=f"component {name}",
                    related=((estate.place("objectives.disruptions.zone"), "what was promised"),),
                )


@rule(
    "BSC-SYS-013",
    "region-loss-is-an-outage",
    severity="critical",
    technology="system",
    breaks=("rto", "availability"),
    why="The loss of a region has a promised recovery time, and this component has not enough replicas in the other "
    "regions. Whatever else is redundant waits for it.",
    fix="Give it replicas in another region, or need it soft; voters need a third region.",
    source="AWS Well-Architected Framework, Reliability pillar, REL10; etcd documentation, FAQ (fault tolerance)",
)
def region_loss(estate: Estate) -> Iterator[Found]:
    """A component that does not keep what it needs when one region is lost, though that loss has a promise."""
    system = estate.system
    if system is None or "region" not in system.objectives.disruptions:
        return
    for name, component in on_the_way(system):
        count = replicas(component)
        for region, here in regions_of(system, component).items():
            if count > 1 and count - here < needed(component):
                yield Found(
                    place=estate.place(f"components.{name}.replicas"),
                    what=f"without {region} {count - here} of {count} replicas are left, {needed(component)} are "
                    "needed",
                    subject=f"component {name}",
                    related=((estate.place("objectives.disruptions.region"), "what was promised"),),
                )


@rule(
    "BSC-SYS-014",
    "dependency-in-one-region",
    severity="high",
    technology="system",
    breaks=("availability", "latency"),
    why="The entry stands in several regions, and what it needs stands in one. The second region is no redundancy: it "
    "fails with the first, and its requests cross the line between them.",
    fix="Place the dependency where its users are, or need it soft.",
    source="B. Treynor et al., The Calculus of Service Availability, ACM Queue 15(2), 2017",
)
def one_region(estate: Estate) -> Iterator[Found]:
    """A component in one region, needed by every request of a system whose entry is in several."""
    system = estate.system
    if system is None or len(regions_of(system, system.components[system.workload.through])) < 2:
        return
    for name, component in on_the_way(system):
        regions = regions_of(system, component)
        if len(regions) == 1:
            yield Found(
                place=estate.place(f"components.{name}.replicas"),
                what=f"all of {name} stands in {next(iter(regions))}, and {system.workload.through} in several regions",
                subject=f"component {name}",
            )


@rule(
    "BSC-SYS-015",
    "even-number-of-voters",
    severity="medium",
    technology="system",
    breaks=("availability",),
    why="A majority of four is three, so four voters survive one loss, as three do: the fourth adds only one "
    "more that can fail. Two voters survive none.",
    fix="Have three, five or seven.",
    source="etcd documentation, FAQ: Why an odd number of cluster members?",
)
def even_voters(estate: Estate) -> Iterator[Found]:
    """A voting component with an even number of replicas."""
    system = estate.system
    for name, component in system.components.items() if system is not None else ():
        count = replicas(component)
        if component.engine in VOTING and count % 2 == 0:
            yield Found(
                place=estate.place(f"components.{name}.replicas"),
                what=f"{count} voters survive {(count - 1) // 2} losses, as {count - 1} do",
                subject=f"component {name}",
            )


RULES = (single_point, no_spare, zone_loss, region_loss, one_region, even_voters)
