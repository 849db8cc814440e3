"""Rules about updates: enough pods stay, a bad version is seen, and there is a way back. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.components import needed_pods
from bascule.audit.kubernetes.probes import probe
from bascule.audit.kubernetes.quantities import percent
from bascule.audit.kubernetes.scaling import Replicas
from bascule.audit.kubernetes.spread import holds_one_each
from bascule.audit.kubernetes.updates import Rolling, rolling, strategy
from bascule.audit.kubernetes.workloads import Workload, workload
from bascule.audit.rule import rule
from bascule.audit.tree import Node, boolean, whole

DOCS = "https://kubernetes.io/docs"
DEPLOYMENT = f"{DOCS}/concepts/workloads/controllers/deployment/"
ROLLING = ("spec", "strategy", "rollingUpdate")
DEFAULT_DEADLINE_S = 600
ONE_BY_ONE = (
    "Set `maxUnavailable: 1` with `maxSurge: 0`: a node or zone holds one of these pods, so that a new one may need the"
    " room of an old one."
)


@rule(
    "BSC-K8S-060",
    "recreate-strategy",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="Every update ends all pods before the first new one starts: each one is an outage, and a version that does not"
    " start makes it last.",
    fix="Use `RollingUpdate`; where two versions must not run together, make the versions compatible first.",
    source=f"{DEPLOYMENT}#recreate-deployment",
)
def recreate_strategy(estate: Estate) -> Iterator[Found]:
    """Finds Deployments behind a Service that are recreated, unless they mount a claim, whose writer must be alone."""
    for one, services in estate.index(cluster).served():
        if one.kind == "Deployment" and strategy(one) == "Recreate" and not any(one.claims()):
            yield Found(
                place=one.manifest.place("spec", "strategy", "type"),
                subject=one.subject,
                what=f"an update ends all pods that answer for {services[0].manifest.subject} before it starts new"
                " ones",
            )


@rule(
    "BSC-K8S-061",
    "rollout-takes-all-away",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="The update may end every old pod before a new one is ready.",
    fix="Set `maxUnavailable: 0` with `maxSurge: 1`, or a number well below the replicas.",
    source=f"{DEPLOYMENT}#max-unavailable",
)
def rollout_takes_all_away(estate: Estate) -> Iterator[Found]:
    """Finds Deployments behind a Service, without claims, whose update may take as many pods away as there are.

    An edit is offered only where a new pod has room beside the old ones.
    """
    known = estate.index(cluster)
    for one, count in known.replicated():
        # The writer of a volume must be gone before the next one comes.
        is_meant = known.serving(one) and count.fewest > 0 and not any(one.claims())
        update = rolling(one, count.fewest) if is_meant else None
        if update is None or update.unavailable < count.fewest:
            continue
        place = one.manifest.place(*ROLLING, "maxUnavailable")
        is_written = place.end_line > 0 and one.manifest.node(*ROLLING, "maxUnavailable") is not None
        is_tight = holds_one_each(one)
        yield Found(
            place=place,
            subject=one.subject,
            what=f"an update may take away {update.unavailable} of {count.fewest} pods",
            fix=ONE_BY_ONE if is_tight and count.fewest > 1 else "",
            edits=(Edit(place=place, text="0"),) if is_written and update.surge > 0 and not is_tight else (),
        )


@rule(
    "BSC-K8S-062",
    "rollout-below-what-is-needed",
    severity="medium",
    technology="kubernetes",
    breaks=("capacity", "availability"),
    why="Updates do not ask the disruption budget: this one takes away more pods than the budget, or the need that the"
    " system file states, says may be missing. The load is then more than the others were meant for.",
    fix="Set `maxUnavailable: 0` and a `maxSurge`, or keep it within what the budget and the need allow.",
    source=f"{DOCS}/concepts/workloads/pods/disruptions/#pod-disruption-budgets (rolling upgrades are not limited)",
)
def rollout_below_what_is_needed(estate: Estate) -> Iterator[Found]:
    """Finds Deployments whose update takes more pods away than their budget allows, or leaves fewer than are needed.

    How many are needed is what the system file says of the component of that name.
    """
    known = estate.index(cluster)
    for one, count in known.replicated():
        update = rolling(one, count.fewest)
        if update is not None:
            yield from _beyond_the_budget(known, one, count, update)
            yield from _below_the_need(estate, one, count, update)


def _beyond_the_budget(known: Cluster, one: Workload, count: Replicas, update: Rolling) -> Iterator[Found]:
    budgets = known.protecting(one)
    allowed = budgets[0].evictable(count.fewest) if len(budgets) == 1 else None
    if allowed is None or not allowed < update.unavailable < count.fewest or len(known.protected[budgets[0]]) > 1:
        return
    yield Found(
        place=one.manifest.place(*ROLLING, "maxUnavailable"),
        subject=one.subject,
        what=f"an update takes away up to {update.unavailable} of {count.fewest} pods, but"
        f" {budgets[0].manifest.subject} says that {allowed} may be missing",
        related=((budgets[0].manifest.place("spec"), "the budget"),),
    )


def _below_the_need(estate: Estate, one: Workload, count: Replicas, update: Rolling) -> Iterator[Found]:
    need = needed_pods(estate, one)
    left = count.fewest - update.unavailable
    if need is not None and update.unavailable > 0 and left < need.pods:
        yield Found(
            place=one.manifest.place(*ROLLING, "maxUnavailable"),
            subject=one.subject,
            what=f"an update takes away up to {update.unavailable} of {count.fewest} pods and leaves {left}, but"
            f" {need.pods} are needed",
            related=((need.place, "what is needed"),),
        )


def _is_nothing(node: Node | None) -> bool:
    return whole(node) == 0 or percent(node) == 0


@rule(
    "BSC-K8S-063",
    "rollout-cannot-move",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="An update that may neither take a pod away nor add one cannot be done: the API server refuses the object.",
    fix="Set `maxSurge: 1` with `maxUnavailable: 0`.",
    source=f"{DEPLOYMENT}#max-unavailable",
)
def rollout_cannot_move(estate: Estate) -> Iterator[Found]:
    """Finds Deployments in which `maxSurge` and `maxUnavailable` are both written as zero."""
    for manifest in estate.index(cluster).of("Deployment"):
        surge, unavailable = (manifest.node(*ROLLING, key) for key in ("maxSurge", "maxUnavailable"))
        if _is_nothing(surge) and _is_nothing(unavailable):
            place, one = manifest.place(*ROLLING, "maxSurge"), workload(manifest)
            is_tight = one is not None and holds_one_each(one)
            yield Found(
                place=place,
                subject=manifest.subject,
                what="`maxSurge` and `maxUnavailable` are both 0",
                fix=ONE_BY_ONE if is_tight else "",
                related=((manifest.place(*ROLLING, "maxUnavailable"), "maxUnavailable"),),
                edits=(Edit(place=place, text="1"),) if place.end_line > 0 and not is_tight else (),
            )


@rule(
    "BSC-K8S-064",
    "rollout-without-a-look",
    severity="low",
    technology="kubernetes",
    breaks=("availability",),
    why="A new pod counts as available in the second in which it becomes ready, and the next old one ends: a version"
    " that fails after some seconds has replaced all pods before anything stops it.",
    fix="Set `minReadySeconds` to the time after which a new pod has shown that it works, such as 10.",
    source=f"{DEPLOYMENT}#min-ready-seconds",
)
def rollout_without_a_look(estate: Estate) -> Iterator[Found]:
    """Finds Deployments behind a Service with two replicas or more and no `minReadySeconds`."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        if one.kind != "Deployment" or count.fewest < 2 or not known.serving(one) or strategy(one) != "RollingUpdate":
            continue
        if not whole(one.manifest.root, "spec", "minReadySeconds"):
            yield Found(
                place=one.manifest.place("spec", "minReadySeconds"),
                subject=one.subject,
                what="a new pod replaces the next old one as soon as it was ready once",
            )


