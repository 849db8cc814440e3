"""Rules about the network: traffic that is dropped, or sent to pods that cannot answer it. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.kubernetes.manifest import nearest
from bascule.audit.kubernetes.policies import Allowed, PortRange, egress, ingress, is_address
from bascule.audit.kubernetes.selectors import selector
from bascule.audit.kubernetes.services import carriers
from bascule.audit.kubernetes.updates import rolling
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.rule import rule
from bascule.audit.tree import Node, at, boolean, items, text, whole

DOCS = "https://kubernetes.io/docs"
POLICIES = f"{DOCS}/concepts/services-networking/network-policies/"
NAME = "kubernetes.io/metadata.name"
TRAFFIC = f"{DOCS}/reference/networking/virtual-ips/#traffic-policies"


@rule(
    "BSC-K8S-100",
    "policy-shuts-the-service-out",
    severity="critical",
    technology="kubernetes",
    breaks=("availability",),
    why="The policies that select these pods let nothing in: every request through the Service is dropped, and probes"
    " of the kubelet, which are let through, still say that all is well.",
    fix="Add an `ingress` rule for the callers and the port.",
    source=f"{POLICIES}#the-two-sorts-of-pod-isolation",
)
def policy_shuts_the_service_out(estate: Estate) -> Iterator[Found]:
    """Finds pods behind a Service that are isolated, and that no policy lets anything in to."""
    known = estate.index(cluster)
    for one, isolated in estate.index(ingress).items():
        services = known.serving(one)
        if services and not isolated.allowed:
            policy = isolated.policies[-1]
            yield Found(
                place=policy.place("spec", "podSelector"),
                subject=policy.subject,
                what=f"nothing may reach {one.subject}, which answers for {services[0].manifest.subject}",
                related=((services[0].manifest.place("metadata", "name"), services[0].manifest.subject),),
            )


@rule(
    "BSC-K8S-101",
    "policy-forbids-name-resolution",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "latency"),
    why="The pods may call others but cannot resolve their names: every call by name fails after the resolver's"
    " timeout.",
    fix="Allow egress to port 53, UDP and TCP, to the cluster's DNS; on OpenShift to port 5353 of its DNS pods.",
    source=f"{POLICIES}#default-deny-all-egress-traffic",
)
def policy_forbids_name_resolution(estate: Estate) -> Iterator[Found]:
    """Finds isolated pods that may call something by name, but not port 53, nor 5353 of OpenShift's DNS."""
    for one, isolated in estate.index(egress).items():
        if text(one.pod, "hostNetwork") == "true" or text(one.pod, "dnsPolicy") == "None":
            continue
        by_name = any(not rule.peers or not all(map(is_address, rule.peers)) for rule in isolated.allowed)
        if by_name and not any(_lets_resolve(rule) for rule in isolated.allowed):
            policy = isolated.policies[-1]
            yield Found(
                place=policy.place("spec", "egress"),
                subject=policy.subject,
                what=f"{one.subject} may make calls, but none to port 53, so it resolves no names",
            )


def _lets_resolve(allowed: Allowed) -> bool:
    # A named port may be DNS: nobody can tell without the pods on the other side.
    if not allowed.ports or any(port.name or port.allows("53", port.protocol) for port in allowed.ports):
        return True
    # A policy sees the port of the pods: those of OpenShift's DNS, in another namespace, listen on 5353.
    is_openshift = not allowed.peers or any(_may_be_openshift_dns(peer) for peer in allowed.peers)
    return is_openshift and any(port.allows("5353", port.protocol) for port in allowed.ports)


def _may_be_openshift_dns(peer: Node) -> bool:
    """Whether a peer may be in the namespace of OpenShift's DNS: only its label of the name is known."""
    wanted = selector(at(peer, "namespaceSelector"))
    return wanted is not None and (NAME not in wanted.keys or wanted.selects({NAME: "openshift-dns"}))


@rule(
    "BSC-K8S-102",
    "policy-opens-another-port",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The policies let traffic in to other ports than the one that the Service sends it to: requests are dropped."
    " A policy sees the port of the pod, not that of the Service.",
    fix="Allow the Service's `targetPort`.",
    source=f"{POLICIES}#targeting-a-range-of-ports",
)
def policy_opens_another_port(estate: Estate) -> Iterator[Found]:
    """Finds ports of Services that none of the policies on their isolated pods lets in."""
    known = estate.index(cluster)
    for one, isolated in estate.index(ingress).items():
        ranges = [port for rule in isolated.allowed for port in rule.ports]
        if not isolated.allowed or any(not rule.ports for rule in isolated.allowed):
            continue
        for service in known.serving(one):
            for port in service.ports:
                if service.is_headless or _is_open(one, port.target, port.protocol, ranges):
                    continue
                yield Found(
                    place=isolated.policies[-1].place("spec", "ingress"),
                    subject=isolated.policies[-1].subject,
                    what=f"port {port.target} of {one.subject} is not let in, to which {service.manifest.subject} sends"
                    " its requests",
                    related=((nearest(port.node, "port"), "the Service's port"),),
                )


def _is_open(one: Workload, target: str, protocol: str, ranges: list[PortRange]) -> bool:
    names = {target}
    for container in carriers(one, target):
        for port in container.ports:
            if target in {port.name, str(port.number)}:
                names |= {port.name, str(port.number)}
    return any(port.allows(name, protocol) for port in ranges for name in names if name)


