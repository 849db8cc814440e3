"""Rules about replicas and autoscalers: enough of them, always, and free to grow. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.scaling import Autoscaler
from bascule.audit.kubernetes.workloads import TEMPLATES, Container, Workload
from bascule.audit.rule import rule
from bascule.audit.tree import at, items, text

DOCS = "https://kubernetes.io/docs"
HPA = f"{DOCS}/concepts/workloads/autoscaling/horizontal-pod-autoscale/"


def _targets(known: Cluster) -> Iterator[tuple[Autoscaler, Workload]]:
    for one in known.workloads:
        for scaler in known.scaling(one)[-1:]:
            yield scaler, one


@rule(
    "BSC-K8S-020",
    "single-replica",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="When its pod or node fails, or is drained, nobody answers until a new pod has been scheduled and started: a"
    " lost node alone is noticed only after minutes.",
    fix="Run at least two replicas, on different nodes; three where they vote.",
    source=f"{DOCS}/concepts/workloads/pods/disruptions/#dealing-with-disruptions",
)
def single_replica(estate: Estate) -> Iterator[Found]:
    """Finds workloads behind a Service that have one replica, and no autoscaler."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        services = known.serving(one)
        if count.most == 1 and services and not known.scaling(one):
            is_said = one.manifest.node("spec", "replicas") is not None
            yield Found(
                place=known.replicas_place(one),
                subject=one.subject,
                what=f"one replica answers for {services[0].manifest.subject}"
                + ("" if is_said else ", as `replicas` is not set"),
                related=((services[0].manifest.place("metadata", "name"), services[0].manifest.subject),),
            )


@rule(
    "BSC-K8S-021",
    "autoscaler-minimum-of-one",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="When load is low the autoscaler keeps one pod, and its failure is an outage; while a new pod starts, there is"
    " nothing to measure load with either.",
    fix="Set `minReplicas` to 2 or more.",
    source=f"{HPA}#how-does-a-horizontalpodautoscaler-work",
)
def autoscaler_minimum_of_one(estate: Estate) -> Iterator[Found]:
    """Finds autoscalers of workloads behind a Service whose minimum is one pod, or none."""
    known = estate.index(cluster)
    for scaler, one in _targets(known):
        if scaler.minimum <= 1 and known.serving(one):
            is_said = scaler.manifest.node("spec", "minReplicas") is not None
            yield Found(
                place=scaler.manifest.place("spec", "minReplicas"),
                subject=scaler.manifest.subject,
                what=f"{one.subject} may be scaled down to {scaler.minimum}"
                + ("" if is_said else ", as `minReplicas` is not set"),
            )


@rule(
    "BSC-K8S-022",
    "autoscaler-cannot-scale",
    severity="medium",
    technology="kubernetes",
    breaks=("capacity", "latency"),
    why="The maximum is not above the minimum: load that grows, or that is left by a lost zone, gets no more pods.",
    fix="Set `maxReplicas` to what the highest load needs with one zone lost.",
    source=f"{HPA}#algorithm-details",
)
def autoscaler_cannot_scale(estate: Estate) -> Iterator[Found]:
    """Finds autoscalers whose maximum is not above their minimum."""
    for scaler in estate.index(cluster).autoscalers:
        if scaler.maximum is not None and scaler.maximum <= scaler.minimum:
            yield Found(
                place=scaler.manifest.place("spec", "maxReplicas"),
                subject=scaler.manifest.subject,
                what=f"`maxReplicas: {scaler.maximum}` is not above the minimum of {scaler.minimum}",
                related=((scaler.manifest.place("spec", "minReplicas"), "the minimum"),),
            )


def _utilisations(scaler: Autoscaler) -> Iterator[tuple[str, str | None]]:
    """The resources that it scales by as a share of requests, each with the container that it is about, if one is."""
    for metric in items(scaler.manifest.root, "spec", "metrics"):
        for key, container in (
            ("resource", None),
            ("containerResource", text(metric, "containerResource", "container")),
        ):
            name = text(metric, key, "name")
            if name is not None and at(metric, key, "target", "averageUtilization") is not None:
                yield name, container
    if at(scaler.manifest.root, "spec", "targetCPUUtilizationPercentage") is not None:
        yield "cpu", None


def _lacks_request(one: Workload, container: Container, resource: str, *, alone: bool) -> bool:
    """Whether nothing is there to take a share of; a metric of the container alone does not count the pod's request."""
    if not alone:
        return not one.asks(container, resource)
    return all(at(container.node, "resources", key, resource) is None for key in ("requests", "limits"))