@rule(
    "BSC-K8S-065",
    "deadline-shorter-than-the-start",
    severity="medium",
    technology="kubernetes",
    breaks=("rto",),
    why="The update is reported as failed while its pods are still within the time that they may take to start: whoever"
    " acts on that, rolls back versions that are well. A deadline that is not above minReadySeconds is refused.",
    fix="Set `progressDeadlineSeconds` above the startup probe's periodSeconds x failureThreshold and minReadySeconds.",
    source=f"{DEPLOYMENT}#progress-deadline-seconds",
)
def deadline_shorter_than_the_start(estate: Estate) -> Iterator[Found]:
    """Finds Deployments whose progress deadline is over before their startup probes and `minReadySeconds` are."""
    for one in estate.index(cluster).workloads:
        if one.kind != "Deployment":
            continue
        written = whole(one.manifest.root, "spec", "progressDeadlineSeconds")
        deadline_s = DEFAULT_DEADLINE_S if written is None else written
        settled_s = whole(one.manifest.root, "spec", "minReadySeconds") or 0
        if deadline_s < 1:
            yield Found(
                place=one.manifest.place("spec", "progressDeadlineSeconds"),
                subject=one.subject,
                what=f"`progressDeadlineSeconds: {deadline_s}` is no deadline: the API server takes none that is not"
                " above minReadySeconds",
            )
            continue
        starts = [found for container in one.containers if (found := probe(container, "startupProbe")) is not None]
        start_s = max((found.delay_s + found.patience_s for found in starts), default=0)
        if start_s + settled_s >= deadline_s:
            yield Found(
                place=one.manifest.place("spec", "progressDeadlineSeconds"),
                subject=one.subject,
                what=f"an update fails after {deadline_s} s without progress, but a pod may take {start_s} s to start"
                f" and {settled_s} s to count",
            )


