"""Rules about probes: traffic only to who can answer, restarts only where they help. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import nearest
from bascule.audit.kubernetes.probes import Probe, asked_of_others, judged_words, probe
from bascule.audit.kubernetes.quantities import is_number
from bascule.audit.kubernetes.services import carriers, is_for_metrics
from bascule.audit.kubernetes.workloads import Container, Workload
from bascule.audit.rule import rule
from bascule.audit.tree import at

DOCS = "https://kubernetes.io/docs"
CONCEPT = f"{DOCS}/concepts/configuration/liveness-readiness-startup-probes/"
PROBES = f"{DOCS}/tasks/configure-pod-container/configure-liveness-readiness-startup-probes/"
LASTING = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Pod"})
STATELESS = frozenset({"Deployment", "DaemonSet", "ReplicaSet", "ReplicationController"})
DEEP = frozenset(
    {"ready", "readyz", "readiness", "deep", "dependencies", "deps", "downstream", "upstream"}
    | {"db", "database", "postgres", "mysql", "redis", "kafka"}
)
LONG_START_S = 30


def _containers(known: Cluster) -> Iterator[tuple[Workload, Container]]:
    for one in known.workloads:
        if one.kind in LASTING:
            for container in one.containers:
                yield one, container


def _with(known: Cluster, key: str) -> Iterator[tuple[Workload, Container, Probe]]:
    for one, container in _containers(known):
        found = probe(container, key)
        if found is not None:
            yield one, container, found


@rule(
    "BSC-K8S-040",
    "no-readiness-probe",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="A container without a readiness probe counts as ready as soon as it has started: requests reach it before it"
    " can answer, at every start and every update, and while it is stuck.",
    fix="Add a readinessProbe that fails until the process can answer requests.",
    source=f"{CONCEPT}#readiness-probe",
)
def no_readiness_probe(estate: Estate) -> Iterator[Found]:
    """Finds containers that a Service sends requests to, without a readiness probe; as low if all ask for metrics."""
    known = estate.index(cluster)
    for one, services in known.served():
        seen: set[Container] = set()
        is_watched_only = all(is_for_metrics(one, port) for service in services for port in service.ports)
        for service in services:
            for port in service.ports:
                for container in carriers(one, port.target):
                    if container in seen or at(container.node, "readinessProbe") is not None:
                        continue
                    seen.add(container)
                    yield Found(
                        place=container.place(),
                        subject=one.subject,
                        what=f"container {container.name} answers for {service.manifest.subject} without a"
                        " readinessProbe",
                        related=((nearest(port.node, "port"), "the Service's port"),),
                        severity="low" if is_watched_only else None,
                    )


@rule(
    "BSC-K8S-041",
    "liveness-equals-readiness",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="What should only take a pod out of the Service for a while restarts it as well: under overload all pods are"
    " restarted, one after the other, and the rest get their load.",
    fix="Let liveness ask something cheaper, or be more patient than readiness: a higher `failureThreshold`.",
    source=f"{CONCEPT}#liveness-probe",
)
def liveness_equals_readiness(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes that ask what readiness asks, and are not more patient."""
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        readiness = probe(container, "readinessProbe")
        if readiness is None or readiness.handler != liveness.handler:
            continue
        if liveness.patience_s <= readiness.patience_s:
            yield Found(
                place=nearest(container.node, "livenessProbe"),
                subject=one.subject,
                what=f"container {container.name}: liveness asks what readiness asks, and restarts after"
                f" {liveness.patience_s} s, while readiness acts after {readiness.patience_s} s",
                related=((nearest(container.node, "readinessProbe"), "the readiness probe"),),
            )


