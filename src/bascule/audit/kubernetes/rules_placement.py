"""Rules about where pods run: apart from each other, and with enough of them left when a zone is lost. Pure.

How many zones there are is known from the system file alone: without one, the rules that count zones find nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import nearest
from bascule.audit.kubernetes.scaling import Replicas
from bascule.audit.kubernetes.selectors import selector
from bascule.audit.kubernetes.spread import HOSTNAME, ZONES, Apart, apart, fullest_zone, only_zone
from bascule.audit.kubernetes.updates import rolling
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.rule import rule
from bascule.audit.tree import Node, at, items, text

DOCS = "https://kubernetes.io/docs"
SPREAD = f"{DOCS}/concepts/scheduling-eviction/topology-spread-constraints/"
ASSIGN = f"{DOCS}/concepts/scheduling-eviction/assign-pod-node/"


def _several(known: Cluster) -> Iterator[tuple[Workload, Replicas]]:
    """Deployments and StatefulSets that always have two pods or more."""
    for one, count in known.replicated():
        if count.fewest >= 2 and one.kind in {"Deployment", "StatefulSet"}:
            yield one, count


def _one_per_zone(one: Workload) -> Apart | None:
    """The anti-affinity that allows one pod in each zone."""
    for found in apart(one):
        if found.is_hard and not found.is_spread and found.covers_itself and found.topology in ZONES:
            return found
    return None


@rule(
    "BSC-K8S-030",
    "more-replicas-than-zones-allow",
    severity="high",
    technology="kubernetes",
    breaks=("capacity", "availability"),
    why="A required anti-affinity on zones allows one pod in each: the others stay pending for ever, so the capacity"
    " that they stand for is not there.",
    fix="Use a topology spread constraint on zones, which allows several pods in each, evenly.",
    source=f"{ASSIGN}#inter-pod-affinity-and-anti-affinity",
)
def more_replicas_than_zones_allow(estate: Estate) -> Iterator[Found]:
    """Finds workloads with more replicas than the system has zones, of which each may hold one."""
    zones = len(estate.system.zones) if estate.system is not None else 0
    for one, count in _several(estate.index(cluster)) if zones else ():
        limit = _one_per_zone(one)
        if limit is not None and count.most > zones:
            yield Found(
                place=limit.place,
                subject=one.subject,
                what=f"up to {count.most} replicas, one in each zone at most, but the system has {zones} zones",
                related=((estate.place("regions", key=True), f"the system's {zones} zones"),),
            )


@rule(
    "BSC-K8S-031",
    "rollout-needs-one-zone-more",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="A rolling update that may take no pod away needs room for one more, but each zone already holds the one that"
    " the anti-affinity allows: no update can ever proceed, an urgent fix neither.",
    fix="Allow `maxUnavailable: 1`, or use a topology spread constraint instead of the anti-affinity.",
    source=f"{DOCS}/concepts/workloads/controllers/deployment/#max-unavailable",
)
def rollout_needs_one_zone_more(estate: Estate) -> Iterator[Found]:
    """Finds Deployments with one pod in each zone of the system whose updates may take none away."""
    zones = len(estate.system.zones) if estate.system is not None else 0
    for one, count in _several(estate.index(cluster)) if zones else ():
        limit, update = _one_per_zone(one), rolling(one, count.fewest)
        if limit is not None and update is not None and count.fewest == zones and update.unavailable == 0:
            yield Found(
                place=limit.place,
                subject=one.subject,
                what=f"{zones} replicas fill all {zones} zones, and the update may take none of them away",
                related=((one.manifest.place("spec", "strategy", "rollingUpdate", "maxUnavailable"), "the strategy"),),
            )


@rule(
    "BSC-K8S-032",
    "nothing-keeps-replicas-apart",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="All replicas may be put on one node or in one zone: its loss is then the loss of all of them.",
    fix="Add topology spread constraints on `kubernetes.io/hostname` and `topology.kubernetes.io/zone`.",
    source=f"{SPREAD}#motivation",
)
def nothing_keeps_replicas_apart(estate: Estate) -> Iterator[Found]:
    """Finds workloads of two replicas or more with neither spread constraints nor an anti-affinity."""
    for one, count in _several(estate.index(cluster)):
        # One pod on each node is all that a port of the node allows.
        if not apart(one) and not any(text(port, "hostPort") for port in _ports(one)):
            yield Found(
                place=one.manifest.place("metadata", "name"),
                subject=one.subject,
                what=f"nothing keeps its {count.fewest} pods on different nodes or in different zones",
            )


def _ports(one: Workload) -> Iterator[Node]:
    for container in one.containers:
        yield from items(container.node, "ports")


@rule(
    "BSC-K8S-033",
    "spread-counts-other-pods",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The constraint counts pods that are not those of this workload, or none: whatever it says, these replicas may"
    " all land in one place.",
    fix="Give the constraint a `labelSelector` that matches the labels of the pod template.",
    source=f"{SPREAD}#spread-constraint-definition",
)
def spread_counts_other_pods(estate: Estate) -> Iterator[Found]:
    """Finds spread constraints whose selector does not match the pods that have them."""
    for one in estate.index(cluster).workloads:
        for found in apart(one):
            if found.is_spread and not found.covers_itself:
                wanted = selector(at(found.node, "labelSelector"))
                yield Found(
                    place=found.place,
                    subject=one.subject,
                    what=f"the constraint on {found.topology} counts "
                    + (
                        "no pods, for want of a labelSelector"
                        if wanted is None
                        else f"{wanted}, which its pods are not"
                    ),
                    related=((one.manifest.place(*one.pod_path[:-1], "metadata", "labels"), "the labels of its pods"),),
                )


@rule(
    "BSC-K8S-034",
    "spread-is-only-wished-for",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="Preferences give way: when nodes are scarce, which is after a failure, all replicas may be put together, and"
    " nothing moves them apart again.",
    fix="Make one of them hard: `whenUnsatisfiable: DoNotSchedule`, on nodes or zones.",
    source=f"{SPREAD}#spread-constraint-definition (whenUnsatisfiable)",
)
def spread_is_only_wished_for(estate: Estate) -> Iterator[Found]:
    """Finds workloads whose replicas are kept apart by preferences alone."""
    for one, count in _several(estate.index(cluster)):
        own = [found for found in apart(one) if found.covers_itself]
        if own and not any(found.is_hard for found in own):
            yield Found(
                place=own[0].place,
                subject=one.subject,
                what=f"its {count.fewest} pods are kept apart by preferences alone",
                related=tuple((found.place, "a preference too") for found in own[1:]),
            )


@rule(
    "BSC-K8S-035",
    "spread-skew-as-wide-as-all",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="A domain may hold as many pods more than another as there are pods: all of them in one place keep the"
    " constraint.",
    fix="Set `maxSkew: 1`.",
    source=f"{SPREAD}#spread-constraint-definition (maxSkew)",
)
def spread_skew_as_wide_as_all(estate: Estate) -> Iterator[Found]:
    """Finds hard spread constraints whose skew is not below the number of replicas."""
    for one, count in _several(estate.index(cluster)):
        for found in apart(one):
            if found.is_spread and found.is_hard and found.covers_itself and found.skew >= count.fewest:
                yield Found(
                    place=nearest(found.node, "maxSkew"),
                    subject=one.subject,
                    what=f"`maxSkew: {found.skew}` lets all {count.fewest} pods be in one place",
                )


@rule(
    "BSC-K8S-036",
    "spread-over-nodes-but-not-zones",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="Pods on different nodes may still all be in one zone, and the loss of a zone is what the system promises to"
    " survive.",
    fix="Add a topology spread constraint on `topology.kubernetes.io/zone`.",
    source=f"{SPREAD}#motivation",
)
def spread_over_nodes_but_not_zones(estate: Estate) -> Iterator[Found]:
    """Finds workloads kept apart on nodes alone, in a system of several zones that promises to survive one's loss."""
    system = estate.system
    if system is None or "zone" not in system.objectives.disruptions or len(system.zones) < 2:
        return
    for one, count in _several(estate.index(cluster)):
        own = [found for found in apart(one) if found.covers_itself]
        if own and not any(found.topology in ZONES for found in own):
            yield Found(
                place=own[0].place,
                subject=one.subject,
                what=f"all {count.fewest} pods may be in one of the {len(system.zones)} zones, one of which may be"
                " lost",
                related=((estate.place("objectives.disruptions.zone", key=True), "the promise"),),
            )


