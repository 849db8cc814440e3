"""Kubernetes: do these manifests survive a drained node, a lost zone, an update and a busy day? Pure."""

from __future__ import annotations

from bascule.audit.estate import Reader
from bascule.audit.kubernetes import (
    rules_batch,
    rules_disruption,
    rules_manifests,
    rules_network,
    rules_placement,
    rules_probes,
    rules_references,
    rules_resources,
    rules_rollout,
    rules_scaling,
    rules_shutdown,
    rules_storage,
    rules_webhooks,
)
from bascule.audit.kubernetes.manifest import read_yaml
from bascule.audit.rule import Rule

READER = Reader(technology="kubernetes", read_yaml=read_yaml)
RULES: tuple[Rule, ...] = (
    *rules_manifests.RULES,
    *rules_disruption.RULES,
    *rules_scaling.RULES,
    *rules_placement.RULES,
    *rules_probes.RULES,
    *rules_shutdown.RULES,
    *rules_rollout.RULES,
    *rules_storage.RULES,
    *rules_references.RULES,
    *rules_resources.RULES,
    *rules_network.RULES,
    *rules_webhooks.RULES,
    *rules_batch.RULES,
)
