"""One object of Kubernetes as its manifest describes it, with the place of everything in it. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule.audit.estate import Estate, YamlDocument
from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, Scalar, at, entries, items, text

OWN_GROUPS = frozenset({"", "apps", "batch", "policy", "autoscaling", "extensions"})
CLUSTER_WIDE = frozenset(
    {
        "CSIDriver",
        "ClusterRole",
        "ClusterRoleBinding",
        "CustomResourceDefinition.apiextensions.k8s.io",
        "GatewayClass",
        "IngressClass",
        "MutatingWebhookConfiguration",
        "Namespace",
        "PersistentVolume",
        "PriorityClass",
        "RuntimeClass",
        "StorageClass",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
        "ValidatingWebhookConfiguration",
    }
)
BUILT_IN = frozenset(
    {
        "admissionregistration.k8s.io",
        "gateway.networking.k8s.io",
        "networking.k8s.io",
        "node.k8s.io",
        "rbac.authorization.k8s.io",
        "scheduling.k8s.io",
        "storage.k8s.io",
        "discovery.k8s.io",
        "coordination.k8s.io",
    }
)
OF_OTHERS = frozenset({"PrometheusRule.monitoring.coreos.com"})
"""Objects that other technologies read."""
DEFAULT_NAMESPACE = "default"
KUSTOMIZATION = "Kustomization.kustomize.config.k8s.io"
_KUSTOMIZATION_FILES = ("kustomization.yaml", "kustomization.yml", "Kustomization")
_GENERATORS = ("configMapGenerator", "secretGenerator")


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """One object.

    Attributes:
        kind: `Deployment`; with its group where that is not of Kubernetes itself: `ScaledObject.keda.sh`.
        api_version: As written: `apps/v1`.
        namespace: `default` where a namespaced object names none, which is where it then lands; empty for objects of
            the whole cluster.
        name: Empty where there is none.
        labels: Its own, as text.
    """

    kind: str
    api_version: str
    namespace: str
    name: str
    labels: dict[str, str]
    root: Mapping
    document: YamlDocument

    @property
    def subject(self) -> str:
        """What people call it: `Deployment shop/web`."""
        kind = self.kind.partition(".")[0]
        return f"{kind} {self.namespace}/{self.name}" if self.namespace else f"{kind} {self.name}"

    @property
    def hooks(self) -> frozenset[str]:
        """The moments at which Helm makes it and waits for it, as the annotation `helm.sh/hook` lists them.

        Source: Helm documentation, Chart Hooks, "The Available Hooks".
        """
        written = text(self.root, "metadata", "annotations", "helm.sh/hook") or ""
        return frozenset(word for one in written.split(",") if (word := one.strip()))

    def node(self, *path: str | int) -> Node | None:
        """What stands at this path; None where nothing does."""
        return at(self.root, *path)

    def place(self, *path: str | int) -> Place:
        """Where this path stands, or the nearest thing above it that is there."""
        return nearest(self.root, *path)


def nearest(node: Node, *path: str | int) -> Place:
    """Where the path stands: a single value's own place, a block's key; else the nearest thing above it that is there.

    Args:
        node: Where the path begins.
        path: Keys and positions.
    """
    place = node.place
    for step in path:
        below = at(node, step)
        if below is None:
            return place
        is_block = isinstance(node, Mapping) and isinstance(step, str) and not isinstance(below, Scalar)
        place = node.keys.get(step, below.place) if is_block else below.place  # type: ignore[union-attr,arg-type]  # is_block says that both are so
        node = below
    return place


def texts(node: Node | None, *path: str | int) -> dict[str, str]:
    """A mapping of texts, such as labels; what is no single value is left out."""
    return {key: value for key, one in entries(node, *path).items() if (value := text(one)) is not None}


@dataclass(frozen=True, slots=True, eq=False)
class Manifests:
    """The objects of one document: one, or those of a `List`."""

    objects: tuple[Manifest, ...]


def manifests(estate: Estate) -> Iterator[Manifest]:
    """Every object that was read, in the files' order."""
    for document in estate.of(Manifests):
        yield from document.objects


def read_yaml(document: YamlDocument) -> Manifests | None:
    """The objects in a document; None where it is none of Kubernetes."""
    root = document.root
    kind, api_version = text(root, "kind"), text(root, "apiVersion")
    if not isinstance(root, Mapping):
        return None
    if kind is None or api_version is None:
        return Manifests(objects=(_kustomization(root, document),)) if _is_kustomization(root, document) else None
    if kind.endswith("List") and at(root, "items") is not None:
        listed = [_manifest(one, document) for one in items(root, "items") if isinstance(one, Mapping)]
        return Manifests(objects=tuple(one for one in listed if one is not None))
    made = _manifest(root, document)
    return Manifests(objects=(made,)) if made is not None and made.kind not in OF_OTHERS else None


def _is_kustomization(root: Mapping, document: YamlDocument) -> bool:
    """Whether a document without a kind is one of Kustomize, which needs none: by its file's name, or what it lists.

    Source: Kustomize documentation, The Kustomization File.
    """
    if {"kind", "apiVersion"} <= root.entries.keys():
        return False
    if document.file.name.replace("\\", "/").rpartition("/")[2] in _KUSTOMIZATION_FILES:
        return True
    resources = items(root, "resources")
    lists_files = bool(resources) and all({".", "/"} & set(text(one) or "") for one in resources)
    return lists_files or any(text(one, "name") is not None for key in _GENERATORS for one in items(root, key))


def _kustomization(root: Mapping, document: YamlDocument) -> Manifest:
    return Manifest(
        kind=KUSTOMIZATION,
        api_version=text(root, "apiVersion") or "",
        namespace=text(root, "namespace") or DEFAULT_NAMESPACE,
        name="",
        labels={},
        root=root,
        document=document,
    )


def _manifest(root: Mapping, document: YamlDocument) -> Manifest | None:
    kind, api_version = text(root, "kind"), text(root, "apiVersion")
    if kind is None or api_version is None:
        return None
    group = api_version.rpartition("/")[0]
    if group not in OWN_GROUPS and group not in BUILT_IN:
        kind = f"{kind}.{group}"
    wide = kind in CLUSTER_WIDE
    return Manifest(
        kind=kind,
        api_version=api_version,
        namespace="" if wide else text(root, "metadata", "namespace") or DEFAULT_NAMESPACE,
        name=text(root, "metadata", "name") or "",
        labels=texts(root, "metadata", "labels"),
        root=root,
        document=document,
    )