@rule(
    "BSC-K8S-037",
    "too-few-left-after-a-zone",
    severity="high",
    technology="kubernetes",
    breaks=("capacity", "availability"),
    why="When the zone that holds most pods is lost, the others are fewer than the load needs, until new ones have"
    " started elsewhere, if there is room for them.",
    fix="Run needed x zones / (zones - 1) replicas, rounded up to whole pods in each zone, with `maxSkew: 1`.",
    source=f"{SPREAD}#spread-constraint-definition (maxSkew)",
)
def too_few_left_after_a_zone(estate: Estate) -> Iterator[Found]:
    """Finds workloads that are a component of the system, of which a lost zone leaves fewer pods than are needed.

    A workload is the component whose name it or its label `app.kubernetes.io/name` has.
    """
    system = estate.system
    if system is None or len(system.zones) < 2:
        return
    known = estate.index(cluster)
    for one, count in _several(known):
        name = one.name if one.name in system.components else one.labels.get("app.kubernetes.io/name", "")
        component = system.components.get(name)
        needed = component.reliability.needed if component is not None and component.reliability is not None else None
        lost = fullest_zone(count.fewest, len(system.zones), apart(one))
        if needed is not None and lost is not None and count.fewest - lost < needed:
            yield Found(
                place=known.replicas_place(one),
                subject=one.subject,
                what=f"of {count.fewest} pods over {len(system.zones)} zones, a lost zone takes up to {lost} and leaves"
                f" {count.fewest - lost}, but {needed} are needed",
                related=((estate.place(f"components.{name}.reliability.needed"), "what is needed"),),
            )


