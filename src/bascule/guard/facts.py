"""What guards tell of their decisions. Pure: frozen structs, named in the past tense; the names are public API.

How they are compared and printed is written once, in `GuardFact`: made anew for each of them by `dataclass` it would be
a tenth of what importing the whole room takes.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class GuardFact(Fact):
    """Something that a guard decided.

    Attributes:
        guard: The name of the guard.
    """

    guard: str

    def _values(self) -> tuple[object, ...]:
        return tuple(getattr(self, field.name) for field in fields(self))

    def __eq__(self, other: object) -> bool:
        """Two facts are equal when they are of one kind and say the same."""
        return isinstance(other, GuardFact) and type(other) is type(self) and other._values() == self._values()

    def __hash__(self) -> int:
        """Equal facts have the same."""
        return hash((type(self), self._values()))

    def __repr__(self) -> str:
        """As it would be made."""
        told = (f"{field.name}={getattr(self, field.name)!r}" for field in fields(self))
        return f"{type(self).__name__}({', '.join(told)})"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class AttemptFailed(GuardFact):
    """An attempt failed and another one follows after `wait_s` seconds. `attempt` counts from 1."""

    attempt: int
    wait_s: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class RetriesGivenUp(GuardFact):
    """No further attempt is made. `reason`: `attempts`, `budget`, `deadline` or `retry_after`."""

    attempts: int
    reason: str
    error: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CircuitOpened(GuardFact):
    """Calls are refused for `open_s` seconds.

    `reason`: `failures`, `slow`, `probes`, `probes_hung`, `forced`, `isolated` or `shared`.
    """

    key: str
    reason: str
    open_s: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CircuitHalfOpened(GuardFact):
    """The wait is over: a few probes are let through."""

    key: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CircuitClosed(GuardFact):
    """Calls pass again. `reason`: `probes`, `forced`, `shared`."""

    key: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CallRefused(GuardFact):
    """A call was not made. `policy` says which of the guard's policies refused it."""

    policy: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class CallTimedOut(GuardFact):
    """A call ran longer than `limit_s` seconds. `abandoned`: it still runs, in a worker thread."""

    limit_s: float
    abandoned: bool


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class DeadlinePassed(GuardFact):
    """The time for a whole operation ran out."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class LimitChanged(GuardFact):
    """A learned concurrency limit moved."""

    limit: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class HedgeStarted(GuardFact):
    """A call had no answer after `after_s` seconds, and another one was started beside it."""

    attempt: int
    after_s: float


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class HedgeWon(GuardFact):
    """Another attempt than the first answered first."""

    attempt: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class FallbackUsed(GuardFact):
    """A call failed and something else was given instead. `kind`: `value`, `function`, `provider` or `stale`."""

    kind: str
    error: str
    age_s: float | None


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class LevelEntered(GuardFact):
    """The service gave something up: it now runs at `level`."""

    level: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class LevelLeft(GuardFact):
    """What `level` had given up is there again."""

    level: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class SharedStateLost(GuardFact):
    """The store that shares state between processes does not answer: each process decides alone."""

    error: str


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class SharedStateFound(GuardFact):
    """The store that shares state between processes answers again."""


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class FactsDropped(GuardFact):
    """A listener was too slow for `count` facts, and they were thrown away rather than kept or waited for."""

    count: int


@dataclass(frozen=True, slots=True, kw_only=True, repr=False, eq=False)
class LevelConditionFailed(GuardFact):
    """The condition of a service level raised instead of answering; the level stays as it was."""

    level: str
    error: str
