"""What happens to faults, as facts. Their names are public API. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInjected(Fact):
    """A fault was journalled, and the platform had done it."""

    kind: str
    steps: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultWitnessed(Fact):
    """A fault was seen to act."""

    kind: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultNotWitnessed(Fact):
    """A fault was not seen to act; whatever follows proves nothing."""

    kind: str
    evidence: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultUndone(Fact):
    """Nothing of a fault is left."""

    kind: str