@rule(
    "BSC-K8S-103",
    "calls-stay-on-nodes-without-pods",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Callers on a node without a pod of this Service get no answer at all, even while all its pods are well.",
    fix="Use `internalTrafficPolicy: Cluster`, or run the pods as a DaemonSet.",
    source=TRAFFIC,
)
def calls_stay_on_nodes_without_pods(estate: Estate) -> Iterator[Found]:
    """Finds Services with internalTrafficPolicy Local whose pods are not on every node."""
    known = estate.index(cluster)
    for service in known.services:
        if text(service.manifest.root, "spec", "internalTrafficPolicy") != "Local":
            continue
        workloads = known.selected(service.manifest.namespace, service.selector)
        if workloads and all(one.kind != "DaemonSet" for one in workloads):
            yield Found(
                place=service.manifest.place("spec", "internalTrafficPolicy"),
                subject=service.manifest.subject,
                what=f"calls on a node without a pod of {workloads[0].subject} are dropped",
            )


@rule(
    "BSC-K8S-104",
    "load-balancer-needs-the-pods-node",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="Only nodes with a pod take traffic from outside: with a single pod each of its moves is an outage until the"
    " load balancer has noticed the new node.",
    fix="Run two replicas or more on different nodes, or use `externalTrafficPolicy: Cluster`.",
    source=TRAFFIC,
)
def load_balancer_needs_the_pods_node(estate: Estate) -> Iterator[Found]:
    """Finds Services with externalTrafficPolicy Local that may have a single pod."""
    known = estate.index(cluster)
    for service in known.services:
        if text(service.manifest.root, "spec", "externalTrafficPolicy") != "Local":
            continue
        workloads = known.selected(service.manifest.namespace, service.selector)
        count = known.replicas(workloads[0]) if len(workloads) == 1 else None
        if count is not None and count.fewest == 1:
            yield Found(
                place=service.manifest.place("spec", "externalTrafficPolicy"),
                subject=service.manifest.subject,
                what=f"only the node of the single pod of {workloads[0].subject} takes traffic from outside",
            )


@rule(
    "BSC-K8S-105",
    "clients-tied-to-one-pod",
    severity="low",
    technology="kubernetes",
    breaks=("capacity", "latency"),
    why="All clients behind one address, a proxy or a whole office, go to the same pod for hours: new replicas do not"
    " relieve it, and when it ends all of them move to the next.",
    fix="Keep sessions outside of the pods, and leave `sessionAffinity` at `None`.",
    source=f"{DOCS}/reference/networking/virtual-ips/#session-affinity",
)
def clients_tied_to_one_pod(estate: Estate) -> Iterator[Found]:
    """Finds Services that send each client address to one pod."""
    for service in estate.index(cluster).services:
        if text(service.manifest.root, "spec", "sessionAffinity") == "ClientIP" and service.selector is not None:
            yield Found(
                place=service.manifest.place("spec", "sessionAffinity"),
                subject=service.manifest.subject,
                what="each client address is sent to one and the same pod",
            )


@rule(
    "BSC-K8S-106",
    "traffic-to-pods-that-are-not-ready",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Readiness is not asked: requests go to pods that start, that end, or that say they cannot answer.",
    fix="Leave `publishNotReadyAddresses` out, but for headless Services by which members find each other.",
    source=f"{DOCS}/reference/kubernetes-api/service-resources/service-v1/#ServiceSpec (publishNotReadyAddresses)",
)
def traffic_to_pods_that_are_not_ready(estate: Estate) -> Iterator[Found]:
    """Finds Services with an address that publish pods which are not ready."""
    for service in estate.index(cluster).services:
        is_on = boolean(service.manifest.root, "spec", "publishNotReadyAddresses") is True
        if is_on and not service.is_headless and service.selector is not None:
            yield Found(
                place=service.manifest.place("spec", "publishNotReadyAddresses"),
                subject=service.manifest.subject,
                what="pods that are not ready get requests as well",
            )


@rule(
    "BSC-K8S-107",
    "port-of-the-node",
    severity="medium",
    technology="kubernetes",
    breaks=("availability", "capacity"),
    why="Each node has room for one such pod: an update that adds a pod first needs a node to spare, and after the loss"
    " of a node its pod may fit nowhere.",
    fix="Leave `hostPort` out and use a Service.",
    source=f"{DOCS}/concepts/configuration/overview/ (hostPort limits where a pod can be scheduled)",
)
def port_of_the_node(estate: Estate) -> Iterator[Found]:
    """Finds Deployments with a port of the node, whose updates take no pod away before they add one."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        update = rolling(one, count.fewest)
        if update is None or update.unavailable > 0:
            continue
        for container in one.containers:
            for port in items(container.node, "ports"):
                number = whole(port, "hostPort")
                if number:
                    yield Found(
                        place=nearest(port, "hostPort"),
                        subject=one.subject,
                        what=f"container {container.name} takes port {number} of its node, and an update needs a free"
                        " node",
                    )


RULES = (
    policy_shuts_the_service_out,
    policy_forbids_name_resolution,
    policy_opens_another_port,
    calls_stay_on_nodes_without_pods,
    load_balancer_needs_the_pods_node,
    clients_tied_to_one_pod,
    traffic_to_pods_that_are_not_ready,
    port_of_the_node,
)
