"""Rules about the end of a pod: requests in progress are answered, and data is written. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.kubernetes.services import carriers
from bascule.audit.kubernetes.workloads import Container
from bascule.audit.rule import rule
from bascule.audit.tree import at, items, text, whole

DOCS = "https://kubernetes.io/docs"
END = f"{DOCS}/concepts/workloads/pods/pod-lifecycle/#pod-termination"
DEFAULT_GRACE_S = 30
DRAIN_S = 15
LEAST_DRAIN_S = 5
_SLEEP = re.compile(r"\bsleep\s+([0-9]{1,6})s?\b")


def pause_s(container: Container) -> int | None:
    """How long the container's preStop hook sleeps; None where it does not sleep, or nobody can tell."""
    hook = at(container.node, "lifecycle", "preStop")
    seconds = whole(hook, "sleep", "seconds")
    if seconds is not None:
        return seconds
    found = _SLEEP.search(" ".join(text(word) or "" for word in items(hook, "exec", "command")))
    return int(found[1]) if found else None


@rule(
    "BSC-K8S-050",
    "grace-no-longer-than-pre-stop",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The grace period runs while the preStop hook sleeps: when nothing of it is left after that, or less than 5 s,"
    " the process is killed with its requests in progress.",
    fix="Set `terminationGracePeriodSeconds` to the pause plus the time in which the process ends its requests.",
    source=END,
)
def grace_no_longer_than_pre_stop(estate: Estate) -> Iterator[Found]:
    """Finds pods whose grace period is over when their preStop hook is; as medium those with less than 5 s left."""
    for one in estate.index(cluster).workloads:
        grace_s = whole(one.pod, "terminationGracePeriodSeconds")
        for container in one.containers:
            sleep_s = pause_s(container)
            left_s = (DEFAULT_GRACE_S if grace_s is None else grace_s) - (sleep_s or 0)
            if not sleep_s or left_s >= LEAST_DRAIN_S:
                continue
            place = one.pod_place("terminationGracePeriodSeconds")
            can_mend = grace_s is not None and place.end_line > 0
            yield Found(
                place=place if grace_s is not None else container.place("lifecycle", "preStop"),
                subject=one.subject,
                what=f"container {container.name} sleeps {sleep_s} s in preStop, of "
                + (f"{DEFAULT_GRACE_S} s of grace, the default" if grace_s is None else f"{grace_s} s of grace")
                + (f", which leaves {left_s} s for requests in progress" if left_s > 0 else ""),
                severity="medium" if left_s > 0 else None,
                related=((container.place("lifecycle", "preStop"), "the pause"),) if grace_s is not None else (),
                edits=(Edit(place=place, text=str(sleep_s + DRAIN_S)),) if can_mend else (),
            )
            break


@rule(
    "BSC-K8S-051",
    "no-pause-before-shutdown",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="A pod is told to end at the same moment as it is taken out of the Service: for some seconds proxies still send"
    " it requests, and a process that has closed its port refuses them, at every update and drain.",
    fix="Add a `preStop` hook that sleeps 5 to 15 s; `sleep: {seconds: 10}` needs no shell.",
    source=END,
)
def no_pause_before_shutdown(estate: Estate) -> Iterator[Found]:
    """Finds containers of Deployments that a Service with an address sends requests to, without a preStop hook."""
    for one, services in estate.index(cluster).served():
        if one.kind not in {"Deployment", "ReplicaSet"}:
            continue
        targets = [port.target for service in services if not service.is_headless for port in service.ports]
        serving = {container for target in targets for container in carriers(one, target)}
        for container in one.containers:
            if container in serving and at(container.node, "lifecycle", "preStop") is None:
                yield Found(
                    place=container.place("lifecycle"),
                    subject=one.subject,
                    what=f"container {container.name} gets requests for some seconds after it was told to end, and has"
                    " no preStop hook",
                )


@rule(
    "BSC-K8S-052",
    "no-grace-at-all",
    severity="critical",
    technology="kubernetes",
    breaks=("availability", "rpo"),
    why="With a grace period of 0 the pod is removed at once and its process killed: requests are cut off at every"
    " update, and a StatefulSet may have two pods with one identity, which corrupts data.",
    fix="Leave it at 30 s, or set what the process needs to end.",
    source=f"{DOCS}/concepts/workloads/controllers/statefulset/#deployment-and-scaling-guarantees",
)
def no_grace_at_all(estate: Estate) -> Iterator[Found]:
    """Finds StatefulSets, and workloads behind a Service, with a grace period of zero."""
    known = estate.index(cluster)
    for one in known.workloads:
        if whole(one.pod, "terminationGracePeriodSeconds") == 0 and (one.kind == "StatefulSet" or known.serving(one)):
            yield Found(
                place=one.pod_place("terminationGracePeriodSeconds"),
                subject=one.subject,
                what="its pods are killed without any time to end",
            )


RULES = (grace_no_longer_than_pre_stop, no_pause_before_shutdown, no_grace_at_all)
