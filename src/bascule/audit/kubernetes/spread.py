"""What keeps the pods of a workload apart, and how many of them one zone can take with it. Pure.

Source: Kubernetes documentation, Pod Topology Spread Constraints; Assigning Pods to Nodes, "Inter-pod affinity and
anti-affinity".
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule.audit.kubernetes.selectors import selector
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.place import Place
from bascule.audit.tree import Node, at, boolean, items, text, whole

ZONES = frozenset({"topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone"})
HOSTNAME = "kubernetes.io/hostname"


@dataclass(frozen=True, slots=True, eq=False)
class Apart:
    """One thing that keeps pods apart.

    Attributes:
        topology: The node label whose values are the domains.
        is_hard: Whether a pod waits rather than break it.
        is_spread: A topology spread constraint; else an anti-affinity.
        skew: By how many pods domains may differ; 1 for an anti-affinity, of which a domain holds one pod at most.
        covers_itself: Whether the pods of the workload are those that it counts.
    """

    topology: str
    is_hard: bool
    is_spread: bool
    skew: int
    covers_itself: bool
    place: Place
    node: Node


def apart(one: Workload) -> list[Apart]:
    """Everything in a workload that keeps pods apart, whether or not it counts the workload's own."""
    return [*_spreads(one), *_anti_affinities(one)]


def _spreads(one: Workload) -> Iterator[Apart]:
    for number, node in enumerate(items(one.pod, "topologySpreadConstraints")):
        wanted = selector(at(node, "labelSelector"))
        yield Apart(
            topology=text(node, "topologyKey") or "",
            is_hard=(text(node, "whenUnsatisfiable") or "DoNotSchedule") == "DoNotSchedule",
            is_spread=True,
            skew=whole(node, "maxSkew") or 1,
            covers_itself=wanted is not None and wanted.selects(one.labels),
            place=one.pod_place("topologySpreadConstraints", number),
            node=node,
        )


def _anti_affinities(one: Workload) -> Iterator[Apart]:
    for key, is_hard in (
        ("requiredDuringSchedulingIgnoredDuringExecution", True),
        ("preferredDuringSchedulingIgnoredDuringExecution", False),
    ):
        path = ("affinity", "podAntiAffinity", key)
        for number, term in enumerate(items(one.pod, *path)):
            node = term if is_hard else at(term, "podAffinityTerm")
            wanted = selector(at(node, "labelSelector"))
            if node is not None:
                yield Apart(
                    topology=text(node, "topologyKey") or "",
                    is_hard=is_hard,
                    is_spread=False,
                    skew=1,
                    covers_itself=wanted is not None and wanted.selects(one.labels),
                    place=one.pod_place(*path, number),
                    node=node,
                )


def fullest_zone(replicas: int, zones: int, constraints: list[Apart]) -> int | None:
    """The most pods that one zone can hold under the hard constraints on zones; None where there is none of them.

    With a skew of s, the other zones hold at least m - s each when one holds m, so m + (zones - 1)(m - s) <= replicas.

    Args:
        replicas: All pods; at least 1.
        zones: How many zones there are; at least 1.
        constraints: What keeps the pods apart.
    """
    most: int | None = None
    for one in constraints:
        if not (one.is_hard and one.covers_itself and one.topology in ZONES):
            continue
        here = (replicas + (zones - 1) * one.skew) // zones if one.is_spread else 1
        here = min(max(here, 1), replicas)
        most = here if most is None else min(most, here)
    return most


def holds_one_each(one: Workload) -> bool:
    """Whether a node, or a zone, has room for one of the pods: then an update that adds a pod first needs another one.

    That is so with a port of the node, and with a required anti-affinity of the pods to their own kind.
    """
    ports = [port for container in one.containers for port in items(container.node, "ports")]
    is_on_node = boolean(one.pod, "hostNetwork") is True
    if any(text(port, "hostPort") or (is_on_node and text(port, "containerPort")) for port in ports):
        return True
    return any(found.is_hard and not found.is_spread and found.covers_itself for found in apart(one))


def only_zone(one: Workload) -> tuple[str, Place] | None:
    """The single zone that the pods are allowed in, and where that is written; None where they may be in several."""
    for key in sorted(ZONES):
        zone = text(one.pod, "nodeSelector", key)
        if zone is not None:
            return zone, one.pod_place("nodeSelector", key)
    required = ("affinity", "nodeAffinity", "requiredDuringSchedulingIgnoredDuringExecution", "nodeSelectorTerms")
    terms = items(one.pod, *required)
    found = [_zones_of(term) for term in terms]
    zones = {zone for some in found for zone in some}
    return (zones.pop(), one.pod_place(*required)) if all(found) and len(zones) == 1 else None


def _zones_of(term: Node) -> set[str]:
    """The zones that one term allows; empty where it does not restrict them."""
    for one in items(term, "matchExpressions"):
        if text(one, "key") in ZONES and text(one, "operator") == "In":
            return {zone for item in items(one, "values") if (zone := text(item)) is not None}
    return set()
