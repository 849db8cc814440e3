"""What a probe asks, how long it is patient, and with what figures where it does not say. Pure.

Source: Kubernetes documentation, Configure Liveness, Readiness and Startup Probes, "Configure Probes".
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from bascule.audit.kubernetes.workloads import Container
from bascule.audit.tree import Node, at, items, text, whole

HANDLERS = ("httpGet", "tcpSocket", "exec", "grpc")
MOST_WORDS = 200
_ASKS_A_HOST = frozenset(
    {"pg_isready", "psql", "redis-cli", "valkey-cli", "mysqladmin", "mariadb-admin", "mysql", "mariadb"}
)
_OWN_HOST = re.compile(r"localhost.*|127\..*|\[?::1\]?|0\.0\.0\.0|.*[$`/].*|", re.DOTALL)
_NETCAT = frozenset({"nc", "ncat", "netcat"})
_NETCAT_TAKES = frozenset("wpsiqxX")


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


def judged_words(path: str) -> frozenset[str]:
    """The words of a path that say what it looks at: of what follows `health`, or else of its last segment.

    Words before that name the application, and one that says that it is about life itself is taken at its word.
    """
    segments = [one for one in path.lower().split("/") if one]
    health = [number for number, one in enumerate(segments) if one.startswith("health")]
    judged = segments[health[-1] + 1 :] if health else []
    words = frozenset(word for one in judged or segments[-1:] for word in re.split(r"[^a-z0-9]+", one))
    return frozenset() if any(word.startswith(("live", "alive")) for word in words) else words


def asked_of_others(one: Probe) -> str:
    """The host that a probe asks where it is, by all that is written, not its own pod; else empty."""
    kind, _, _, host, _, *command = one.handler
    if kind != "exec":
        return "" if _OWN_HOST.fullmatch(host) else host
    words = re.split(r"[\s;|&()'\"<>]+", " ".join(command))[:MOST_WORDS]
    for number, word in enumerate(words):
        tool = word.rpartition("/")[2]
        host = ""
        if tool in _ASKS_A_HOST:
            host = _host_option(words[number + 1 :])
        elif tool in _NETCAT:
            host = _host_of_netcat(words[number + 1 :])
        if not _OWN_HOST.fullmatch(host):
            return host
    return ""


def _host_option(words: list[str]) -> str:
    """What `-h`, `-hHOST`, `--host` or `--host=HOST` names; empty without one."""
    for number, word in enumerate(words):
        if word in {"-h", "--host"}:
            return words[number + 1] if number + 1 < len(words) else ""
        if word.startswith("--host="):
            return word.removeprefix("--host=")
        if word.startswith("-h") and len(word) > len("-h"):
            return word[2:]
    return ""


def _host_of_netcat(words: list[str]) -> str:
    """The first word that is no option nor the value of one, if a port follows it; empty when it listens."""
    takes_next = False
    for number, word in enumerate(words):
        if takes_next:
            takes_next = False
        elif word.startswith("-"):
            if "l" in word:
                return ""
            takes_next = word[-1] in _NETCAT_TAKES
        else:
            following = words[number + 1] if number + 1 < len(words) else ""
            return word if following.isdigit() else ""
    return ""


def _number(one: Container, port: str) -> str:
    """A port's number where it is named, so that `http` and `8080` are the same."""
    return next((str(known.number) for known in one.ports if known.name == port), port)
