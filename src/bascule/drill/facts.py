"""What happens in a drill, as facts, and how they are told. Their names are public API. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.chaos.facts import FaultInjected, FaultNotWitnessed, FaultUndone, FaultWitnessed
from bascule.kernel.facts import Fact, ListenerFailed


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialBegan(Fact):
    """A trial began: the system was whole, and load is about to be offered."""

    experiment: str
    primary: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialJudged(Fact):
    """A trial has its verdict."""

    experiment: str
    outcome: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged(Fact):
    """A member answers otherwise than before: it came up or went down, or its role changed."""

    member: str
    up: bool
    role: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskStalled(Fact):
    """The disk under all hosts took `length_s` for a write of a few bytes."""

    length_s: float


def tell(fact: Fact) -> str:  # noqa: PLR0911 - one answer for each kind of fact
    """A fact in a few words; a fact of another room by its name."""
    match fact:
        case TrialBegan():
            return f"{fact.experiment} begins; {fact.primary or 'nobody'} is primary"
        case TrialJudged():
            return f"{fact.experiment}: {fact.outcome}"
        case MemberChanged():
            return f"{fact.member} {f'is up as {fact.role}' if fact.up else 'is down'}"
        case DiskStalled():
            return f"this machine's disk stalled for {fact.length_s:.2f} s, under every host at once"
        case FaultInjected():
            return f"{fact.kind} injected: {'; '.join(fact.steps)}"
        case FaultWitnessed():
            return f"{fact.kind} witnessed: {'; '.join(fact.evidence)}"
        case FaultNotWitnessed():
            return f"{fact.kind} NOT witnessed: {'; '.join(fact.evidence)}"
        case FaultUndone():
            return f"{fact.kind} undone"
        case ListenerFailed():
            return f"{fact.listener} failed to hear {fact.heard}: {fact.error}"
        case _:
            return type(fact).__name__
