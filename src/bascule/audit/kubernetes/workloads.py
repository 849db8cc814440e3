"""What runs pods, and what is in its pods. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule.audit.kubernetes.manifest import Manifest, nearest, texts
from bascule.audit.kubernetes.selectors import Selector, plain_selector, selector
from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, at, entries, items, text, whole

TEMPLATES: dict[str, tuple[str, ...]] = {
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "ReplicationController": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
    "Pod": (),
}
REPLICATED = frozenset({"Deployment", "StatefulSet", "ReplicaSet", "ReplicationController"})


@dataclass(frozen=True, slots=True, eq=False)
class Port:
    """A port that a container declares."""

    name: str
    number: int | None


@dataclass(frozen=True, slots=True, eq=False)
class Container:
    """A container of a pod.

    Attributes:
        is_sidecar: An init container that is restarted always, and so runs as long as the pod does.
    """

    name: str
    node: Mapping
    is_sidecar: bool

    @property
    def ports(self) -> tuple[Port, ...]:
        """The ports that it declares; these inform, they open nothing."""
        return tuple(
            Port(name=text(one, "name") or "", number=whole(one, "containerPort")) for one in items(self.node, "ports")
        )

    def place(self, *path: str | int) -> Place:
        """Where this path of the container stands; its name where nothing of the path is there."""
        return nearest(self.node, *path) if path and at(self.node, path[0]) is not None else nearest(self.node, "name")


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """Something that runs pods, whose manifest is whole: its containers have images. Patches of overlays are not.

    Attributes:
        pod: The pod's own specification.
        pod_path: Where that stands in the manifest.
        labels: Those of its pods.
        selector: What it takes for its pods; None where it says nothing.
        containers: Those that run as long as the pod does.
        initial: Those that run to their end before these.
    """

    manifest: Manifest
    pod: Node
    pod_path: tuple[str, ...]
    labels: dict[str, str]
    selector: Selector | None
    containers: tuple[Container, ...]
    initial: tuple[Container, ...]

    @property
    def kind(self) -> str:
        """The manifest's kind."""
        return self.manifest.kind

    @property
    def namespace(self) -> str:
        """The manifest's namespace."""
        return self.manifest.namespace

    @property
    def name(self) -> str:
        """The manifest's name."""
        return self.manifest.name

    @property
    def subject(self) -> str:
        """What people call it."""
        return self.manifest.subject

    @property
    def every_container(self) -> tuple[Container, ...]:
        """All containers, those that run before the others too."""
        return self.initial + self.containers

    def asks(self, container: Container, resource: str) -> bool:
        """Whether a request of this resource counts for a container: its own or the pod's; a limit is one, too.

        Source: Kubernetes documentation, Resource Management for Pods and Containers, "Pod-level resource
        specification".
        """
        return any(
            at(node, "resources", key, resource) is not None
            for node in (container.node, self.pod)
            for key in ("requests", "limits")
        )

    def pod_place(self, *path: str | int) -> Place:
        """Where this path of the pod's specification stands, or the nearest thing above it."""
        return self.manifest.place(*self.pod_path, *path)

    def volumes(self) -> Iterator[tuple[str, Node]]:
        """The pod's volumes, by name."""
        for one in items(self.pod, "volumes"):
            yield text(one, "name") or "", one

    def claims(self) -> Iterator[tuple[str, Node]]:
        """The names of the claims that its volumes mount, and where they are written."""
        for _, volume in self.volumes():
            name = at(volume, "persistentVolumeClaim", "claimName")
            if name is not None and (claim := text(name)) is not None:
                yield claim, name


def workload(manifest: Manifest) -> Workload | None:
    """The workload that a manifest describes; None where it describes none, or only a part of one."""
    path = TEMPLATES.get(manifest.kind)
    if path is None:
        return None
    template = manifest.node(*path)
    pod = at(template, "spec")
    main = _containers(pod, "containers")
    if pod is None or not main or any(text(one.node, "image") is None for one in main):
        return None
    before = _containers(pod, "initContainers")
    is_old = manifest.kind == "ReplicationController"
    wanted = manifest.node("spec", "selector")
    return Workload(
        manifest=manifest,
        pod=pod,
        pod_path=(*path, "spec"),
        labels=texts(template, "metadata", "labels"),
        selector=plain_selector(wanted) if is_old else selector(wanted),
        containers=main + tuple(one for one in before if one.is_sidecar),
        initial=tuple(one for one in before if not one.is_sidecar),
    )


def _containers(pod: Node | None, key: str) -> tuple[Container, ...]:
    return tuple(
        Container(
            name=text(one, "name") or "",
            node=one,
            is_sidecar=key == "initContainers" and text(one, "restartPolicy") == "Always",
        )
        for one in items(pod, key)
        if isinstance(one, Mapping)
    )


def references(one: Container) -> Iterator[tuple[str, Node, str | None]]:
    """The ConfigMaps and Secrets that a container cannot start without: kind, name, and the key where one is named."""
    for source in items(one.node, "envFrom"):
        yield from _required(source, {"configMapRef": "ConfigMap", "secretRef": "Secret"})
    for variable in items(one.node, "env"):
        yield from _required(at(variable, "valueFrom"), {"configMapKeyRef": "ConfigMap", "secretKeyRef": "Secret"})


def volume_references(volume: Node) -> Iterator[tuple[str, Node, str | None]]:
    """The ConfigMaps and Secrets that a volume cannot be mounted without."""
    yield from _required(volume, {"configMap": "ConfigMap"})
    secret = at(volume, "secret")
    name = at(secret, "secretName")
    if name is not None and text(secret, "optional") != "true":
        yield "Secret", name, None
    for source in items(volume, "projected", "sources"):
        yield from _required(source, {"configMap": "ConfigMap", "secret": "Secret"})


def _required(source: Node | None, kinds: dict[str, str]) -> Iterator[tuple[str, Node, str | None]]:
    for key, one in entries(source).items():
        name = at(one, "name")
        if key in kinds and name is not None and text(one, "optional") != "true":
            yield kinds[key], name, text(one, "key")
