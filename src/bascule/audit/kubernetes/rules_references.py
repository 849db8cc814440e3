"""Rules about references: what a manifest names is there. Pure.

What was read is often a part of what runs. So a reference by name is missing only where other objects of the same kind
and namespace were read, but not this one.
"""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import KUSTOMIZATION, Manifest, nearest
from bascule.audit.kubernetes.quantities import is_number
from bascule.audit.kubernetes.services import Backend, backends, carriers
from bascule.audit.kubernetes.workloads import Workload, references, volume_references
from bascule.audit.rule import rule
from bascule.audit.tree import Node, entries, text

DOCS = "https://kubernetes.io/docs"
SERVICE = f"{DOCS}/concepts/services-networking/service/"
MADE_BY_KUBERNETES = frozenset({"kube-root-ca.crt", "openshift-service-ca.crt"})
MAKERS = (
    "ExternalSecret.external-secrets.io",
    "SealedSecret.bitnami.com",
    "Certificate.cert-manager.io",
    KUSTOMIZATION,
)


@rule(
    "BSC-K8S-080",
    "service-selects-nothing",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The Service has no endpoints: every connection to it is refused.",
    fix="Give the Service the labels of the pod template.",
    source=f"{SERVICE}#defining-a-service",
)
def service_selects_nothing(estate: Estate) -> Iterator[Found]:
    """Finds Services that select no pod, in namespaces all of whose pods come from manifests that were read."""
    known = estate.index(cluster)
    for service in known.services:
        namespace = service.manifest.namespace
        if service.selector is None or not known.has_pods(namespace) or known.is_operated(namespace):
            continue
        if not known.selected(namespace, service.selector) and not known.is_for_hooks(namespace, service.selector):
            yield Found(
                place=service.manifest.place("spec", "selector"),
                subject=service.manifest.subject,
                what=f"no pod in namespace {namespace} has {service.selector}",
            )


@rule(
    "BSC-K8S-081",
    "service-port-without-container",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="A name that no container has gives no endpoint at all. A number that none declares is refused, unless a"
    " process listens there all the same: what containers declare only informs.",
    fix="Write the name or number of a containerPort as `targetPort`, and declare every port that is served.",
    source=f"{SERVICE}#field-spec-ports",
)
def service_port_without_container(estate: Estate) -> Iterator[Found]:
    """Finds target ports by name that no container has; by number, as low, where every container declares its ports."""
    known = estate.index(cluster)
    for service in known.services:
        workloads = known.selected(service.manifest.namespace, service.selector)
        for port in service.ports if workloads and not service.is_headless else ():
            if not port.target or any(_may_answer(one, port.target) for one in workloads):
                continue
            is_hint = is_number(port.target)
            verb = "declares" if is_hint else "has"
            yield Found(
                place=nearest(port.node, "targetPort"),
                subject=service.manifest.subject,
                what=f"no container of {workloads[0].subject} {verb} the port {port.target}",
                severity="low" if is_hint else None,
                related=((workloads[0].manifest.place("metadata", "name"), workloads[0].subject),),
            )


def _may_answer(one: Workload, target: str) -> bool:
    if carriers(one, target):
        return True
    return is_number(target) and any(not container.ports for container in one.containers)


def _routes(known: Cluster) -> Iterator[Backend]:
    for manifest in known.of("Ingress", "HTTPRoute", "GRPCRoute", "TCPRoute", "TLSRoute"):
        yield from backends(manifest)


@rule(
    "BSC-K8S-082",
    "route-to-missing-service",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Requests on this route are answered with an error 500 or 503.",
    fix="Name a Service that exists in the same namespace.",
    source=f"{DOCS}/concepts/services-networking/ingress/#the-ingress-resource",
)
def route_to_missing_service(estate: Estate) -> Iterator[Found]:
    """Finds routes to a Service that is not among those of its namespace."""
    known = estate.index(cluster)
    for route in _routes(known):
        if known.lacks("Service", route.namespace, route.name):
            yield Found(
                place=route.node.place,
                subject=route.manifest.subject,
                what=f"there is no Service {route.namespace}/{route.name}",
            )


