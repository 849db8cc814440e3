"""What a checklist is made of: points, evidence, and what the one says about the other. Pure."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from bascule.audit.estate import Estate
from bascule.system.model import System

if TYPE_CHECKING:  # a prediction needs numpy, which an audit of files alone does without
    from bascule.availability.prediction import Prediction

State = Literal["proved", "failed", "not applicable", "unknown"]
Level = Literal["low", "good", "high", "ultra-high"]
DAY_S = 86400.0


class Drilled(Struct, frozen=True, kw_only=True):
    """One trial of a drill, as far as a checklist asks for it.

    Attributes:
        outcome: PASS, FAIL, INVALID or ABORTED.
        age_s: How long ago it was run.
    """

    experiment: str
    scope: str
    outcome: str
    age_s: float

    @property
    def is_failover(self) -> bool:
        """Whether somebody else had to take over, or did so as planned; a full disk or an old certificate is not it."""
        name = self.experiment.partition("@")[0]
        return name.endswith(("-kill", "-loss", "-freeze", "switchover"))


@dataclass(frozen=True, slots=True)
class Evidence:
    """All that a checklist is judged by.

    Attributes:
        estate: What was read.
        found: The names of the rules that found something, of all rules: suppressed or in a baseline counts too.
        drills: What drill reports say about this system; control trials are not among them.
    """

    estate: Estate
    found: Collection[str]
    drills: tuple[Drilled, ...] = ()

    @property
    def system(self) -> System | None:
        """The system, when its file was given."""
        return self.estate.system

    @property
    def prediction(self) -> Prediction | None:
        """What is predicted of it."""
        return self.estate.prediction

    def broken(self, *rules: str) -> str:
        """Which of these rules found something, for people; empty when none did."""
        return ", ".join(rule for rule in rules if rule in self.found)

    def drilled(self, most_age_s: float, *scopes: str) -> tuple[Drilled, ...]:
        """The judged trials that are not older than this, of these scopes; of any without one."""
        return tuple(
            one
            for one in self.drills
            if one.outcome in {"PASS", "FAIL"} and one.age_s <= most_age_s and (not scopes or one.scope in scopes)
        )


@dataclass(frozen=True, slots=True)
class Says:
    """What the evidence says about a point, and why."""

    state: State
    because: str


@dataclass(frozen=True, slots=True)
class Point:
    """One point of the checklist.

    Attributes:
        how: How it can be proved, for those to whom it is unknown.
        says: What the evidence says; None: nothing that Bascule can read proves it.
    """

    id: str
    group: str
    title: str
    how: str
    says: Callable[[Evidence], Says | None] | None = None


class Judged(Struct, frozen=True, kw_only=True):
    """A point, judged."""

    id: str
    group: str
    title: str
    state: State
    because: str
    how: str


class Checklist(Struct, frozen=True, kw_only=True):
    """The whole list, judged.

    Attributes:
        proved, applicable: The score is the first out of the second; what is unknown counts as not proved.
        level: By the share of points proved: under 60 % low, under 80 % good, under 95 % high, then ultra-high.
        note: What has to be known about the count.
    """

    points: tuple[Judged, ...]
    proved: int
    failed: int
    unknown: int
    applicable: int
    level: Level
    note: str
