"""Rules about where pods run: apart from each other, and with enough of them left when a zone is lost. Pure.

How many zones there are is known from the system file alone: without one, the rules that count zones find nothing.
How many nodes there are is written nowhere: no rule counts them, so replicas under a required anti-affinity on nodes
are compared with nothing.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.components import needed_pods
from bascule.audit.kubernetes.manifest import nearest
from bascule.audit.kubernetes.scaling import Replicas
from bascule.audit.kubernetes.selectors import selector
from bascule.audit.kubernetes.spread import HOSTNAME, ZONES, Apart, apart, fullest_zone, holds_one_each, only_zone
from bascule.audit.kubernetes.updates import rolling
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.rule import rule
from bascule.audit.tree import at, text

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
    " that they stand for is not there. Nodes are not counted: how many there are is not known here.",
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
    """Finds workloads of two replicas or more without spread constraints or anti-affinities of their own pods."""
    for one, count in _several(estate.index(cluster)):
        found = apart(one)
        # One pod on each node is all that a port of the node allows.
        if any(each.covers_itself for each in found) or holds_one_each(one):
            continue
        yield Found(
            place=one.manifest.place("metadata", "name"),
            subject=one.subject,
            what=f"nothing keeps its {count.fewest} pods on different nodes or in different zones",
            related=tuple((each.place, "this counts pods of others") for each in found),
        )


@rule(
    "BSC-K8S-033",
    "spread-counts-other-pods",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The constraint or anti-affinity counts pods that are not those of this workload, or none: whatever it says,"
    " these replicas may all land in one place.",
    fix="Give it a `labelSelector` that matches the labels of the pod template.",
    source=f"{SPREAD}#spread-constraint-definition",
)
def spread_counts_other_pods(estate: Estate) -> Iterator[Found]:
    """Finds spread constraints and anti-affinities whose selector does not match the pods that have them.

    An anti-affinity may well be meant for the pods of others. So it is found, as medium, only where it asks for labels
    that the workload's own pods have with other values, and where no pod that was read is meant.
    """
    known = estate.index(cluster)
    for one in known.workloads:
        for found in apart(one):
            wanted = selector(at(found.node, "labelSelector"))
            if found.covers_itself or not (found.is_spread or _misses_its_pods(known, one, found)):
                continue
            counted = "no pods, for want of a labelSelector" if wanted is None else f"{wanted}, which its pods are not"
            yield Found(
                place=found.place,
                subject=one.subject,
                what=f"the {'constraint' if found.is_spread else 'anti-affinity'} on {found.topology} counts {counted}",
                severity=None if found.is_spread else "medium",
                related=((one.manifest.place(*one.pod_path[:-1], "metadata", "labels"), "the labels of its pods"),),
            )


def _misses_its_pods(known: Cluster, one: Workload, found: Apart) -> bool:
    """Whether an anti-affinity looks as if it were meant for the workload's own pods, and no others are to be seen."""
    if any(at(found.node, key) is not None for key in ("namespaces", "namespaceSelector")):
        return False
    wanted = selector(at(found.node, "labelSelector"))
    if wanted is None:
        return True
    is_alike = wanted.keys <= one.labels.keys()
    return is_alike and not known.is_operated(one.namespace) and not known.selected(one.namespace, wanted)


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
    fix="Run needed x zones / (zones - 1) replicas, rounded up to whole pods in each zone, under a topology spread"
    " constraint on zones with `maxSkew: 1` and `whenUnsatisfiable: DoNotSchedule`.",
    source=f"{SPREAD}#spread-constraint-definition (maxSkew)",
)
def too_few_left_after_a_zone(estate: Estate) -> Iterator[Found]:
    """Finds workloads that are a component of the system, of which a lost zone leaves fewer pods than are needed.

    A workload is the component whose name it or its label `app.kubernetes.io/name` has. Where no hard constraint keeps
    its pods apart on zones, all of them may be in the lost one: that is told where a promise for it was made.
    """
    system = estate.system
    if system is None or len(system.zones) < 2:
        return
    known = estate.index(cluster)
    for one, count in _several(known):
        need = needed_pods(estate, one)
        if need is None:
            continue
        lost = fullest_zone(count.fewest, len(system.zones), apart(one))
        left = 0 if lost is None else count.fewest - lost
        if lost is None and ("zone" not in system.objectives.disruptions or only_zone(one) is not None):
            continue  # bound to one zone, which the next rule tells, or no promise that a zone may be lost
        if left < need.pods:
            yield Found(
                place=known.replicas_place(one),
                subject=one.subject,
                what=_after_a_zone(count.fewest, len(system.zones), lost) + f", but {need.pods} are needed",
                related=((need.place, "what is needed"),),
            )


def _after_a_zone(pods: int, zones: int, lost: int | None) -> str:
    if lost is None:
        return f"nothing that must hold keeps its {pods} pods in different zones: a lost zone may take all of them"
    return f"of {pods} pods over {zones} zones, a lost zone takes up to {lost} and leaves {pods - lost}"


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
