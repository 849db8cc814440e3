"""What the NetworkPolicies that select a pod let in and out: all of them together, for they only add. Pure.

Source: Kubernetes documentation, Network Policies, "The two sorts of pod isolation".
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from bascule.audit.estate import Estate
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import Manifest
from bascule.audit.kubernetes.quantities import is_number
from bascule.audit.kubernetes.selectors import Selector, selector
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.tree import Node, at, entries, items, text, whole

OTHER_POLICIES = ("NetworkPolicy.cilium.io", "NetworkPolicy.projectcalico.org", "NetworkPolicy.crd.projectcalico.org")
Direction = Literal["Ingress", "Egress"]


@dataclass(frozen=True, slots=True)
class PortRange:
    """Ports of one protocol that a rule allows: a name, or numbers from `first` to `last`."""

    protocol: str
    name: str = ""
    first: int = 0
    last: int = 0

    def allows(self, port: str, protocol: str) -> bool:
        """Whether a port, by name or number as text, is among them."""
        if self.protocol != protocol:
            return False
        if is_number(port):
            return not self.name and self.first <= int(port) <= self.last
        return self.name == port


@dataclass(frozen=True, slots=True, eq=False)
class Allowed:
    """One `ingress` or `egress` rule; without ports it allows all of them."""

    node: Node
    ports: tuple[PortRange, ...]

    @property
    def peers(self) -> tuple[Node, ...]:
        """To whom or from whom; nobody in particular means everybody."""
        return items(self.node, "to") + items(self.node, "from")


@dataclass(slots=True, eq=False)
class Isolation:
    """What isolates a pod in one direction, and what is let through nevertheless."""

    policies: list[Manifest] = field(default_factory=list)
    allowed: list[Allowed] = field(default_factory=list)


Isolations = dict[Workload, Isolation]


def ingress(estate: Estate) -> Isolations:
    """Every workload to which at least one policy limits connections; ask for it by `estate.index(ingress)`."""
    return _isolated(estate.index(cluster), "Ingress")


def egress(estate: Estate) -> Isolations:
    """Every workload whose own connections at least one policy limits; ask for it by `estate.index(egress)`."""
    return _isolated(estate.index(cluster), "Egress")


def _isolated(known: Cluster, direction: Direction) -> Isolations:
    found: Isolations = {}
    if any(kind.endswith(OTHER_POLICIES) for kind in known.manifests):
        return found  # what those let through is not known here
    for policy in known.of("NetworkPolicy"):
        if direction not in _directions(policy):
            continue
        rules = [_rule(one) for one in items(policy.root, "spec", direction.lower())]
        wanted = selector(policy.node("spec", "podSelector")) or Selector()
        for one in known.selected(policy.namespace, wanted):
            isolated = found.setdefault(one, Isolation())
            isolated.policies.append(policy)
            isolated.allowed += rules
    return found


def _directions(policy: Manifest) -> set[str]:
    written = {text(one) or "" for one in items(policy.root, "spec", "policyTypes")}
    implied = {"Ingress", "Egress"} if items(policy.root, "spec", "egress") else {"Ingress"}
    return written or implied


def _rule(node: Node) -> Allowed:
    return Allowed(node=node, ports=tuple(_ports(one) for one in items(node, "ports")))


def _ports(node: Node) -> PortRange:
    protocol = text(node, "protocol") or "TCP"
    first, name = whole(node, "port"), text(node, "port")
    if name is None:
        return PortRange(protocol=protocol, first=0, last=65535)
    if first is None:
        return PortRange(protocol=protocol, name=name)
    return PortRange(protocol=protocol, first=first, last=whole(node, "endPort") or first)


def is_address(peer: Node) -> bool:
    """Whether a peer is a range of addresses, for which no name has to be resolved."""
    return at(peer, "ipBlock") is not None and len(entries(peer)) == 1