@rule(
    "BSC-K8S-083",
    "route-to-missing-port",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The Service has no such port: requests on this route are answered with an error.",
    fix="Name one of the Service's `ports` by its name or its `port`, not its `targetPort`.",
    source=f"{DOCS}/concepts/services-networking/ingress/#the-ingress-resource",
)
def route_to_missing_port(estate: Estate) -> Iterator[Found]:
    """Finds routes to a port that their Service does not have."""
    known = estate.index(cluster)
    for route in _routes(known):
        service = known.service(route.namespace, route.name)
        port = text(route.port)
        if service is None or route.port is None or port is None or not service.ports:
            continue
        if all(port not in {one.name, str(one.number)} for one in service.ports):
            yield Found(
                place=route.port.place,
                subject=route.manifest.subject,
                what=f"{service.manifest.subject} has no port {port}",
                related=((service.manifest.place("spec", "ports"), "its ports"),),
            )


def _configuration(one: Workload) -> Iterator[tuple[str, Node, str | None]]:
    for container in one.every_container:
        yield from references(container)
    for _, volume in one.volumes():
        yield from volume_references(volume)


def _is_made_otherwise(known: Cluster, kind: str, namespace: str) -> bool:
    """Whether something makes objects of this kind here that no manifest shows."""
    if any(known.of(KUSTOMIZATION, "Component.kustomize.config.k8s.io")):
        return True
    return kind == "Secret" and (known.is_operated(namespace) or any(known.has_any(one, namespace) for one in MAKERS))


@rule(
    "BSC-K8S-084",
    "configuration-missing",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="The pod does not start without it: a running one goes on until it is moved, and then does not come back.",
    fix="Add the ConfigMap or Secret, correct the name, or mark the reference `optional: true`.",
    source=f"{DOCS}/concepts/configuration/configmap/#restrictions",
)
def configuration_missing(estate: Estate) -> Iterator[Found]:
    """Finds ConfigMaps and Secrets that a pod needs and that are not among those of its namespace.

    Secrets are often kept elsewhere than other manifests: about them this is told as low.
    """
    known = estate.index(cluster)
    for one in known.workloads:
        for kind, node, _ in _configuration(one):
            name = text(node) or ""
            if name in MADE_BY_KUBERNETES:
                continue
            if known.lacks(kind, one.namespace, name) and not _is_made_otherwise(known, kind, one.namespace):
                yield Found(
                    place=node.place,
                    subject=one.subject,
                    what=f"there is no {kind} {one.namespace}/{name}, and the pod does not start without it",
                    severity="low" if kind == "Secret" else None,
                )


@rule(
    "BSC-K8S-085",
    "configuration-key-missing",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="A container does not start when the key of a ConfigMap that one of its variables comes from is not there.",
    fix="Add the key, correct its name, or mark the reference `optional: true`.",
    source=f"{DOCS}/tasks/configure-pod-container/configure-pod-configmap/#restrictions",
)
def configuration_key_missing(estate: Estate) -> Iterator[Found]:
    """Finds variables that come from a key which their ConfigMap, which was read, does not have."""
    known = estate.index(cluster)
    for one in known.workloads:
        for kind, node, key in _configuration(one):
            found = known.find(kind, one.namespace, text(node) or "") if kind == "ConfigMap" else None
            if (
                found is None
                or key is None
                or key in {**entries(found.root, "data"), **entries(found.root, "binaryData")}
            ):
                continue
            yield Found(
                place=node.place,
                subject=one.subject,
                what=f"{found.subject} has no key {key}",
                related=((found.place("data"), "its keys"),),
            )


