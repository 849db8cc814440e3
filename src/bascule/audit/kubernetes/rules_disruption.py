"""Rules about planned disruptions: what a PodDisruptionBudget lets a drain do, and what it forbids. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.quantities import percent
from bascule.audit.kubernetes.scaling import Replicas
from bascule.audit.kubernetes.services import Budget
from bascule.audit.kubernetes.workloads import REPLICATED, Workload
from bascule.audit.place import Place
from bascule.audit.rule import rule
from bascule.audit.tree import Node, text

DOCS = "https://kubernetes.io/docs"
BUDGETS = f"{DOCS}/tasks/run-application/configure-pdb/"


def _alone(estate: Estate) -> Iterator[tuple[Budget, Workload, Replicas]]:
    """Budgets that protect one workload with a known number of replicas: there a budget can be reckoned."""
    known = estate.index(cluster)
    for budget in known.budgets:
        workloads = known.protected[budget]
        count = known.replicas(workloads[0]) if len({one.subject for one in workloads}) == 1 else None
        if count is not None and count.fewest > 0:
            yield budget, workloads[-1], count


def _limit(budget: Budget) -> tuple[str, str, Place, Node | None]:
    """Which of the two limits a budget sets, its text, its place and its node."""
    key = "maxUnavailable" if budget.manifest.node("spec", "maxUnavailable") is not None else "minAvailable"
    node = budget.manifest.node("spec", key)
    return key, text(node) or "", budget.manifest.place("spec", key), node


@rule(
    "BSC-K8S-010",
    "pdb-blocks-every-eviction",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="No pod may ever be evicted, so no node can be drained: upgrades and repairs hang until somebody deletes pods"
    " by force, and then nothing limits how many go at once.",
    fix="Allow one pod: `maxUnavailable: 1`, with two replicas or more.",
    source=f"{BUDGETS}#specifying-a-poddisruptionbudget",
)
def pdb_blocks_every_eviction(estate: Estate) -> Iterator[Found]:
    """Finds budgets that allow no eviction at the number of replicas that the workload always has."""
    known = estate.index(cluster)
    for budget, one, count in _alone(estate):
        if budget.evictable(count.most) != 0 or (count.most == 1 and known.scaling(one)):
            continue
        key, written, place, node = _limit(budget)
        mended = "1" if key == "maxUnavailable" else str(count.fewest - 1)
        is_safe = node is not None and count.fewest == count.most >= 2 and place.end_line > 0
        yield Found(
            place=place,
            subject=budget.manifest.subject,
            what=f"`{key}: {written}` allows no eviction of any of the {count.most} pods of {one.subject}",
            fix="" if count.most >= 2 else f"Give {one.subject} a second replica, then allow one pod to be evicted.",
            related=((known.replicas_place(one), f"{one.subject}: {count.most} replicas"),),
            edits=(Edit(place=place, text=mended),) if is_safe else (),
        )


@rule(
    "BSC-K8S-011",
    "pdb-blocks-at-autoscaler-minimum",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="Whenever load is low the autoscaler keeps its minimum, and then the budget forbids every eviction: drains hang"
    " exactly in the quiet hours in which they are planned.",
    fix="Use `maxUnavailable: 1`, which fits any number of replicas, or raise `minReplicas` above `minAvailable`.",
    source=f"{BUDGETS}#specifying-a-poddisruptionbudget",
)
def pdb_blocks_at_autoscaler_minimum(estate: Estate) -> Iterator[Found]:
    """Finds budgets that allow no eviction at the autoscaler's minimum, although they do at its maximum."""
    for budget, one, count in _alone(estate):
        scalers = estate.index(cluster).scaling(one)
        if not scalers or budget.evictable(count.fewest) != 0:
            continue
        if count.most > 1 and budget.evictable(count.most) == 0:
            continue  # it blocks at any number: the rule above tells it
        key, written, place, _ = _limit(budget)
        yield Found(
            place=place,
            subject=budget.manifest.subject,
            what=f"`{key}: {written}` allows no eviction while the autoscaler keeps {one.subject} at its minimum of"
            f" {count.fewest}",
            related=((scalers[-1].manifest.place("spec", "minReplicas"), "the autoscaler's minimum"),),
        )


