"""Points about the application. Pure."""

from __future__ import annotations

from bascule.audit.checklist.words import Evidence, Says

HOW_TIMEOUTS = "say timeout: for each need in the system file, and give the HAProxy configuration"
HOW_MANIFESTS = "give the Kubernetes manifests"


def retries(evidence: Evidence) -> Says | None:
    """Whether retries are bounded; how long they wait cannot be read from here."""
    broken = evidence.broken("retries-multiply", "unsafe-retries")
    return Says("failed", f"found by {broken}") if broken else None


def timeouts(evidence: Evidence) -> Says | None:
    """Whether each call has a timeout, and none is the wrong way round."""
    broken = evidence.broken("timeouts-the-wrong-way-round", "missing-timeout")
    if broken:
        return Says("failed", f"found by {broken}")
    if evidence.system is None:
        return None
    needs = {
        f"{name} -> {other}": need
        for name, component in evidence.system.components.items()
        for other, need in component.needs.items()
    }
    without = [call for call, need in needs.items() if need.timeout is None]
    if without:
        return Says("unknown", f"the file says no timeout for {', '.join(without[:5])}")
    return Says("proved", f"each of {len(needs)} calls has one, and they shrink along the chain") if needs else None


def shutdown(evidence: Evidence) -> Says | None:
    """Whether pods are given the time to finish what they do."""
    return _manifests(evidence, "grace-no-longer-than-pre-stop", "no-pause-before-shutdown", "no-grace-at-all")


def probes(evidence: Evidence) -> Says | None:
    """Whether pods have both probes, and each the right one."""
    return _manifests(evidence, "no-readiness-probe", "liveness-equals-readiness", "liveness-asks-dependencies")


def _manifests(evidence: Evidence, *rules: str) -> Says | None:
    broken = evidence.broken(*rules)
    if broken:
        return Says("failed", f"found by {broken}")
    if "kubernetes" in evidence.estate.claims.values():
        return Says("proved", "the rules about it found nothing in the manifests")
    return None


def sessions(evidence: Evidence) -> Says | None:
    """Whether clients are tied to one process."""
    broken = evidence.broken("clients-tied-to-one-pod")
    return Says("failed", f"found by {broken}") if broken else None
