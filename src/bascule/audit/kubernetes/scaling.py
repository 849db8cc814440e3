"""How many pods a workload has at least and at most, autoscalers taken into account. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.audit.kubernetes.manifest import Manifest
from bascule.audit.kubernetes.workloads import REPLICATED, Workload
from bascule.audit.tree import text, whole


@dataclass(frozen=True, slots=True, eq=False)
class Autoscaler:
    """A HorizontalPodAutoscaler; without `minReplicas` it is 1.

    Source: Kubernetes API reference, HorizontalPodAutoscalerSpec.
    """

    manifest: Manifest
    target: tuple[str, str]
    minimum: int
    maximum: int | None


@dataclass(frozen=True, slots=True)
class Replicas:
    """How many pods there are meant to be.

    Attributes:
        fewest: The least; 0 where the workload is switched off.
        most: The most.
    """

    fewest: int
    most: int


def autoscaler(manifest: Manifest) -> Autoscaler:
    """What a HorizontalPodAutoscaler's manifest says."""
    target = manifest.node("spec", "scaleTargetRef")
    minimum = whole(manifest.root, "spec", "minReplicas")
    return Autoscaler(
        manifest=manifest,
        target=(text(target, "kind") or "", text(target, "name") or ""),
        minimum=1 if minimum is None else minimum,
        maximum=whole(manifest.root, "spec", "maxReplicas"),
    )


def replicas(workload: Workload, scaler: Autoscaler | None, *, scaled_otherwise: bool) -> Replicas | None:
    """How many pods a workload has; None where nobody can tell from its manifest.

    Args:
        workload: Of any kind; only some have replicas.
        scaler: What scales it.
        scaled_otherwise: Something else than a HorizontalPodAutoscaler decides on it.
    """
    if workload.kind not in REPLICATED or scaled_otherwise:
        return None
    if scaler is not None:
        most = scaler.minimum if scaler.maximum is None else scaler.maximum
        return Replicas(fewest=scaler.minimum, most=max(most, scaler.minimum))
    written = workload.manifest.node("spec", "replicas")
    count = 1 if written is None or text(written) is None else whole(written)
    return None if count is None else Replicas(fewest=count, most=count)
