"""A claim about many trials, `rto p95 <= 30s`, and what one trial says to it. Pure."""

from __future__ import annotations

import math
import re
from typing import Literal

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.measure.verdict import Verdict

Said = Literal["within", "over", "undetermined"]
EXAMPLE = "rto p95 <= 30s"
_MEASURES = {"rto": "s", "later_outage": "s", "redundancy_restored": "s", "rpo_writes": "writes"}
_CLAIM = re.compile(r"\s*(?P<measure>[a-z_]+)\s+p(?P<percent>[0-9]{1,2}(?:\.[0-9]{1,3})?)\s*<=\s*(?P<bound>\S.*?)\s*")
_MAXIMUM = re.compile(r"\s*[a-z_]+\s+max\b.*")
_COUNT = re.compile(r"[0-9]{1,12}")


class Claim(Struct, frozen=True, kw_only=True):
    """In `percent` of all trials, the measure is at most the bound.

    Attributes:
        text: As it is told.
        measure: As in the report: `rto`, `rpo_writes`, ...
        bound: In the measure's unit.
    """

    text: str
    measure: str
    percent: float
    bound: float

    @property
    def share(self) -> float:
        """The share of trials that are claimed to be within the bound."""
        return self.percent / 100

    def said_by(self, verdict: Verdict) -> Said:
        """What one trial says: only a judged trial with the measure is within or over; never recovered is over."""
        if verdict.outcome not in {"PASS", "FAIL"}:
            return "undetermined"
        value = next((one.value for one in verdict.measures if one.name == self.measure), None)
        if value is None or math.isnan(value):
            return "undetermined"
        return "within" if value <= self.bound else "over"


def parse(text: str) -> Claim:
    """The claim that a person wrote.

    Raises:
        InputError: It is none, or one that no number of trials can show.
    """
    if _MAXIMUM.fullmatch(text):
        raise InputError(
            f"{text!r} cannot be claimed: no number of trials shows a maximum",
            hint="claim a share of the trials: p99 takes 299 trials, p95 takes 59",
        )
    match = _CLAIM.fullmatch(text)
    if match is None:
        raise InputError(f"{text!r} is not a claim", hint=f"write it like {EXAMPLE!r}")
    measure, percent = match["measure"], float(match["percent"])
    if measure not in _MEASURES:
        raise InputError(f"nothing can be claimed of {measure!r}", hint=f"claim one of {', '.join(_MEASURES)}")
    if percent < 50:
        raise InputError(f"p{percent:g} speaks of the fewer trials only", hint="claim p50 or more")
    bound = _bound(measure, match["bound"])
    said = f"{bound:g}" if _MEASURES[measure] == "writes" else str(Duration(bound))
    return Claim(text=f"{measure} p{percent:g} <= {said}", measure=measure, percent=percent, bound=bound)


def _bound(measure: str, text: str) -> float:
    if _MEASURES[measure] == "s":
        return Duration.parse(text).seconds
    if _COUNT.fullmatch(text) is None:
        raise InputError(f"{text!r} is not a number of writes", hint="write it like 'rpo_writes p95 <= 0'")
    return float(text)
