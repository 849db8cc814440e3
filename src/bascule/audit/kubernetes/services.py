"""What a Service, a route and a budget say, as values. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule.audit.kubernetes.manifest import Manifest
from bascule.audit.kubernetes.quantities import is_number, pods
from bascule.audit.kubernetes.selectors import Selector, plain_selector, selector
from bascule.audit.kubernetes.workloads import Container, Workload
from bascule.audit.tree import Node, at, items, text, whole


@dataclass(frozen=True, slots=True, eq=False)
class ServicePort:
    """One port of a Service.

    Attributes:
        target: The port of the pods, by name or number as text; the Service's own number where it is not said.
        node: The port's entry.
    """

    name: str
    number: int | None
    target: str
    protocol: str
    node: Node


def is_for_metrics(one: Workload, port: ServicePort) -> bool:
    """Whether a Service's port is, by its name or that of the container's port, one that only monitoring asks."""
    names = {port.name, port.target}
    for container in one.containers:
        names |= {known.name for known in container.ports if port.target in {known.name, str(known.number)}}
    return any(word in name for word in ("metrics", "prometheus") for name in names)


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """A Service; `selector` is None where it selects no pods, because others fill in its endpoints."""

    manifest: Manifest
    selector: Selector | None
    ports: tuple[ServicePort, ...]

    @property
    def is_headless(self) -> bool:
        """Whether it has no address of its own."""
        return text(self.manifest.root, "spec", "clusterIP") == "None"


def service(manifest: Manifest) -> Service:
    """What a Service's manifest says."""
    is_alias = text(manifest.root, "spec", "type") == "ExternalName"
    return Service(
        manifest=manifest,
        selector=None if is_alias else plain_selector(manifest.node("spec", "selector")),
        ports=tuple(
            ServicePort(
                name=text(one, "name") or "",
                number=whole(one, "port"),
                target=text(one, "targetPort") or text(one, "port") or "",
                protocol=text(one, "protocol") or "TCP",
                node=one,
            )
            for one in items(manifest.root, "spec", "ports")
        ),
    )


def carriers(one: Workload, target: str) -> tuple[Container, ...]:
    """The containers of a workload that answer on a target port, as far as they declare it.

    A number that no container declares may still be open: then the only container of the pod answers, if it is alone
    or the only one that declares nothing.
    """
    declared = tuple(
        container
        for container in one.containers
        if any(target in {port.name, str(port.number)} for port in container.ports)
    )
    if declared or not is_number(target):
        return declared
    silent = tuple(container for container in one.containers if not container.is_sidecar and not container.ports)
    return silent if len(silent) == 1 else ()


@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """A PodDisruptionBudget."""

    manifest: Manifest
    selector: Selector | None

    def evictable(self, replicas: int) -> int | None:
        """How many of so many healthy pods may be evicted at once; None where it does not say."""
        unavailable = self.manifest.node("spec", "maxUnavailable")
        available = self.manifest.node("spec", "minAvailable")
        if unavailable is not None:
            count = pods(unavailable, replicas, up=True)
            return None if count is None else min(count, replicas)
        count = pods(available, replicas, up=True)
        return None if count is None else max(replicas - count, 0)


def budget(manifest: Manifest) -> Budget:
    """What a PodDisruptionBudget's manifest says."""
    return Budget(manifest=manifest, selector=selector(manifest.node("spec", "selector")))


@dataclass(frozen=True, slots=True, eq=False)
class Backend:
    """Where a route sends requests: a Service's name with its place, and the port as text where one is named."""

    manifest: Manifest
    namespace: str
    name: str
    node: Node
    port: Node | None


def backends(manifest: Manifest) -> Iterator[Backend]:
    """The Services that an Ingress or a route of the Gateway API sends requests to."""
    if manifest.kind == "Ingress":
        yield from _of_ingress(manifest, at(manifest.root, "spec", "defaultBackend"))
        for one in items(manifest.root, "spec", "rules"):
            for path in items(one, "http", "paths"):
                yield from _of_ingress(manifest, at(path, "backend"))
        return
    for one in items(manifest.root, "spec", "rules"):
        for reference in items(one, "backendRefs"):
            node = at(reference, "name")
            name = text(node)
            if node is not None and name is not None and (text(reference, "kind") or "Service") == "Service":
                namespace = text(reference, "namespace") or manifest.namespace
                yield Backend(manifest, namespace, name, node, at(reference, "port"))


def _of_ingress(manifest: Manifest, written: Node | None) -> Iterator[Backend]:
    node = at(written, "service", "name")
    name = text(node)
    if node is not None and name is not None:
        port = at(written, "service", "port")
        yield Backend(manifest, manifest.namespace, name, node, at(port, "number") or at(port, "name"))