@rule(
    "BSC-K8S-086",
    "claim-missing",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The pod waits for the claim for ever.",
    fix="Add the PersistentVolumeClaim, or correct its name.",
    source=f"{DOCS}/concepts/storage/persistent-volumes/#claims-as-volumes",
)
def claim_missing(estate: Estate) -> Iterator[Found]:
    """Finds claims that are not among those of the namespace."""
    known = estate.index(cluster)
    for one in known.workloads:
        for name, node in one.claims():
            if known.lacks("PersistentVolumeClaim", one.namespace, name):
                yield Found(
                    place=node.place,
                    subject=one.subject,
                    what=f"there is no PersistentVolumeClaim {one.namespace}/{name}",
                )


@rule(
    "BSC-K8S-087",
    "service-account-missing",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="Pods with a service account that does not exist are not created: the workload stays without new pods.",
    fix="Add the ServiceAccount, or correct its name.",
    source=f"{DOCS}/tasks/configure-pod-container/configure-service-account/",
)
def service_account_missing(estate: Estate) -> Iterator[Found]:
    """Finds service accounts that are not among those of the namespace."""
    known = estate.index(cluster)
    for one in known.workloads:
        key = "serviceAccountName" if text(one.pod, "serviceAccountName") else "serviceAccount"
        name = text(one.pod, key)
        if name and name != "default" and known.lacks("ServiceAccount", one.namespace, name):
            yield Found(
                place=one.pod_place(key),
                subject=one.subject,
                what=f"there is no ServiceAccount {one.namespace}/{name}",
            )


@rule(
    "BSC-K8S-088",
    "priority-class-missing",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="A pod of a priority class that does not exist is refused: the workload stays without new pods.",
    fix="Add the PriorityClass, or correct its name.",
    source=f"{DOCS}/concepts/scheduling-eviction/pod-priority-preemption/#pod-priority",
)
def priority_class_missing(estate: Estate) -> Iterator[Found]:
    """Finds priority classes that are not among those that were read."""
    known = estate.index(cluster)
    for one in known.workloads:
        name = text(one.pod, "priorityClassName")
        if name and not name.startswith("system-") and known.lacks("PriorityClass", "", name):
            yield Found(
                place=one.pod_place("priorityClassName"),
                subject=one.subject,
                what=f"there is no PriorityClass {name}",
            )


@rule(
    "BSC-K8S-089",
    "statefulset-without-its-service",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The pods have no names in DNS by which they find each other, so a cluster of them does not form or loses"
    " members at the next restart.",
    fix="Add a Service of that name with `clusterIP: None` and the pods' labels.",
    source=f"{DOCS}/concepts/workloads/controllers/statefulset/#stable-network-id",
)
def statefulset_without_its_service(estate: Estate) -> Iterator[Found]:
    """Finds StatefulSets whose governing Service is not among those of the namespace, or has another selector."""
    known = estate.index(cluster)
    for one in known.workloads:
        name = text(one.manifest.root, "spec", "serviceName")
        if one.kind != "StatefulSet" or not name:
            continue
        service = known.service(one.namespace, name)
        if service is None and known.has_any("Service", one.namespace):
            yield _about(one, f"there is no Service {one.namespace}/{name}", None)
        elif service is not None and service.selector is not None and not service.selector.selects(one.labels):
            what = f"its {service.manifest.subject} selects {service.selector}, which its pods are not"
            yield _about(one, what, service.manifest)


def _about(one: Workload, what: str, service: Manifest | None) -> Found:
    related = ((service.place("spec", "selector"), "the selector"),) if service is not None else ()
    return Found(place=one.manifest.place("spec", "serviceName"), subject=one.subject, what=what, related=related)


RULES = (
    service_selects_nothing,
    service_port_without_container,
    route_to_missing_service,
    route_to_missing_port,
    configuration_missing,
    configuration_key_missing,
    claim_missing,
    service_account_missing,
    priority_class_missing,
    statefulset_without_its_service,
)
