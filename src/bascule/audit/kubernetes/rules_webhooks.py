"""Rules about admission webhooks: a small service in front of every change of the cluster. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.kubernetes.cluster import Cluster, cluster
from bascule.audit.kubernetes.manifest import Manifest, nearest
from bascule.audit.kubernetes.selectors import Selector, selector
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.rule import rule
from bascule.audit.tree import Node, at, items, text, whole

DOCS = "https://kubernetes.io/docs"
PRACTICES = f"{DOCS}/concepts/cluster-administration/admission-webhooks-good-practices/"
CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
NAME_LABEL = "kubernetes.io/metadata.name"


@dataclass(frozen=True, slots=True, eq=False)
class Webhook:
    """One webhook of a configuration, with the Service in the cluster that answers it, if it is one."""

    manifest: Manifest
    node: Node
    name: str
    namespace: str
    service: str

    @property
    def fails_closed(self) -> bool:
        """Whether requests are refused while it does not answer, which is the default."""
        return (text(self.node, "failurePolicy") or "Fail") == "Fail"

    @property
    def has_conditions(self) -> bool:
        """Whether expressions decide what it is asked about: those are not judged here."""
        return bool(items(self.node, "matchConditions"))


def _webhooks(known: Cluster) -> Iterator[Webhook]:
    for manifest in known.of(*CONFIGURATIONS):
        for node in items(manifest.root, "webhooks"):
            service = at(node, "clientConfig", "service")
            yield Webhook(
                manifest=manifest,
                node=node,
                name=text(node, "name") or "",
                namespace=text(service, "namespace") or "",
                service=text(service, "name") or "",
            )


def _is_asked_about_pods(webhook: Webhook) -> bool:
    for one in items(webhook.node, "rules"):
        groups = {text(item) for item in items(one, "apiGroups")}
        resources = {text(item) for item in items(one, "resources")}
        operations = {text(item) for item in items(one, "operations")}
        if text(one, "scope") == "Cluster":
            continue
        if groups & {"", "*"} and resources & {"pods", "*", "*/*"} and operations & {"CREATE", "*"}:
            return True
    return False


def _asks_in(known: Cluster, webhook: Webhook, namespace: str) -> bool:
    """Whether its namespaceSelector surely selects a namespace: by its name, or by labels that were read."""
    wanted = selector(at(webhook.node, "namespaceSelector")) or Selector()
    found = known.find("Namespace", "", namespace)
    if found is None and not wanted.keys <= {NAME_LABEL}:
        return False
    return wanted.selects({**(found.labels if found is not None else {}), NAME_LABEL: namespace})


def _answering(known: Cluster, webhook: Webhook) -> list[Workload]:
    service = known.service(webhook.namespace, webhook.service)
    return known.selected(webhook.namespace, service.selector) if service is not None else []


@rule(
    "BSC-K8S-110",
    "webhook-locks-itself-out",
    severity="critical",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="When all pods of the webhook are gone, the API server refuses to create new ones, because the webhook does not"
    " answer: it never comes back by itself, and no other pod is created either.",
    fix="Exclude its own namespace with a `namespaceSelector` on `kubernetes.io/metadata.name`, operator NotIn.",
    source=f"{PRACTICES}#webhook-limit-scope, and the section on dependency loops",
)
def webhook_locks_itself_out(estate: Estate) -> Iterator[Found]:
    """Finds webhooks that must answer for the pods which are to answer them."""
    known = estate.index(cluster)
    for webhook in _webhooks(known):
        if (
            not webhook.namespace
            or not webhook.fails_closed
            or webhook.has_conditions
            or not _is_asked_about_pods(webhook)
        ):
            continue
        wanted = selector(at(webhook.node, "objectSelector")) or Selector()
        own = _answering(known, webhook)
        is_about_own = wanted.is_everything or any(wanted.selects(one.labels) for one in own)
        if is_about_own and _asks_in(known, webhook, webhook.namespace):
            yield Found(
                place=nearest(webhook.node, "name"),
                subject=webhook.manifest.subject,
                what=f"webhook {webhook.name} must answer before a pod is created in {webhook.namespace}, where its own"
                " pods run",
                related=((nearest(webhook.node, "namespaceSelector"), "what it is asked about"),),
            )


@rule(
    "BSC-K8S-111",
    "webhook-in-front-of-kube-system",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="While the webhook does not answer, no pod of the cluster's own network, DNS or proxy is created: the failure"
    " of one service becomes one of the cluster.",
    fix="Exclude kube-system with a `namespaceSelector` on `kubernetes.io/metadata.name`, operator NotIn.",
    source=f"{PRACTICES}#webhook-limit-scope",
)
def webhook_in_front_of_kube_system(estate: Estate) -> Iterator[Found]:
    """Finds webhooks that must answer for every pod in kube-system."""
    known = estate.index(cluster)
    for webhook in _webhooks(known):
        if not webhook.fails_closed or webhook.has_conditions or not _is_asked_about_pods(webhook):
            continue
        wanted = selector(at(webhook.node, "objectSelector")) or Selector()
        if wanted.is_everything and _asks_in(known, webhook, "kube-system"):
            yield Found(
                place=nearest(webhook.node, "name"),
                subject=webhook.manifest.subject,
                what=f"webhook {webhook.name} must answer before a pod is created in kube-system",
                related=((nearest(webhook.node, "namespaceSelector"), "what it is asked about"),),
            )


@rule(
    "BSC-K8S-112",
    "webhook-may-take-long",
    severity="medium",
    technology="kubernetes",
    breaks=("latency", "rto"),
    why="While the webhook does not answer, each request to the API server waits that long; controllers and failovers"
    " wait with it, and a request through several webhooks adds up.",
    fix="Set `timeoutSeconds` to a few seconds.",
    source=f"{PRACTICES}#small-timeout",
)
def webhook_may_take_long(estate: Estate) -> Iterator[Found]:
    """Finds webhooks with a timeout above ten seconds, which is the default."""
    for webhook in _webhooks(estate.index(cluster)):
        timeout_s = whole(webhook.node, "timeoutSeconds")
        if timeout_s is not None and timeout_s > 10:
            yield Found(
                place=nearest(webhook.node, "timeoutSeconds"),
                subject=webhook.manifest.subject,
                what=f"webhook {webhook.name} may hold up each request for {timeout_s} s",
            )


@rule(
    "BSC-K8S-113",
    "webhook-on-one-pod",
    severity="high",
    technology="kubernetes",
    breaks=("availability", "rto"),
    why="While its only pod is moved or updated, the API server refuses every request that the webhook is asked about.",
    fix="Run two replicas or more on different nodes, with a disruption budget.",
    source=f"{PRACTICES}#ha-deployment",
)
def webhook_on_one_pod(estate: Estate) -> Iterator[Found]:
    """Finds webhooks that must answer, and may have one pod."""
    known = estate.index(cluster)
    for webhook in _webhooks(known):
        workloads = _answering(known, webhook) if webhook.fails_closed else []
        count = known.replicas(workloads[0]) if len(workloads) == 1 else None
        if count is not None and count.fewest == 1:
            yield Found(
                place=nearest(webhook.node, "clientConfig", "service", "name"),
                subject=webhook.manifest.subject,
                what=f"webhook {webhook.name} must answer, and {workloads[0].subject} may have a single pod",
                related=((known.replicas_place(workloads[0]), workloads[0].subject),),
            )


@rule(
    "BSC-K8S-114",
    "webhook-without-its-service",
    severity="critical",
    technology="kubernetes",
    breaks=("availability",),
    why="Every request that the webhook is asked about is refused.",
    fix="Name the Service in front of the webhook's pods, with its namespace.",
    source=f"{DOCS}/reference/access-authn-authz/extensible-admission-controllers/#service-reference",
)
def webhook_without_its_service(estate: Estate) -> Iterator[Found]:
    """Finds webhooks that must answer, and whose Service is not among those of its namespace."""
    known = estate.index(cluster)
    for webhook in _webhooks(known):
        if webhook.fails_closed and webhook.service and known.lacks("Service", webhook.namespace, webhook.service):
            yield Found(
                place=nearest(webhook.node, "clientConfig", "service", "name"),
                subject=webhook.manifest.subject,
                what=f"webhook {webhook.name} must answer, but there is no Service"
                f" {webhook.namespace}/{webhook.service}",
            )


RULES = (
    webhook_locks_itself_out,
    webhook_in_front_of_kube_system,
    webhook_may_take_long,
    webhook_on_one_pod,
    webhook_without_its_service,
)