@rule(
    "BSC-K8S-066",
    "no-way-back",
    severity="medium",
    technology="kubernetes",
    breaks=("rto",),
    why="Without old ReplicaSets `kubectl rollout undo` has nothing to go back to: a bad version stays until a good one"
    " has been built.",
    fix="Leave `revisionHistoryLimit` at 10, or keep a few.",
    source=f"{DEPLOYMENT}#revision-history-limit",
)
def no_way_back(estate: Estate) -> Iterator[Found]:
    """Finds workloads that keep no old revision."""
    for manifest in estate.index(cluster).of("Deployment", "StatefulSet", "DaemonSet"):
        if whole(manifest.root, "spec", "revisionHistoryLimit") == 0:
            place = manifest.place("spec", "revisionHistoryLimit")
            yield Found(
                place=place,
                subject=manifest.subject,
                what="no old revision is kept to go back to",
                edits=(Edit(place=place, text="10"),) if place.end_line > 0 else (),
            )


@rule(
    "BSC-K8S-067",
    "paused-deployment",
    severity="medium",
    technology="kubernetes",
    breaks=("rto",),
    why="A paused Deployment takes every change and rolls none of them out: an urgent fix is applied, and nothing"
    " happens.",
    fix="Remove `paused: true` from the manifest; pause by hand while it is needed.",
    source=f"{DEPLOYMENT}#pausing-and-resuming-a-deployment",
)
def paused_deployment(estate: Estate) -> Iterator[Found]:
    """Finds Deployments whose manifest pauses them."""
    for manifest in estate.index(cluster).of("Deployment"):
        if boolean(manifest.root, "spec", "paused") is True:
            yield Found(
                place=manifest.place("spec", "paused"),
                subject=manifest.subject,
                what="changes are not rolled out while it is paused",
            )


RULES = (
    recreate_strategy,
    rollout_takes_all_away,
    rollout_below_what_is_needed,
    rollout_cannot_move,
    rollout_without_a_look,
    deadline_shorter_than_the_start,
    no_way_back,
    paused_deployment,
)
