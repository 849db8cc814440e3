"""What the rules behind a point could judge: without such objects their silence proves nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.checklist.words import Evidence
from bascule.audit.estate import Unreadable
from bascule.audit.haproxy.configuration import Section, Server
from bascule.audit.haproxy.proxies import balanced, count
from bascule.audit.kubernetes.cluster import cluster
from bascule.audit.kubernetes.services import carriers
from bascule.audit.kubernetes.workloads import Container, Workload
from bascule.audit.prometheus.documents import Alert, alerts
from bascule.audit.prometheus.promql import fires_always

MOST_NAMED = 3


def unsure(evidence: Evidence, technology: str) -> str:
    """Why silence of this technology's rules proves nothing: something of it may not have been judged; else empty."""
    estate = evidence.estate
    for one in (*estate.faults, *estate.unreadable):
        if estate.claims.get((one.place.file, 0), technology) == technology:
            return f"{one.place.file} was not judged: {_why(one)}"
    if estate.unclaimed:
        return f"{estate.unclaimed[0]} was not judged: it is of no technology that is known"
    return "a rule failed" if "fault-of-bascule" in evidence.found else ""


def _why(one: Unreadable) -> str:
    return "a template that was not rendered" if one.template else one.what


def serving(evidence: Evidence) -> Iterator[tuple[Workload, Container]]:
    """Every container that answers requests of a Service; all of a pod where it is not said which one does."""
    for one, services in evidence.estate.index(cluster).served():
        targets = [port.target for service in services for port in service.ports]
        answering = {container for target in targets for container in carriers(one, target)}
        for container in one.containers:
            if container in answering or not answering:
                yield one, container


def servers(evidence: Evidence) -> Iterator[tuple[Section, Server]]:
    """Every server of HAProxy that gets requests."""
    for _, section in balanced(evidence.estate):
        for server in section.servers:
            if not server.has("disabled"):
                yield section, server


def balances(evidence: Evidence) -> bool:
    """Whether any section of HAProxy has a choice between servers."""
    return any(count(section) > 1 for _, section in balanced(evidence.estate))


def judged_alerts(evidence: Evidence) -> list[Alert]:
    """Every alert on something that may go wrong: the dead man's switch is none."""
    return [one for one in alerts(evidence.estate) if not fires_always(one.expression)]


def named(names: list[str]) -> str:
    """The first few of these, each once, for people."""
    each = list(dict.fromkeys(names))
    return ", ".join(each[:MOST_NAMED]) + (", ..." if len(each) > MOST_NAMED else "")
