"""What is remembered of a game day: when, how it ended, on what, and each trial's verdict and RTO. Pure."""

from __future__ import annotations

import hashlib
import math
from typing import Literal

from msgspec import Struct

from bascule.drill.report import Machine, Report, Trial
from bascule.drill.summary import outcome
from bascule.measure.verdict import Outcome

State = Literal["running", "done", "interrupted", "failed"]
CONTROL = "control"


class TrialLine(Struct, frozen=True, kw_only=True):
    """One trial of a game day.

    Attributes:
        outcome: What it means for its drill: a weakness that was expected and seen passes. Empty when it was skipped.
        rto_s: None when there is none; infinite when clients were never served again.
        promised_s: To what the RTO was held.
        reason: Why it is not PASS, or was skipped.
    """

    experiment: str
    outcome: Outcome | Literal[""]
    rto_s: float | None = None
    promised_s: float | None = None
    reason: str = ""


class Day(Struct, frozen=True, kw_only=True):
    """One game day.

    Attributes:
        identity: Of its drill: no drill is in a history twice. Empty while there is no report.
        planned_s: The date that it was held for; None for one that was begun by hand, or added.
        started_s, ended_s: Seconds since the Unix epoch.
        outcome: Of the whole drill; empty when it left no report.
        system: A digest of the system file, to see that it changed; empty where it is not known.
        directory: Of its reports; it may be gone.
        error: Why it left no report.
    """

    state: State
    started_s: float
    number: int = 0
    identity: str = ""
    planned_s: float | None = None
    ended_s: float | None = None
    outcome: Outcome | Literal[""] = ""
    version: str = ""
    machine: str = ""
    system: str = ""
    directory: str = ""
    error: str = ""
    trials: tuple[TrialLine, ...] = ()


def identity(report: Report) -> str:
    """What a drill's report has in common with no other's."""
    command = hashlib.sha256(report.command.encode()).hexdigest()[:16]
    return f"{report.started_wall_s!r}/{report.seed}/{command}"


def digest(content: bytes) -> str:
    """A few characters that differ wherever two system files do."""
    return hashlib.sha256(content).hexdigest()[:12]


def day(report: Report, directory: str, *, planned_s: float | None = None, system: str = "") -> Day:
    """What is to be remembered of a drill that left this report."""
    return Day(
        state="done",
        identity=identity(report),
        planned_s=planned_s,
        started_s=report.started_wall_s,
        ended_s=report.started_wall_s + report.duration_s,
        outcome=report.outcome,
        version=report.version,
        machine=machine_text(report.machine),
        system=system,
        directory=directory,
        trials=tuple(_line(trial) for trial in report.trials),
    )


def machine_text(machine: Machine) -> str:
    """The machine in a few words; two runs with other words were not measured on the same."""
    memory = f"{machine.memory_mib / 1024:.1f} GiB"
    return f"{machine.processors} processors, {memory}, {machine.kernel}, {machine.platform}"


def _line(trial: Trial) -> TrialLine:
    rto = next((one for one in trial.verdict.measures if one.name == "rto"), None)
    value = rto.value if rto and rto.value is not None and not math.isnan(rto.value) else None
    reasons = trial.skipped or (trial.verdict.reasons[0] if trial.verdict.reasons else "")
    return TrialLine(
        experiment=trial.experiment,
        outcome="" if trial.skipped else outcome(trial),
        rto_s=value,
        promised_s=rto.objective if rto else None,
        reason="" if outcome(trial) == "PASS" else reasons,
    )
