"""What a probe asks, how long it is patient, and with what figures where it does not say. Pure.

Source: Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, "Configure Probes".
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.kubernetes.workloads import Container
from bascule.audit.tree import Node, at, items, text, whole

HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")


@dataclass(frozen=True, slots=True, eq=False)
class Probe:
    """A probe of a container.

    Attributes:
        key: `livenessProbe`, `readinessProbe` or `startupProbe`.
        handler: How it asks, and what: two probes with equal handlers ask the same.
        path: The path of an HTTP request; else empty.
        port: The port that it asks, by name or number as text; empty for a command.
        delay_s: From the container's start to the first question.
        period_s: From one question to the next.
        failures: How many failures in a row it takes.
    """

    key: str
    node: Node
    handler: tuple[str, ...]
    path: str
    port: str
    delay_s: int
    period_s: int
    failures: int

    @property
    def patience_s(self) -> int:
        """How long it takes from the first failure until it acts, at the longest."""
        return self.period_s * self.failures


def probe(one: Container, key: str) -> Probe | None:
    """A probe of a container; None where it has none, or one that asks nothing."""
    node = at(one.node, key)
    kind = next((kind for kind in HANDLERS if at(node, kind) is not None), None)
    if node is None or kind is None:
        return None
    asked = at(node, kind)
    command = tuple(text(word) or "" for word in items(asked, "command"))
    path = (text(asked, "path") or "/") if kind == "httpGet" else ""
    port = text(asked, "port") or ""
    host, service = text(asked, "host") or "", text(asked, "service") or ""
    delay, period, failures = (
        whole(node, name) for name in ("initialDelaySeconds", "periodSeconds", "failureThreshold")
    )
    return Probe(
        key=key,
        node=node,
        handler=(kind, path, _number(one, port), host, service, *command),
        path=path,
        port=port,
        delay_s=delay or 0,
        period_s=period or 10,
        failures=failures or 3,
    )


def _number(one: Container, port: str) -> str:
    """A port's number where it is named, so that `http` and `8080` are the same."""
    return next((str(known.number) for known in one.ports if known.name == port), port)
