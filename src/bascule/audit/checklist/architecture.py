"""Points about the architecture, from predictions and rules. Pure."""

from __future__ import annotations

from bascule.audit.checklist.application import manifests, ready
from bascule.audit.checklist.counted import balances, named, servers, unsure
from bascule.audit.checklist.words import Evidence, Says
from bascule.audit.haproxy.proxies import is_checked

HOW_PREDICTED = "describe the system in a system file and give it: `bascule audit bascule.yaml`"


def single_points(evidence: Evidence) -> Says | None:
    """Whether some part takes the whole system down alone."""
    broken = evidence.broken("single-replica")
    if evidence.prediction is not None and evidence.prediction.single_points:
        return Says("failed", f"alone take it down: {', '.join(evidence.prediction.single_points)}")
    if broken:
        return Says("failed", f"found by {broken}")
    if evidence.prediction is not None:
        return Says("proved", "no minimal cut set of the system has one part alone")
    return None


def redundancy(evidence: Evidence) -> Says | None:
    """Whether each component on the way of a request has a replica to spare."""
    broken = evidence.broken("single-point-of-failure", "no-spare-capacity", "single-replica", "single-server")
    if broken:
        return Says("failed", f"found by {broken}")
    if "fault-of-bascule" in evidence.found:
        return Says("unknown", "a rule failed")
    if evidence.prediction is not None:
        return Says("proved", "each component that a request needs has more replicas than it needs")
    return None


def zones(evidence: Evidence) -> Says | None:
    """Whether any one zone may be lost."""
    return _places(evidence, "zone")


def regions(evidence: Evidence) -> Says | None:
    """Whether any one region may be lost, where that was promised."""
    system = evidence.system
    if system is not None and "region" not in system.objectives.disruptions:
        return Says("not applicable", "nothing is promised for the loss of a region")
    return _places(evidence, "region")


def _places(evidence: Evidence, scope: str) -> Says | None:
    prediction = evidence.prediction
    if prediction is None:
        return None
    alone = [one for one in prediction.survival if one.scope == scope and len(one.lost) == 1]
    fatal = [one.lost[0] for one in alone if not one.survives]
    if fatal or len(alone) < 2:
        return Says("failed", f"it does not survive the loss of {', '.join(fatal) or f'its only {scope}'}")
    passed = any(one.outcome == "PASS" for one in evidence.drilled(float("inf"), scope))
    drilled = ", and a drill has shown it" if passed else "; no drill has shown it yet"
    return Says("proved", f"any of {len(alone)} {scope}s may be lost, by prediction{drilled}")


def balancing(evidence: Evidence) -> Says | None:
    """Whether whatever spreads requests asks first who can take them."""
    broken = evidence.broken("server-without-check", "no-readiness-probe", "connection-is-no-health")
    if broken:
        return Says("failed", f"found by {broken}")
    told = [one for one in (_proxied(evidence), manifests(evidence, (), ready)) if one is not None]
    if told:
        return next((one for one in told if one.state != "proved"), told[0])
    return _rendered(evidence)


def _proxied(evidence: Evidence) -> Says | None:
    """What HAProxy's own configuration says; None where it has no servers."""
    found = list(servers(evidence))
    if not found:
        return None
    unasked = [f"server {server.name} of {section.subject}" for section, server in found if not is_checked(server)]
    if unasked:
        return Says("unknown", f"not checked: {named(unasked)}")
    if not balances(evidence):
        return Says("unknown", "no section of HAProxy has several servers to choose from")
    doubt = unsure(evidence, "haproxy")
    if doubt:
        return Says("unknown", doubt)
    return Says("proved", f"each of {len(found)} servers of HAProxy is checked before it gets requests")


def _rendered(evidence: Evidence) -> Says | None:
    """What drills have shown of the HAProxy that Bascule renders from a system file."""
    system = evidence.system
    if system is None or all(one.engine != "haproxy" for one in system.components.values()):
        return None
    drilled = [one for one in evidence.drilled(float("inf")) if one.is_failover]
    if not drilled or any(one.outcome == "FAIL" for one in drilled):
        return Says("unknown", "HAProxy as Bascule renders it checks every server, and no drill that passed shows it")
    return Says("proved", f"HAProxy as Bascule renders it checks every server: {len(drilled)} failovers, all passed")