@rule(
    "BSC-K8S-012",
    "pdb-allows-all-at-once",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="A percentage is rounded up to whole pods: a drain of several nodes, or a cluster upgrade, may evict every pod"
    " at the same time, as if there were no budget.",
    fix="Use `maxUnavailable: 1`, or a percentage that leaves what the load needs.",
    source=f"{BUDGETS}#rounding-logic-when-specifying-percentages",
)
def pdb_allows_all_at_once(estate: Estate) -> Iterator[Found]:
    """Finds budgets under which all replicas may be evicted together."""
    for budget, one, count in _alone(estate):
        if count.fewest < 2 or budget.evictable(count.fewest) != count.fewest:
            continue
        key, written, place, node = _limit(budget)
        can_mend = node is not None and key == "maxUnavailable" and place.end_line > 0
        yield Found(
            place=place,
            subject=budget.manifest.subject,
            what=f"`{key}: {written}` lets all {count.fewest} pods of {one.subject} be evicted at once",
            edits=(Edit(place=place, text="1"),) if can_mend else (),
        )


@rule(
    "BSC-K8S-013",
    "several-pdbs-on-one-pod",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="The eviction of a pod that more than one budget selects fails with an error, whatever the budgets say: its"
    " node cannot be drained.",
    fix="Let exactly one budget select each pod.",
    source=f"{DOCS}/concepts/scheduling-eviction/api-eviction/#how-api-initiated-eviction-works",
)
def several_pdbs_on_one_pod(estate: Estate) -> Iterator[Found]:
    """Finds workloads whose pods more than one budget selects."""
    known = estate.index(cluster)
    for one in known.workloads:
        budgets = known.protecting(one)
        for further in budgets[1:]:
            yield Found(
                place=further.manifest.place("spec", "selector"),
                subject=further.manifest.subject,
                what=f"the pods of {one.subject} are selected by {budgets[0].manifest.subject} too",
                related=((budgets[0].manifest.place("spec", "selector"), "the other budget"),),
            )


@rule(
    "BSC-K8S-014",
    "no-disruption-budget",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="Without a budget a drain, a node upgrade or an autoscaler of nodes may evict all replicas at the same moment.",
    fix="Add a PodDisruptionBudget with `maxUnavailable: 1` and the workload's selector.",
    source=f"{DOCS}/concepts/workloads/pods/disruptions/#pod-disruption-budgets",
)
def no_disruption_budget(estate: Estate) -> Iterator[Found]:
    """Finds workloads with two replicas or more that no budget selects."""
    known = estate.index(cluster)
    for one, count in known.replicated():
        if one.kind in {"Deployment", "StatefulSet"} and count.fewest >= 2 and not known.protecting(one):
            yield Found(
                place=one.manifest.place("metadata", "name"),
                subject=one.subject,
                what=f"no PodDisruptionBudget selects its {count.fewest} pods",
            )


@rule(
    "BSC-K8S-015",
    "pdb-selects-nothing",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="The budget protects no pod: drains go on as if it did not exist, while its presence says otherwise.",
    fix="Give the budget the labels of the pods that it is meant for.",
    source=f"{BUDGETS}#identify-an-application-to-protect",
)
def pdb_selects_nothing(estate: Estate) -> Iterator[Found]:
    """Finds budgets that select no pod, in namespaces all of whose pods come from manifests that were read."""
    known = estate.index(cluster)
    for budget in known.budgets:
        namespace = budget.manifest.namespace
        if not known.has_pods(namespace) or known.is_operated(namespace):
            continue
        if not known.protected[budget] and not known.is_for_hooks(namespace, budget.selector):
            yield Found(
                place=budget.manifest.place("spec", "selector"),
                subject=budget.manifest.subject,
                what=f"no pod in namespace {namespace} is selected by {budget.selector or 'a missing selector'}",
            )


