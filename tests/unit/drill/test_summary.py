"""A report is never better than its worst trial, and trials together claim no more than their number supports."""

import math

from bascule.drill.report import Trial
from bascule.drill.summary import statistics, worst
from bascule.measure.verdict import Measure, Outcome, Verdict


def trial(outcome: Outcome, experiment: str = "primary-kill", rto_s: float | None = None, skipped: str = "") -> Trial:
    measures = () if rto_s is None else (Measure(name="rto", title="RTO", value=rto_s, unit="s"),)
    verdict = Verdict(outcome=outcome, reasons=(), measures=measures)
    return Trial(experiment=experiment, title="", scope="process", verdict=verdict, skipped=skipped)


def test_the_worst_trial_gives_the_outcome() -> None:
    control = trial("PASS", "control")
    assert worst([control, trial("PASS")]) == "PASS"
    assert worst([control, trial("PASS"), trial("FAIL")]) == "FAIL"
    assert worst([control, trial("INVALID"), trial("FAIL")]) == "INVALID"
    assert worst([control, trial("ABORTED"), trial("INVALID")]) == "ABORTED"


def test_what_was_skipped_proves_nothing() -> None:
    control = trial("PASS", "control")
    skipped = trial("INVALID", "partition", skipped="loopback cannot cut a network")
    assert worst([control, trial("PASS"), skipped]) == "PASS"
    assert worst([control, skipped]) == "INVALID"
    assert worst([control]) == "INVALID"


def test_one_trial_is_no_statistic() -> None:
    assert statistics([trial("PASS", "control"), trial("PASS", rto_s=20.0)]) == ()


def test_ten_good_trials_bound_the_probability_at_74_percent_and_no_p95_is_claimed() -> None:
    (found,) = statistics([trial("PASS", rto_s=20.0 + n / 10) for n in range(10)])
    assert (found.trials, found.met) == (10, 10)
    assert round(found.low, 2) == 0.74
    assert (found.rto_min_s, found.rto_max_s) == (20.0, 20.9)
    assert "P90" not in found.quantiles
    assert "P95" not in found.quantiles


def test_a_trial_that_never_recovered_counts_as_infinite() -> None:
    (found,) = statistics([trial("PASS", rto_s=20.0), trial("FAIL", rto_s=math.inf)])
    assert found.rto_max_s == math.inf
    assert found.quantiles == {}


def test_invalid_trials_are_not_counted() -> None:
    assert statistics([trial("PASS", rto_s=20.0), trial("INVALID", rto_s=1.0)]) == ()
