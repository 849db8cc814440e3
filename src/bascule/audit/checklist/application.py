"""Points about the application. Pure."""

from __future__ import annotations

from collections.abc import Callable

from bascule.audit.checklist.counted import named, serving, unsure
from bascule.audit.checklist.words import Evidence, Says
from bascule.audit.haproxy.configuration import Configuration
from bascule.audit.haproxy.proxies import balanced
from bascule.audit.kubernetes.probes import probe
from bascule.audit.kubernetes.workloads import Container
from bascule.audit.tree import at

HOW_TIMEOUTS = "say timeout: for each need in the system file, and give the HAProxy configuration"
HOW_MANIFESTS = "give the Kubernetes manifests, with the Services in front of the workloads"


def retries(evidence: Evidence) -> Says | None:
    """Whether retries are bounded; how long they wait cannot be read from here."""
    broken = evidence.broken("retries-multiply", "unsafe-retries")
    return Says("failed", f"found by {broken}") if broken else None


def timeouts(evidence: Evidence) -> Says | None:
    """Whether each call has a timeout, and none is the wrong way round: the file's word needs a real configuration."""
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
    return _timed(evidence, len(needs), [call for call, need in needs.items() if need.timeout is None])


def _timed(evidence: Evidence, calls: int, without: list[str]) -> Says | None:
    if not calls:
        return None
    if without:
        return Says("unknown", f"the file says no timeout for {', '.join(without[:5])}")
    if not any(configuration.is_whole for configuration, _ in balanced(evidence.estate)):
        return Says("unknown", f"the file says one for each of {calls} calls, and no configuration shows any")
    doubt = _pieces(evidence) or unsure(evidence, "haproxy")
    if doubt:
        return Says("unknown", doubt)
    return Says("proved", f"each of {calls} calls has one, they shrink along the chain, and HAProxy has its own")


def _pieces(evidence: Evidence) -> str:
    pieces = [one.file.name for one in evidence.estate.of(Configuration) if not one.is_whole]
    return f"{pieces[0]} is a piece of a configuration, and its timeouts are not known" if pieces else ""


def shutdown(evidence: Evidence) -> Says | None:
    """Whether pods that serve are given the time to finish what they do."""
    rules = ("grace-no-longer-than-pre-stop", "no-pause-before-shutdown", "no-grace-at-all")
    return manifests(evidence, rules, lambda one: "" if at(one.node, "lifecycle", "preStop") else "no preStop hook")


def probes(evidence: Evidence) -> Says | None:
    """Whether containers that serve have both probes, and each the right one."""
    rules = ("no-readiness-probe", "liveness-equals-readiness", "liveness-asks-dependencies")
    return manifests(evidence, rules, lambda one: _without(one, "readinessProbe", "livenessProbe"))


def _without(one: Container, *probes_: str) -> str:
    return next((f"no {key}" for key in probes_ if probe(one, key) is None), "")


def ready(one: Container) -> str:
    """What a container lacks that a Service needs in order to ask it first; empty when it lacks nothing."""
    return _without(one, "readinessProbe")


def manifests(evidence: Evidence, rules: tuple[str, ...], lacks: Callable[[Container], str]) -> Says | None:
    """What these rules and each serving container say; None where no container is known to serve.

    Args:
        evidence: All that there is.
        rules: A point fails where one of them found something.
        lacks: What a container must have in order to prove the point, and has not; empty when it has it.
    """
    broken = evidence.broken(*rules)
    if broken:
        return Says("failed", f"found by {broken}")
    found = list(serving(evidence))
    if not found:
        return None
    short = [f"container {each.name} of {one.subject} has {told}" for one, each in found if (told := lacks(each))]
    doubt = named(short) or unsure(evidence, "kubernetes")
    if doubt:
        return Says("unknown", doubt)
    return Says("proved", f"each of {len(found)} containers behind a Service has it, and the rules found nothing")


def sessions(evidence: Evidence) -> Says | None:
    """Whether clients are tied to one process."""
    broken = evidence.broken("clients-tied-to-one-pod")
    return Says("failed", f"found by {broken}") if broken else None