@rule(
    "BSC-K8S-016",
    "pdb-shared-by-workloads",
    severity="medium",
    technology="kubernetes",
    breaks=("availability",),
    why="The budget counts the pods of several workloads together: all it allows may fall on the smallest one, which is"
    " then gone although the budget is kept.",
    fix="Give each workload a budget of its own, with a label that only its pods have.",
    source=f"{BUDGETS}#identify-an-application-to-protect",
)
def pdb_shared_by_workloads(estate: Estate) -> Iterator[Found]:
    """Finds budgets over several workloads that allow as many evictions as one of them has pods, two or more."""
    known = estate.index(cluster)
    for budget in known.budgets:
        shared = {one.subject: one for one in known.protected[budget]}
        counts = _fewest(known, list(shared.values()))
        allowed = budget.evictable(sum(counts.values())) if counts and len(shared) > 1 else None
        gone = [one for one, count in counts.items() if allowed is not None and 2 <= count <= allowed]
        if gone:
            key, written, place, _ = _limit(budget)
            yield Found(
                place=place,
                subject=budget.manifest.subject,
                what=f"`{key}: {written}` counts {len(shared)} workloads together, and lets all {counts[gone[0]]} pods"
                f" of {gone[0].subject} be evicted at once",
                related=tuple((one.manifest.place("metadata", "name"), one.subject) for one in shared.values()),
            )


def _fewest(known: Cluster, workloads: list[Workload]) -> dict[Workload, int]:
    """The fewest replicas of each; nothing when one of them is not known."""
    counts = {one: known.replicas(one) for one in workloads}
    found = {one: count.fewest for one, count in counts.items() if count is not None and one.kind in REPLICATED}
    return found if len(found) == len(workloads) else {}


@rule(
    "BSC-K8S-017",
    "broken-pods-block-drains",
    severity="low",
    technology="kubernetes",
    breaks=("rto",),
    why="By default a pod that is not ready may be evicted only while the budget is met: when an application is broken"
    " on all its nodes, these cannot be drained, which is when one wants to.",
    fix="Set `unhealthyPodEvictionPolicy: AlwaysAllow` in the budget.",
    source=f"{BUDGETS}#unhealthy-pod-eviction-policy",
)
def broken_pods_block_drains(estate: Estate) -> Iterator[Found]:
    """Finds budgets of stateless workloads without the policy that lets broken pods go."""
    known = estate.index(cluster)
    for budget in known.budgets:
        if text(budget.manifest.root, "spec", "unhealthyPodEvictionPolicy") == "AlwaysAllow":
            continue
        workloads = known.protected[budget]
        if workloads and all(one.kind == "Deployment" for one in workloads):
            yield Found(
                place=budget.manifest.place("spec", "unhealthyPodEvictionPolicy"),
                subject=budget.manifest.subject,
                what="pods that are not ready count as any others, and may keep a node from being drained",
            )


@rule(
    "BSC-K8S-018",
    "daemonset-updates-everywhere-at-once",
    severity="high",
    technology="kubernetes",
    breaks=("availability",),
    why="An update takes the pod away from half of the nodes or more at the same time: a bad version is everywhere"
    " before anybody sees it.",
    fix="Use a small `maxUnavailable`, such as 1 or 10%.",
    source=f"{DOCS}/tasks/manage-daemon/update-daemon-set/#daemonset-update-strategy",
)
def daemonset_updates_everywhere_at_once(estate: Estate) -> Iterator[Found]:
    """Finds DaemonSets that may update half of their pods or more at once."""
    path = ("spec", "updateStrategy", "rollingUpdate", "maxUnavailable")
    for one in estate.index(cluster).workloads:
        share = percent(one.manifest.node(*path)) if one.kind == "DaemonSet" else None
        if share is not None and share >= 50:
            yield Found(
                place=one.manifest.place(*path),
                subject=one.subject,
                what=f"`maxUnavailable: {share}%` updates that share of all nodes at the same time",
            )


RULES = (
    pdb_blocks_every_eviction,
    pdb_blocks_at_autoscaler_minimum,
    pdb_allows_all_at_once,
    several_pdbs_on_one_pod,
    no_disruption_budget,
    pdb_selects_nothing,
    pdb_shared_by_workloads,
    broken_pods_block_drains,
    daemonset_updates_everywhere_at_once,
)
