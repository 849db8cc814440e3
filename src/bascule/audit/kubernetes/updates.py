"""How many pods a rolling update takes away and adds. Pure.

Source: Kubernetes documentation, Deployments, "Max Unavailable" and "Max Surge".
"""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.kubernetes.quantities import pods
from bascule.audit.kubernetes.workloads import Workload
from bascule.audit.tree import Node, text


@dataclass(frozen=True, slots=True)
class Rolling:
    """What an update may do at the same time.

    Attributes:
        unavailable: How many pods fewer than wanted there may be.
        surge: How many more.
    """

    unavailable: int
    surge: int


def strategy(one: Workload) -> str:
    """The strategy of a Deployment."""
    return text(one.manifest.root, "spec", "strategy", "type") or "RollingUpdate"


def rolling(one: Workload, replicas: int) -> Rolling | None:
    """What a rolling update of a Deployment with so many replicas may do; None where it does not roll.

    Without a word of the manifest both are 25%. Where both come to nothing, the controller takes one pod away, lest
    the update never moves.

    Args:
        one: The workload.
        replicas: How many pods it has; at least 0.
    """
    if one.kind != "Deployment" or strategy(one) != "RollingUpdate":
        return None
    unavailable = _share(one.manifest.node("spec", "strategy", "rollingUpdate", "maxUnavailable"), replicas, up=False)
    surge = _share(one.manifest.node("spec", "strategy", "rollingUpdate", "maxSurge"), replicas, up=True)
    if unavailable is None or surge is None:
        return None
    if unavailable == 0 and surge == 0:
        unavailable = 1
    return Rolling(unavailable=min(unavailable, replicas), surge=surge)


def _share(written: Node | None, replicas: int, *, up: bool) -> int | None:
    if written is None or text(written) is None:
        return -(-25 * replicas // 100) if up else 25 * replicas // 100
    return pods(written, replicas, up=up)
