"""What a report says of a whole drill: its worst outcome, its promises, and what several trials say together. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bascule.drill.report import Statistic, Trial
from bascule.kernel.quantities import Duration
from bascule.measure.statistics import clopper_pearson, quantile_bounds, spread
from bascule.measure.verdict import Outcome
from bascule.system.model import System

_BADNESS: tuple[Outcome, ...] = ("PASS", "FAIL", "INVALID", "ABORTED")


def worst(trials: Iterable[Trial]) -> Outcome:
    """The worst outcome of the trials that ran; INVALID when no experiment ran at all: nothing was proved."""
    ran = [trial for trial in trials if not trial.skipped]
    if not any(trial.experiment != "control" for trial in ran):
        aborted = any(trial.verdict.outcome == "ABORTED" for trial in ran)
        return "ABORTED" if aborted else "INVALID"
    return max((outcome(trial) for trial in ran), key=_BADNESS.index)


def outcome(trial: Trial) -> Outcome:
    """What a trial's verdict means for its drill: a weakness that was expected and seen is no failure of the drill."""
    if trial.expected == "PASS" or trial.verdict.outcome not in {"PASS", "FAIL"}:
        return trial.verdict.outcome
    return "FAIL" if trial.surprise else "PASS"


def objectives(system: System) -> tuple[str, ...]:
    """Every promise of the system, a sentence each."""
    promised = system.objectives
    said = [f"{promised.availability.target} of requests are good over {promised.availability.window}"]
    if promised.latency is not None:
        said.append(f"{promised.latency.percentile:g} % of requests answer within {promised.latency.within}")
    said.extend(
        f"loss of a {scope}: served again within {held.rto} (RTO), {_kept(held.rpo)} (RPO {held.rpo})"
        for scope, held in promised.disruptions.items()
    )
    return tuple(said)


def _kept(rpo: Duration) -> str:
    return f"acknowledged writes of at most the last {rpo} lost" if rpo.seconds else "no acknowledged write lost"


def statistics(trials: Sequence[Trial]) -> tuple[Statistic, ...]:
    """For each experiment that was run and judged more than once: how often it held, and what bounds its RTO."""
    experiments = dict.fromkeys(t.experiment for t in trials if t.experiment != "control" and not t.skipped)
    found = []
    for experiment in experiments:
        judged = [t for t in trials if t.experiment == experiment and t.verdict.outcome in {"PASS", "FAIL"}]
        if len(judged) < 2:
            continue
        met = sum(trial.verdict.outcome == "PASS" for trial in judged)
        interval = clopper_pearson(met, len(judged))
        times = [value for trial in judged if (value := _rto_s(trial)) is not None]
        finite = [value for value in times if math.isfinite(value)]
        seen = spread(times) if times else None
        found.append(
            Statistic(
                experiment=experiment,
                trials=len(judged),
                met=met,
                low=interval.low,
                high=interval.high,
                rto_min_s=seen.min if seen else None,
                rto_median_s=seen.median if seen else None,
                rto_max_s=seen.max if seen else None,
                quantiles=quantile_bounds(times) if len(finite) == len(times) else {},
            )
        )
    return tuple(found)


def _rto_s(trial: Trial) -> float | None:
    return next((measure.value for measure in trial.verdict.measures if measure.name == "rto"), None)