@rule(
    "BSC-K8S-038",
    "bound-to-one-zone",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="All replicas are in one zone, and its loss is the loss of all of them: they may start nowhere else.",
    fix="Allow several zones and spread over them.",
    source=f"{ASSIGN}#nodeselector",
)
def bound_to_one_zone(estate: Estate) -> Iterator[Found]:
    """Finds workloads that may run in one zone only, unless their Services have pods of other workloads too."""
    known = estate.index(cluster)
    for one, count in _several(known):
        zone = only_zone(one)
        if zone is None or _is_one_of_several(known, one):
            continue
        yield Found(
            place=zone[1],
            subject=one.subject,
            what=f"its {count.fewest} pods may run in zone {zone[0]} alone",
        )


def _is_one_of_several(known: Cluster, one: Workload) -> bool:
    """Whether other workloads answer for the same Services: one for each zone, for example."""
    return any(
        other.subject != one.subject
        for service in known.serving(one)
        for other in known.selected(one.namespace, service.selector)
    )


@rule(
    "BSC-K8S-039",
    "bound-to-one-node",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="All its pods run on one named node, and when that fails they may start nowhere else.",
    fix="Choose nodes by labels that several of them have.",
    source=f"{ASSIGN}#nodename",
)
def bound_to_one_node(estate: Estate) -> Iterator[Found]:
    """Finds workloads of two replicas or more, or behind a Service, that name the node they run on."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        by_name = text(one.pod, "nodeName")
        by_label = text(one.pod, "nodeSelector", HOSTNAME)
        if (by_name or by_label) and (count.fewest >= 2 or known.serving(one)):
            yield Found(
                place=one.pod_place("nodeName") if by_name else one.pod_place("nodeSelector", HOSTNAME),
                subject=one.subject,
                what=f"its pods may run on node {by_name or by_label} alone",
            )


RULES = (
    more_replicas_than_zones_allow,
    rollout_needs_one_zone_more,
    nothing_keeps_replicas_apart,
    spread_counts_other_pods,
    spread_is_only_wished_for,
    spread_skew_as_wide_as_all,
    spread_over_nodes_but_not_zones,
    too_few_left_after_a_zone,
    bound_to_one_zone,
    bound_to_one_node,
)
