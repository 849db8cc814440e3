"""What guards tell of their decisions. Pure: frozen structs, named in the past tense; the names are public API."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFact(Fact):
    """Something that a guard decided.

    Attributes:
        guard: The name of the guard.
    """

    guard: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptFailed(GuardFact):
    """An attempt failed and another one follows after `wait_s` seconds. `attempt` counts from 1."""

    attempt: int
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetriesGivenUp(GuardFact):
    """No further attempt is made. `reason`: `attempts`, `budget` or `deadline`."""

    attempts: int
    reason: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitOpened(GuardFact):
    """Calls are refused for `open_s` seconds.

    `reason`: `failures`, `slow`, `probes`, `probes_hung`, `forced`, `isolated` or `shared`.
    """

    key: str
    reason: str
    open_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitHalfOpened(GuardFact):
    """The wait is over: a few probes are let through."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitClosed(GuardFact):
    """Calls pass again. `reason`: `probes`, `forced`, `shared`."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRefused(GuardFact):
    """A call was not made. `policy` says which of the guard's policies refused it."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallTimedOut(GuardFact):
    """A call ran longer than `limit_s` seconds. `abandoned`: it still runs, in a worker thread."""

    limit_s: float
    abandoned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DeadlinePassed(GuardFact):
    """The time for a whole operation ran out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitChanged(GuardFact):
    """A learned concurrency limit moved."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeStarted(GuardFact):
    """A call had no answer after `after_s` seconds, and another one was started beside it."""

    attempt: int
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class HedgeWon(GuardFact):
    """Another attempt than the first answered first."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class FallbackUsed(GuardFact):
    """A call failed and something else was given instead. `kind`: `value`, `function`, `provider` or `stale`."""

    kind: str
    error: str
    age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelEntered(GuardFact):
    """The service gave something up: it now runs at `level`."""

    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelLeft(GuardFact):
    """What `level` had given up is there again."""

    level: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStateLost(GuardFact):
    """The store that shares state between processes does not answer: each process decides alone."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SharedStateFound(GuardFact):
    """The store that shares state between processes answers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FactsDropped(GuardFact):
    """A listener was too slow for `count` facts, and they were thrown away rather than kept or waited for."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LevelConditionFailed(GuardFact):
    """The condition of a service level raised instead of answering; the level stays as it was."""

    level: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FaultInjectedInCall(GuardFact):
    """A call was struck on purpose. `policy` says by which kind of injection."""

    policy: str
    experiment: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSwitchedOn(GuardFact):
    """Calls are struck from now on, for `for_s` seconds unless that is renewed."""

    experiment: str
    for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentSwitchedOff(GuardFact):
    """Calls are struck no longer; `injected` were. `reason`: `switched off`, `expired` or `file`."""

    experiment: str
    reason: str
    injected: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ExperimentRefused(GuardFact):
    """A file asked for an experiment that may not or cannot be; nothing of it was switched on."""

    experiment: str
    reason: str
