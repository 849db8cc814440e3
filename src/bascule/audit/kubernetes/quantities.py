"""Numbers as Kubernetes reads them: shares of replicas, and amounts of resources. Pure."""

from __future__ import annotations

import math
import re

from bascule.audit.tree import Node, text, whole

_NUMBER = re.compile(r"[0-9]{1,5}")
_PERCENT = re.compile(r"([0-9]{1,9})%")
_AMOUNT = re.compile(
    r"([0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})(?:(m|k|[MGTPE]|[KMGTPE]i|u|n)|[eE]([+-]?[0-9]{1,2}))?"
)
_UNITS = {
    "n": 1e-9, "u": 1e-6, "m": 1e-3, "k": 1e3, "M": 1e6, "G": 1e9, "T": 1e12, "P": 1e15, "E": 1e18,
    "Ki": 2.0**10, "Mi": 2.0**20, "Gi": 2.0**30, "Ti": 2.0**40, "Pi": 2.0**50, "Ei": 2.0**60,
}  # fmt: skip


def is_number(port: str) -> bool:
    """Whether a port is written as a number, not as a name."""
    return _NUMBER.fullmatch(port) is not None


def percent(node: Node | None) -> int | None:
    """The percentage there; None where it is none."""
    found = _PERCENT.fullmatch(text(node) or "")
    return int(found[1]) if found else None


def pods(node: Node | None, total: int, *, up: bool) -> int | None:
    """How many pods a number or a percentage of `total` means; None where it is neither.

    A budget rounds up (`minAvailable` and `maxUnavailable`), and so do `maxSurge` of a Deployment and
    `maxUnavailable` of a DaemonSet; `maxUnavailable` of a Deployment rounds down.

    Source: Kubernetes documentation, Specifying a Disruption Budget, "Rounding logic when specifying percentages";
    Deployments, "Max Unavailable" and "Max Surge".

    Args:
        node: Where it is written.
        total: The replicas that a percentage is of; at least 0.
        up: Whether a part of a pod counts as a whole one.
    """
    count = whole(node)
    if count is not None:
        return count
    share = percent(node)
    if share is None:
        return None
    return -(-share * total // 100) if up else share * total // 100


def amount(node: Node | None) -> float | None:
    """An amount of a resource in its own unit (cores, bytes); None where it is none.

    Source: Kubernetes documentation, Resource Management for Pods and Containers, "Resource units in Kubernetes".
    """
    found = _AMOUNT.fullmatch(text(node) or "")
    if found is None:
        return None
    exponent = int(found[3]) if found[3] else 0
    value = float(found[1]) * _UNITS.get(found[2] or "", 1.0) * 10.0**exponent
    return value if math.isfinite(value) else None
