"""The verdict on one trial, and the measures that it stands on."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

Outcome = Literal["PASS", "FAIL", "INVALID", "ABORTED"]
EXIT_CODES: dict[str, int] = {"PASS": 0, "FAIL": 1, "INVALID": 2, "ABORTED": 3}


class Instants(Struct, frozen=True, kw_only=True):
    """The instants of an incident, in seconds of CLOCK_MONOTONIC; None when it did not come. See docs/measures.md.

    t0 fault witnessed; t1 due time of the first bad operation; t2 the system noticed; t3 first acknowledgement on the
    new epoch; t4 start of the first stable window; t5 full redundancy restored; `healed` the fault was undone.
    """

    t0_s: float
    t1_s: float | None = None
    t2_s: float | None = None
    t3_s: float | None = None
    t4_s: float | None = None
    t5_s: float | None = None
    healed_s: float | None = None


class Measure(Struct, frozen=True, kw_only=True):
    """One measured number beside its objective.

    Attributes:
        name: Stable identifier, as in the report's schema: `rto`, `rpo_writes`, `split_brain`, ...
        title: For people.
        value: None when it could not be measured; infinite (printed `never`) when the system never recovered.
        unit: `s`, `writes`, `%`, `ratio`, `count`.
        objective: The bound it was held to, in the same unit; None when nothing was promised.
        bound: Whether the value must not exceed (`at most`) or not fall below (`at least`) the objective.
        met: None when there is no objective.
        resolution: Smallest difference that it can show, in its unit.
        note: How it came about, in a few words.
    """

    name: str
    title: str
    value: float | None
    unit: str
    objective: float | None = None
    bound: Literal["at most", "at least"] = "at most"
    met: bool | None = None
    resolution: float | None = None
    note: str = ""


class Verdict(Struct, frozen=True, kw_only=True):
    """What is to be said of one trial. Never better than its evidence.

    Attributes:
        reasons: Why it is not PASS; for PASS, what it stands on.
    """

    outcome: Outcome
    reasons: tuple[str, ...]
    instants: Instants | None = None
    measures: tuple[Measure, ...] = field(default_factory=tuple)
