"""What several drills measured, gathered for predictions: all judged times, and how many trials told nothing. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from bascule.drill.report import Report, Trial
from bascule.measure.calibration import Calibrated, Calibration, times

MEASURES = ("rto", "detection", "failover", "client_recovery", "redundancy_restored")
_Facts = tuple[str, str, str, str, str, str, tuple[tuple[str, str], ...]]


def gather(reports: Iterable[Report]) -> Calibration:
    """One entry for each system, engine, experiment, version and machine; nothing of different ones is mixed."""
    trials: dict[_Facts, list[Trial]] = {}
    for report in reports:
        machine = report.machine
        programs = tuple(sorted(machine.programs.items()))
        for trial in report.trials:
            if trial.experiment != "control" and not trial.skipped:
                facts = (report.system, _engine(trial), trial.experiment, report.version)
                trials.setdefault((*facts, machine.kernel, machine.platform, programs), []).append(trial)
    return Calibration(measured=tuple(_entry(facts, found) for facts, found in trials.items()))


def _engine(trial: Trial) -> str:
    return "+".join(sorted({node.engine for node in trial.before if node.hit}))


def _entry(facts: _Facts, trials: list[Trial]) -> Calibrated:
    system, engine, experiment, version, kernel, platform, programs = facts
    judged = [trial for trial in trials if trial.verdict.outcome in {"PASS", "FAIL"}]
    return Calibrated(
        system=system,
        engine=engine,
        experiment=experiment,
        judged=len(judged),
        undetermined=len(trials) - len(judged),
        times={name: times([_value(trial, name) for trial in judged]) for name in MEASURES},
        version=version,
        kernel=kernel,
        platform=platform,
        programs=dict(programs),
    )


def _value(trial: Trial, name: str) -> float | None:
    return next((one.value for one in trial.verdict.measures if one.name == name), None)
