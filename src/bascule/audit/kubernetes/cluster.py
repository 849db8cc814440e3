"""Which objects belong together: what serves, scales, limits and protects each workload. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from bascule.audit.estate import Estate
from bascule.audit.kubernetes.manifest import Manifest, manifests
from bascule.audit.kubernetes.scaling import Autoscaler, Replicas, autoscaler, replicas
from bascule.audit.kubernetes.selectors import Selector
from bascule.audit.kubernetes.services import Budget, Service, budget, service
from bascule.audit.kubernetes.workloads import REPLICATED, Workload, workload
from bascule.audit.place import Place
from bascule.audit.tree import text

PASSIVE = frozenset(
    {
        "ServiceMonitor.monitoring.coreos.com",
        "PodMonitor.monitoring.coreos.com",
        "PrometheusRule.monitoring.coreos.com",
        "AlertmanagerConfig.monitoring.coreos.com",
        "Probe.monitoring.coreos.com",
        "ScrapeConfig.monitoring.coreos.com",
    }
)
PASSING = frozenset({"Pod", "Job"})
"""Kinds whose pods end by themselves: as hooks of Helm they are gone when the release runs."""
PASSIVE_GROUPS = (
    "cert-manager.io",
    "external-secrets.io",
    "bitnami.com",
    "istio.io",
    "keda.sh",
    "kustomize.config.k8s.io",
    "cilium.io",
    "projectcalico.org",
    "autoscaling.k8s.io",
    "metrics.k8s.io",
)


@dataclass(slots=True)
class _Pods:
    """Workloads of one namespace, by each label of their pods."""

    every: list[Workload] = field(default_factory=list)
    by_label: dict[tuple[str, str], list[Workload]] = field(default_factory=dict)


@dataclass(slots=True, eq=False)
class Cluster:
    """Everything of Kubernetes that was read, with look-ups that stay fast for thousands of manifests."""

    manifests: dict[str, list[Manifest]] = field(default_factory=dict)
    named: dict[tuple[str, str, str], Manifest] = field(default_factory=dict)
    workloads: list[Workload] = field(default_factory=list)
    services: list[Service] = field(default_factory=list)
    budgets: list[Budget] = field(default_factory=list)
    autoscalers: list[Autoscaler] = field(default_factory=list)
    pods_by_namespace: dict[str, _Pods] = field(default_factory=dict)
    passing_by_namespace: dict[str, _Pods] = field(default_factory=dict)
    present: set[tuple[str, str]] = field(default_factory=set)
    operated: set[str] = field(default_factory=set)
    scaled_otherwise: set[tuple[str, str, str]] = field(default_factory=set)
    services_by_name: dict[tuple[str, str], Service] = field(default_factory=dict)
    services_by_workload: dict[Workload, list[Service]] = field(default_factory=dict)
    protected: dict[Budget, list[Workload]] = field(default_factory=dict)
    budgets_by_workload: dict[Workload, list[Budget]] = field(default_factory=dict)
    autoscalers_by_target: dict[tuple[str, str, str], list[Autoscaler]] = field(default_factory=dict)

    def of(self, *kinds: str) -> Iterator[Manifest]:
        """All objects of these kinds."""
        for kind in kinds:
            yield from self.manifests.get(kind, ())

    def has_any(self, kind: str, namespace: str) -> bool:
        """Whether there is any object of this kind in this namespace: else those that are missing may be elsewhere."""
        return (kind, namespace) in self.present

    def find(self, kind: str, namespace: str, name: str) -> Manifest | None:
        """The object of this name; the last one where there are several."""
        return self.named.get((kind, namespace, name))

    def lacks(self, kind: str, namespace: str, name: str) -> bool:
        """Whether there are objects of this kind in this namespace, but none of this name."""
        return self.has_any(kind, namespace) and self.find(kind, namespace, name) is None

    def is_operated(self, namespace: str) -> bool:
        """Whether an object of another group stands in this namespace, which may run pods that no manifest shows."""
        return namespace in self.operated

    def has_pods(self, namespace: str) -> bool:
        """Whether any workload stands in this namespace."""
        return namespace in self.pods_by_namespace

    def selected(self, namespace: str, wanted: Selector | None) -> list[Workload]:
        """The workloads of this namespace whose pods a selector means."""
        return _selected(self.pods_by_namespace.get(namespace), wanted)

    def is_for_hooks(self, namespace: str, wanted: Selector | None) -> bool:
        """Whether a selector means pods that hooks of Helm make for a moment, which are no workload here."""
        return bool(_selected(self.passing_by_namespace.get(namespace), wanted))

    def service(self, namespace: str, name: str) -> Service | None:
        """The Service of this name; the last one where there are several."""
        return self.services_by_name.get((namespace, name))

    def serving(self, one: Workload) -> list[Service]:
        """The Services whose requests the pods answer."""
        return self.services_by_workload.get(one, [])

    def protecting(self, one: Workload) -> list[Budget]:
        """The budgets that limit evictions of the pods; of several with one name the last."""
        return self.budgets_by_workload.get(one, [])

    def scaling(self, one: Workload) -> list[Autoscaler]:
        """The autoscalers that name this workload."""
        return self.autoscalers_by_target.get((one.namespace, one.kind, one.name), [])

    def replicas(self, one: Workload) -> Replicas | None:
        """How many pods it has; None where that is not in the manifests."""
        scalers = self.scaling(one)
        otherwise = (one.namespace, one.kind, one.name) in self.scaled_otherwise
        return replicas(one, scalers[-1] if scalers else None, scaled_otherwise=otherwise)

    def replicas_place(self, one: Workload) -> Place:
        """Where it is written how many pods it has; its name where that is nowhere."""
        if one.manifest.node("spec", "replicas") is not None:
            return one.manifest.place("spec", "replicas")
        for scaler in self.scaling(one)[-1:]:
            return scaler.manifest.place("spec", "minReplicas")
        return one.manifest.place("metadata", "name")

    def replicated(self) -> Iterator[tuple[Workload, Replicas]]:
        """The workloads that have replicas, with how many."""
        for one in self.workloads:
            count = self.replicas(one) if one.kind in REPLICATED else None
            if count is not None and count.fewest >= 0:
                yield one, count

    def served(self) -> Iterator[tuple[Workload, list[Service]]]:
        """The workloads that answer requests of a Service, with those Services."""
        for one in self.workloads:
            found = self.serving(one)
            if found:
                yield one, found


def cluster(estate: Estate) -> Cluster:
    """The cluster that the manifests of an estate describe; ask for it by `estate.index(cluster)`."""
    made = Cluster()
    for manifest in manifests(estate):
        made.manifests.setdefault(manifest.kind, []).append(manifest)
        made.named[manifest.kind, manifest.namespace, manifest.name] = manifest
        made.present.add((manifest.kind, manifest.namespace))
        if _runs_pods_unseen(manifest):
            made.operated.add(manifest.namespace)
        one = workload(manifest)
        if one is not None and _passes(manifest):
            _file_pods(made.passing_by_namespace.setdefault(one.namespace, _Pods()), one)
        elif one is not None:
            made.workloads.append(one)
            _file_pods(made.pods_by_namespace.setdefault(one.namespace, _Pods()), one)
    made.services = [service(one) for one in made.of("Service")]
    made.services_by_name = {(one.manifest.namespace, one.manifest.name): one for one in made.services}
    made.budgets = [budget(one) for one in made.of("PodDisruptionBudget")]
    made.autoscalers = [autoscaler(one) for one in made.of("HorizontalPodAutoscaler")]
    _join(made)
    return made


def _runs_pods_unseen(manifest: Manifest) -> bool:
    _, dot, group = manifest.kind.partition(".")
    passive = manifest.kind in PASSIVE or group.endswith(PASSIVE_GROUPS)
    return bool(dot) and bool(manifest.namespace) and not passive


def _passes(manifest: Manifest) -> bool:
    """Whether it runs for a moment of a release only, such as the test that `helm test` makes: it serves nobody.

    A Deployment that is made by a hook stays, unless it is there for a test.
    """
    return bool(manifest.hooks) and (manifest.kind in PASSING or any(one.startswith("test") for one in manifest.hooks))


def _selected(known: _Pods | None, wanted: Selector | None) -> list[Workload]:
    if known is None or wanted is None:
        return []
    least = min((known.by_label.get(pair, []) for pair in wanted.labels), key=len, default=known.every)
    return [one for one in least if wanted.selects(one.labels)]


def _file_pods(known: _Pods, one: Workload) -> None:
    known.every.append(one)
    for pair in one.labels.items():
        known.by_label.setdefault(pair, []).append(one)


def _join(made: Cluster) -> None:
    for serving in made.services:
        for one in made.selected(serving.manifest.namespace, serving.selector):
            made.services_by_workload.setdefault(one, []).append(serving)
    made.protected = {one: made.selected(one.manifest.namespace, one.selector) for one in made.budgets}
    for protecting in _last_of_each_name(made.budgets):
        for one in made.protected[protecting]:
            made.budgets_by_workload.setdefault(one, []).append(protecting)
    for scaler in made.autoscalers:
        made.autoscalers_by_target.setdefault((scaler.manifest.namespace, *scaler.target), []).append(scaler)
    for other in made.of("ScaledObject.keda.sh"):
        kind = text(other.root, "spec", "scaleTargetRef", "kind") or "Deployment"
        name = text(other.root, "spec", "scaleTargetRef", "name") or ""
        made.scaled_otherwise.add((other.namespace, kind, name))


def _last_of_each_name(budgets: Iterable[Budget]) -> Iterable[Budget]:
    return {(one.manifest.namespace, one.manifest.name): one for one in budgets}.values()
