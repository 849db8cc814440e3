"""A saved drill as the journal that Chaos Toolkit would have written of it, for tools that read those. Pure.

What clients saw before the first fault is the steady state before; the promises after the last trial are the one after.
FAIL is a deviation. INVALID is a deviation of status `failed`, as of a probe that could not be answered. ABORTED is the
status `aborted`, and has no steady state after.

Source: the Chaos Toolkit's reference, "The Chaos Toolkit journal format", and the journals that 1.19 writes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from bascule.drill.chaos_toolkit.export import experiment
from bascule.drill.chaos_toolkit.outline import Outline, PlannedDrill
from bascule.drill.render_words import utc_text
from bascule.drill.report import Report, Trial
from bascule.drill.summary import outcome
from bascule.measure.verdict import Measure

CONTROL = "control"
Run = dict[str, Any]


def journal(report: Report) -> dict[str, Any]:
    """The journal: its keys and types are those of Chaos Toolkit's own.

    It was not that library which ran the drill: `chaoslib-version` says so.
    """
    trials = [trial for trial in report.trials if trial.experiment != CONTROL]
    control = [trial for trial in report.trials if trial.experiment == CONTROL]
    aborted = report.outcome == "ABORTED"
    return {
        "chaoslib-version": f"none: bascule {report.version}",
        "platform": report.machine.kernel,
        "node": report.machine.platform,
        "experiment": _experiment(report, trials),
        "start": _moment(report.started_wall_s),
        "status": "aborted" if aborted else "failed" if report.outcome == "INVALID" else "completed",
        "deviated": report.outcome in {"FAIL", "INVALID"},
        "steady_states": {
            "before": _state([_judged(trial) for trial in control]) if control else None,
            "after": None if aborted else _state([each for trial in trials for each in _promises(trial)]),
            "during": [],
        },
        "run": [_ran(trial) for trial in trials],
        "rollbacks": [_undone(trial, at_s) for trial in trials if (at_s := _healed_s(trial)) is not None],
        "end": _moment(report.started_wall_s + report.duration_s),
        "duration": report.duration_s,
    }


def _experiment(report: Report, trials: Sequence[Trial]) -> dict[str, Any]:
    """The drill as an experiment that Chaos Toolkit could run."""
    names = tuple(dict.fromkeys(trial.experiment for trial in trials)) or (CONTROL,)
    outline = Outline(
        title=f"{report.system}: {', '.join(names)}",
        description="; ".join(report.objectives) or report.system,
        drills=(PlannedDrill(experiments=names, trials=max(1, len(trials) // len(names))),),
    )
    return {**experiment(outline, lab=f".bascule/{report.system}", system=f"{report.system}.yaml"), "dry": None}


def _state(probes: list[Run]) -> dict[str, Any]:
    return {"steady_state_met": all(each["tolerance_met"] for each in probes), "probes": probes}


def _judged(trial: Trial) -> Run:
    """Its verdict as a probe: INVALID and ABORTED are probes that could not be answered."""
    name = f"the verdict of {trial.experiment}" + (f" against {trial.target}" if trial.target else "")
    activity = _activity("probe", name, "verdict") | {"tolerance": "PASS"}
    answered = trial.verdict.outcome in {"PASS", "FAIL"}
    told = {**_run(activity, trial, trial.verdict.outcome), "status": "succeeded" if answered else "failed"}
    told |= {} if answered else {"exception": [f"{reason}\n" for reason in trial.verdict.reasons]}
    return told | {"tolerance_met": outcome(trial) == "PASS"}


def _promises(trial: Trial) -> list[Run]:
    """The verdict, and each promise with what was measured."""
    held = [each for each in trial.verdict.measures if each.met is not None]
    return [] if trial.skipped else [_judged(trial), *(_promise(trial, each) for each in held)]


def _promise(trial: Trial, measure: Measure) -> Run:
    bound = measure.objective if measure.objective is not None and math.isfinite(measure.objective) else 0.0
    value = None if measure.value is None else measure.value if math.isfinite(measure.value) else "never"
    name = f"{trial.experiment}: {measure.title} ({measure.unit})"
    activity = _activity("probe", name, "measure", name=measure.name, experiment=trial.experiment)
    within = [0, bound] if measure.bound == "at most" else [bound, _most(measure)]
    activity |= {"tolerance": {"type": "range", "range": within}}
    expected = outcome(trial) == "PASS"  # a weakness that was expected and seen is no deviation
    return {**_run(activity, trial, value), "tolerance_met": bool(measure.met) or expected}


def _most(measure: Measure) -> float:
    return {"%": 100.0, "ratio": 1.0}.get(measure.unit, 1e12)


def _ran(trial: Trial) -> Run:
    """The trial as an action; one that was skipped, or left no evidence, has failed."""
    name = f"{trial.title or trial.experiment}" + (f": {trial.target}" if trial.target else "")
    told: dict[str, Any] = {
        "outcome": trial.verdict.outcome,
        "reasons": list(trial.verdict.reasons),
        "explanation": list(trial.explanation),
        "faults": [mark.text for mark in trial.marks if mark.kind == "fault"],
    }
    activity = _activity("action", name, "drill", system="${bascule_system}", experiments=[trial.experiment])
    failed = trial.skipped or trial.verdict.outcome == "ABORTED"
    ran = {**_run(activity, trial, told), "status": "failed" if failed else "succeeded"}
    return ran | ({"exception": [f"{trial.skipped or '; '.join(trial.verdict.reasons)}\n"]} if failed else {})


def _healed_s(trial: Trial) -> float | None:
    return next((mark.at_s for mark in reversed(trial.marks) if mark.kind == "heal"), None)


def _undone(trial: Trial, at_s: float) -> Run:
    activity = _activity("action", f"undo {trial.experiment}", "undo", lab="${bascule_lab}")
    moment = _moment(trial.started_wall_s + at_s)
    told = [mark.text for mark in trial.marks if mark.kind == "heal"]
    return {
        "activity": activity,
        "output": told,
        "start": moment,
        "status": "succeeded",
        "end": moment,
        "duration": 0.0,
    }


def _run(activity: dict[str, Any], trial: Trial, output: object) -> Run:
    return {
        "activity": activity,
        "output": output,
        "start": _moment(trial.started_wall_s),
        "status": "succeeded",
        "end": _moment(trial.started_wall_s + trial.duration_s),
        "duration": trial.duration_s,
    }


def _activity(kind: str, name: str, function: str, /, **arguments: object) -> dict[str, Any]:
    provider = {"type": "python", "module": f"chaosbascule.{kind}s", "func": function, "arguments": arguments}
    return {"type": kind, "name": name, "provider": provider}


def _moment(wall_s: float) -> str:
    """ISO 8601 with microseconds, in UTC."""
    whole, part = divmod(round(wall_s * 1e6), 1_000_000)
    return f"{utc_text(whole, iso=True)}.{part:06d}+00:00"
