"""Rules about what containers ask for and are made of: requests, limits, images, priority. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import nearest
from bascule.audit.kubernetes.quantities import amount
from bascule.audit.kubernetes.workloads import Container, Workload
from bascule.audit.rule import rule
from bascule.audit.tree import at, boolean, entries, text

DOCS = "https://kubernetes.io/docs"
RESOURCES = f"{DOCS}/concepts/configuration/manage-resources-containers/"


def _without_range(known: Cluster) -> Iterator[tuple[Workload, Container]]:
    """The containers in namespaces in which no LimitRange sets what they leave out."""
    for one in known.workloads:
        if not known.has_any("LimitRange", one.namespace):
            for container in one.containers:
                yield one, container


@rule(
    "BSC-K8S-090",
    "no-requests",
    severity="medium",
    technology="kubernetes",
    breaks=("availability", "capacity", "latency"),
    why="The scheduler counts the container as needing nothing, and puts it on nodes that are full; when memory is"
    " short there, its pod is among the first to be evicted.",
    fix="Set `resources.requests` for cpu and memory to what it uses under load.",
    source=f"{RESOURCES}#requests-and-limits",
)
def no_requests(estate: Estate) -> Iterator[Found]:
    """Finds containers that request no CPU or no memory, nor do their pods, in namespaces without a LimitRange."""
    for one, container in _without_range(estate.index(cluster)):
        missing = [resource for resource in ("cpu", "memory") if not one.asks(container, resource)]
        if missing:
            yield Found(
                place=container.place("resources"),
                subject=one.subject,
                what=f"container {container.name} requests no {' and no '.join(missing)}",
            )


@rule(
    "BSC-K8S-091",
    "memory-limit-missing",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="A leak in this container takes the memory of its whole node, and the kernel then ends processes of others.",
    fix="Set `resources.limits.memory`, above what it uses at its highest load.",
    source=f"{RESOURCES}#how-pods-with-resource-limits-are-run",
)
def no_memory_limit(estate: Estate) -> Iterator[Found]:
    """Finds containers without a limit of memory, nor one of their pods, in namespaces without a LimitRange."""
    for one, container in _without_range(estate.index(cluster)):
        if all(at(node, "resources", "limits", "memory") is None for node in (container.node, one.pod)):
            yield Found(
                place=container.place("resources", "limits"),
                subject=one.subject,
                what=f"container {container.name} has no limit of memory",
            )


@rule(
    "BSC-K8S-092",
    "limit-below-request",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The API server refuses the pod: the workload has no new pods after the next change.",
    fix="Set the limit to the request or above.",
    source=f"{RESOURCES}#requests-and-limits",
)
def limit_below_request(estate: Estate) -> Iterator[Found]:
    """Finds containers with a limit below their request of the same resource."""
    for one in estate.index(cluster).workloads:
        for container in one.every_container:
            for resource, limit in entries(container.node, "resources", "limits").items():
                asked = at(container.node, "resources", "requests", resource)
                most, least = amount(limit), amount(asked)
                if most is None or least is None or most >= least:
                    continue
                yield Found(
                    place=limit.place,
                    subject=one.subject,
                    what=f"container {container.name}: the limit of {resource}, {text(limit)}, is below the request of"
                    f" {text(asked)}",
                    related=((nearest(container.node, "resources", "requests", resource), "the request"),),
                )


@rule(
    "BSC-K8S-093",
    "image-not-pinned",
    severity="medium",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="The next pod that starts, after a failure or at more load, may be another version than its neighbours, and"
    " there is nothing to roll back to.",
    fix="Name a version, or better a digest.",
    source=f"{DOCS}/concepts/containers/images/#image-names",
)
def image_not_pinned(estate: Estate) -> Iterator[Found]:
    """Finds images without a tag, or with `latest`, and without a digest."""
    for one in estate.index(cluster).workloads:
        for container in one.every_container:
            image = text(container.node, "image") or ""
            tag = image.rpartition("/")[2].partition(":")[2]
            if image and "@" not in image and "$" not in image and tag in {"", "latest"}:
                yield Found(
                    place=nearest(container.node, "image"),
                    subject=one.subject,
                    what=f"container {container.name} runs {image}, which may be another version at each start",
                )


@rule(
    "BSC-K8S-094",
    "start-needs-the-registry",
    severity="low",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="Every start asks the registry, even where the node has the image: while the registry is away, no pod that"
    " failed comes back.",
    fix="Set `imagePullPolicy: IfNotPresent`, with a version or a digest in the image's name.",
    source=f"{DOCS}/concepts/containers/images/#image-pull-policy",
)
def start_needs_the_registry(estate: Estate) -> Iterator[Found]:
    """Finds containers of workloads behind a Service that pull an image with a version at every start."""
    for one, _ in estate.index(cluster).served():
        for container in one.every_container:
            image = text(container.node, "image") or ""
            is_pinned = "@" in image or image.rpartition("/")[2].partition(":")[2] not in {"", "latest"}
            if is_pinned and text(container.node, "imagePullPolicy") == "Always":
                yield Found(
                    place=nearest(container.node, "imagePullPolicy"),
                    subject=one.subject,
                    what=f"container {container.name} asks the registry at every start",
                )


@rule(
    "BSC-K8S-095",
    "no-priority-class",
    severity="low",
    technology="kubernetes",
    breaks=("availability", "capacity"),
    why="When nodes are scarce, after the loss of a zone for example, pods that answer requests wait behind batch jobs"
    " or are evicted like them.",
    fix="Define a PriorityClass for what serves users, and name it as `priorityClassName`.",
    source=f"{DOCS}/concepts/scheduling-eviction/pod-priority-preemption/#how-to-use-priority-and-preemption",
)
def no_priority_class(estate: Estate) -> Iterator[Found]:
    """Finds workloads behind a Service without a priority class, unless there is a default one."""
    known = estate.index(cluster)
    if any(boolean(one.root, "globalDefault") is True for one in known.of("PriorityClass")):
        return
    for one, services in known.served():
        if not text(one.pod, "priorityClassName"):
            yield Found(
                place=one.pod_place("priorityClassName"),
                subject=one.subject,
                what=f"its pods, which answer for {services[0].manifest.subject}, have the priority of any others",
            )


@rule(
    "BSC-K8S-096",
    "memory-volume-without-limit",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="Files in a volume in memory count as memory of the container: they grow until it is ended for want of memory,"
    " and at each new start they are there again.",
    fix="Set `sizeLimit` on the volume, and count it in the limit of memory.",
    source=f"{DOCS}/concepts/storage/volumes/#emptydir",
)
def memory_volume_without_limit(estate: Estate) -> Iterator[Found]:
    """Finds volumes in memory without a limit of their size."""
    for one in estate.index(cluster).workloads:
        for name, volume in one.volumes():
            if text(volume, "emptyDir", "medium") == "Memory" and at(volume, "emptyDir", "sizeLimit") is None:
                yield Found(
                    place=nearest(volume, "emptyDir"),
                    subject=one.subject,
                    what=f"volume {name} is in memory and has no sizeLimit",
                )


RULES = (
    no_requests,
    no_memory_limit,
    limit_below_request,
    image_not_pinned,
    start_needs_the_registry,
    no_priority_class,
    memory_volume_without_limit,
)