@rule(
    "BSC-K8S-023",
    "autoscaler-without-requests",
    severity="high",
    technology="kubernetes",
    breaks=("capacity", "latency"),
    why="Utilisation is a share of the request: where a container has none it is undefined, and the autoscaler takes no"
    " action for that metric, however high the load.",
    fix="Set `resources.requests` for that resource in every container of the pod.",
    source=f"{HPA}#how-does-a-horizontalpodautoscaler-work",
)
def autoscaler_without_requests(estate: Estate) -> Iterator[Found]:
    """Finds containers without the request that their autoscaler's utilisation is a share of."""
    known = estate.index(cluster)
    for scaler, one in _targets(known):
        if known.has_any("LimitRange", one.namespace):
            continue
        for resource, only in _utilisations(scaler):
            for container in one.containers:
                if only not in {None, container.name}:
                    continue
                if _lacks_request(one, container, resource, alone=only is not None):
                    yield Found(
                        place=container.place("resources"),
                        subject=one.subject,
                        what=f"container {container.name} requests no {resource}, but {scaler.manifest.subject} scales"
                        f" by the utilisation of {resource}",
                        related=((scaler.manifest.place("spec", "metrics"), "what it scales by"),),
                    )


@rule(
    "BSC-K8S-024",
    "autoscaler-against-fixed-replicas",
    severity="medium",
    technology="kubernetes",
    breaks=("capacity",),
    why="Each time the manifest is applied it resets the number of pods to the fixed one, under full load too; then the"
    " autoscaler has to find its way up again.",
    fix="Leave `spec.replicas` out of the manifest; when the workload already runs, as the documentation says there.",
    source=f"{HPA}#migrating-deployments-and-statefulsets-to-horizontal-autoscaling",
)
def autoscaler_against_fixed_replicas(estate: Estate) -> Iterator[Found]:
    """Finds workloads that have an autoscaler and a fixed number of replicas."""
    for scaler, one in _targets(estate.index(cluster)):
        written = text(one.manifest.root, "spec", "replicas")
        if written is not None:
            yield Found(
                place=one.manifest.place("spec", "replicas"),
                subject=one.subject,
                what=f"`replicas: {written}` is fixed, while {scaler.manifest.subject} scales it",
                related=((scaler.manifest.place("spec", "scaleTargetRef"), "the autoscaler"),),
            )


@rule(
    "BSC-K8S-025",
    "autoscaler-without-target",
    severity="high",
    technology="kubernetes",
    breaks=("capacity", "latency"),
    why="The autoscaler scales nothing: the workload that it was meant for keeps its number of pods, whatever the"
    " load.",
    fix="Name a workload that exists in the same namespace, with its kind.",
    source=f"{HPA}#how-does-a-horizontalpodautoscaler-work",
)
def autoscaler_without_target(estate: Estate) -> Iterator[Found]:
    """Finds autoscalers whose target is not among the workloads of its kind in that namespace."""
    known = estate.index(cluster)
    for scaler in known.autoscalers:
        kind, name = scaler.target
        if kind in TEMPLATES and known.lacks(kind, scaler.manifest.namespace, name):
            yield Found(
                place=scaler.manifest.place("spec", "scaleTargetRef", "name"),
                subject=scaler.manifest.subject,
                what=f"there is no {kind} {scaler.manifest.namespace}/{name}",
            )


@rule(
    "BSC-K8S-026",
    "several-autoscalers-on-one-workload",
    severity="high",
    technology="kubernetes",
    breaks=("capacity", "latency"),
    why="Two autoscalers on the same pods are ambiguous: both stop scaling and only report it in their conditions.",
    fix="Put all metrics into one HorizontalPodAutoscaler: it takes the highest of their demands.",
    source=f"{HPA}#scaling-on-multiple-metrics; condition AmbiguousSelector of the HorizontalPodAutoscaler controller",
)
def several_autoscalers_on_one_workload(estate: Estate) -> Iterator[Found]:
    """Finds workloads that autoscalers of different names target."""
    known = estate.index(cluster)
    for one in known.workloads:
        scalers = list({scaler.manifest.name: scaler for scaler in known.scaling(one)}.values())
        for further in scalers[1:]:
            yield Found(
                place=further.manifest.place("spec", "scaleTargetRef"),
                subject=further.manifest.subject,
                what=f"{one.subject} is scaled by {scalers[0].manifest.subject} too",
                related=((scalers[0].manifest.place("spec", "scaleTargetRef"), "the other autoscaler"),),
            )


RULES = (
    single_replica,
    autoscaler_minimum_of_one,
    autoscaler_cannot_scale,
    autoscaler_without_requests,
    autoscaler_against_fixed_replicas,
    autoscaler_without_target,
    several_autoscalers_on_one_workload,
)