@rule(
    "BSC-K8S-042",
    "liveness-asks-dependencies",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="When the database is away, every pod that asks for it in its liveness probe is restarted, again and again:"
    " restarts do not bring the database back, and make the recovery longer.",
    fix="Let liveness ask a path that looks at the process alone, such as /livez.",
    source=f"{PROBES} (caution on liveness probes and cascading failures)",
)
def liveness_asks_dependencies(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes on paths that end in a word for readiness or a dependency, and on Spring Boot's health.

    Also those that ask another host, by their handler or by a command such as `pg_isready -h db`.
    """
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        kind = liveness.handler[0]
        host = asked_of_others(liveness)
        if host and host.partition(".")[0] != one.name and not host.startswith(f"{one.name}-"):
            yield Found(
                place=nearest(liveness.node, kind, "command" if kind == "exec" else "host"),
                subject=one.subject,
                what=f"container {container.name}: liveness asks the host {host}, not the process",
            )
        elif liveness.path.rstrip("/").endswith("/actuator/health") or not DEEP.isdisjoint(judged_words(liveness.path)):
            yield Found(
                place=nearest(liveness.node, "httpGet", "path"),
                subject=one.subject,
                what=f"container {container.name}: liveness asks {liveness.path}, which by its name depends on more"
                " than the process",
            )


@rule(
    "BSC-K8S-043",
    "liveness-acts-before-readiness",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="The container is restarted before its pod has been taken out of the Service: requests in progress are cut off,"
    " where a moment without new ones might have been enough.",
    fix="Make periodSeconds x failureThreshold of liveness longer than that of readiness.",
    source=f"{CONCEPT}#liveness-probe",
)
def liveness_acts_before_readiness(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes that ask something else than readiness, and act sooner."""
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        readiness = probe(container, "readinessProbe")
        if readiness is None or readiness.handler == liveness.handler:
            continue
        if liveness.patience_s < readiness.patience_s:
            yield Found(
                place=nearest(container.node, "livenessProbe"),
                subject=one.subject,
                what=f"container {container.name}: liveness restarts after {liveness.patience_s} s of failures,"
                f" readiness takes the pod out after {readiness.patience_s} s",
                related=((nearest(container.node, "readinessProbe"), "the readiness probe"),),
            )


@rule(
    "BSC-K8S-044",
    "slow-start-without-startup-probe",
    severity="medium",
    technology="kubernetes",
    breaks=("rto",),
    why="A long initial delay is a guess: a start that takes longer is killed for ever, and one that hangs is noticed"
    " only after the whole delay.",
    fix="Add a startupProbe with the time that the slowest start may take, and drop the delay.",
    source=f"{CONCEPT}#startup-probe",
)
def slow_start_without_startup_probe(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes that wait for half a minute or more before they ask, and no startup probe."""
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        if liveness.delay_s >= LONG_START_S and at(container.node, "startupProbe") is None:
            yield Found(
                place=nearest(liveness.node, "initialDelaySeconds"),
                subject=one.subject,
                what=f"container {container.name}: liveness waits {liveness.delay_s} s for the start, without a"
                " startupProbe",
            )


@rule(
    "BSC-K8S-045",
    "liveness-timeout-not-chosen",
    severity="low",
    technology="kubernetes",
    breaks=("availability",),
    why="An answer that takes longer than a second, the default, counts as a failure: a pause of the runtime or a busy"
    " node restarts containers that are well.",
    fix="Set `timeoutSeconds` to what the slowest answer of a healthy process takes, such as 5.",
    source=f"{PROBES}#configure-probes (timeoutSeconds)",
)
def liveness_timeout_not_chosen(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes by HTTP, gRPC or a command that leave the timeout at its default."""
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        if liveness.handler[0] != "tcpSocket" and at(liveness.node, "timeoutSeconds") is None:
            yield Found(
                place=nearest(container.node, "livenessProbe"),
                subject=one.subject,
                what=f"container {container.name}: an answer to liveness after more than 1 s is a failure",
            )


@rule(
    "BSC-K8S-046",
    "liveness-acts-on-one-failure",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="One lost packet or one slow answer restarts a container that is well.",
    fix="Leave `failureThreshold` at 3, or set it higher.",
    source=f"{PROBES}#configure-probes (failureThreshold)",
)
def liveness_acts_on_one_failure(estate: Estate) -> Iterator[Found]:
    """Finds liveness probes with a failure threshold of one."""
    for one, container, liveness in _with(estate.index(cluster), "livenessProbe"):
        if liveness.failures == 1:
            place = nearest(liveness.node, "failureThreshold")
            yield Found(
                place=place,
                subject=one.subject,
                what=f"container {container.name}: a single failed answer to liveness restarts it",
            )


@rule(
    "BSC-K8S-047",
    "probe-of-unknown-port",
    severity="critical",
    technology="kubernetes",
    breaks=("availability",),
    why="A probe of a port name that the container does not have always fails: the pod never becomes ready, or is"
    " restarted for ever.",
    fix="Name one of the container's ports, or write the number.",
    source=f"{PROBES}#use-a-named-port",
)
def probe_of_unknown_port(estate: Estate) -> Iterator[Found]:
    """Finds probes whose named port is none of their container's."""
    known = estate.index(cluster)
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        for one, container, found in _with(known, key):
            if not found.port or is_number(found.port) or any(port.name == found.port for port in container.ports):
                continue
            yield Found(
                place=nearest(found.node, found.handler[0], "port"),
                subject=one.subject,
                what=f"container {container.name}: {key} asks port {found.port}, which the container does not have",
            )


@rule(
    "BSC-K8S-048",
    "no-liveness-probe",
    severity="low",
    technology="kubernetes",
    breaks=("availability", "capacity"),
    why="A process that hangs without ending is not restarted: even where readiness takes its pod out of the Service,"
    " its capacity is missing until somebody deletes it.",
    fix="Add a livenessProbe that asks the process alone and is more patient than readiness; a process that is sure to"
    " end when it hangs needs none.",
    source=f"{CONCEPT}#liveness-probe",
)
def no_liveness_probe(estate: Estate) -> Iterator[Found]:
    """Finds containers that a Service sends requests to, other than for metrics, without a liveness probe.

    StatefulSets are left alone: a restart in the middle of a recovery from a log does more harm than it mends.
    """
    known = estate.index(cluster)
    for one, services in known.served():
        targets = [port.target for service in services for port in service.ports if not is_for_metrics(one, port)]
        serving = {container for target in targets for container in carriers(one, target)}
        for container in one.containers if one.kind in STATELESS else ():
            if container in serving and at(container.node, "livenessProbe") is None:
                yield Found(
                    place=container.place(),
                    subject=one.subject,
                    what=f"container {container.name} answers for {services[0].manifest.subject}, and is not restarted"
                    " when it hangs",
                )


RULES = (
    no_readiness_probe,
    liveness_equals_readiness,
    liveness_asks_dependencies,
    liveness_acts_before_readiness,
    slow_start_without_startup_probe,
    liveness_timeout_not_chosen,
    liveness_acts_on_one_failure,
    probe_of_unknown_port,
    no_liveness_probe,
)
