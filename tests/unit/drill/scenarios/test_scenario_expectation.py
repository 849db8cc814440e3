"""A known weakness shall be seen, and seen where it was expected; a drill tells everything else as a surprise."""

import pytest
from msgspec.structs import replace
from paper import scenario

from bascule.drill.course import Times
from bascule.drill.experiments import CATALOGUE
from bascule.drill.plan import Run
from bascule.drill.render_words import headline
from bascule.drill.report import Trial
from bascule.drill.scenarios.expectation import expected, surprise
from bascule.drill.summary import outcome, worst
from bascule.drill.trial import besides
from bascule.measure.verdict import Measure, Outcome, Verdict

RTO = Measure(name="rto", title="RTO", value=40.0, unit="s", objective=30.0, met=False)


def run(expect: str) -> Run:
    one = replace(
        CATALOGUE["primary-kill"], scenario=scenario(f"timeline: [{{fault: process-kill}}]\nexpect: {expect}")
    )
    return Run(experiment=one, number=1, phase_s=0.0)


def verdict(ending: Outcome) -> Verdict:
    return Verdict(outcome=ending, reasons=("a reason",), measures=(RTO,) if ending == "FAIL" else ())


@pytest.mark.parametrize(
    ("expect", "ending", "told", "means"),
    [
        ("PASS", "PASS", "", "PASS"),
        ("PASS", "FAIL", "it was expected to PASS", "FAIL"),
        ("FAIL", "FAIL", "", "PASS"),
        ("FAIL", "PASS", "it was expected to FAIL", "FAIL"),
        ("{outcome: FAIL, misses: [rto]}", "FAIL", "", "PASS"),
        ("{outcome: FAIL, misses: [rpo_writes]}", "FAIL", "it was expected to miss rpo_writes, and did not", "FAIL"),
        ("FAIL", "INVALID", "", "INVALID"),
        ("FAIL", "ABORTED", "", "ABORTED"),
    ],
)
def test_what_comes_is_held_to_what_was_expected(expect: str, ending: Outcome, told: str, means: Outcome) -> None:
    it, found = run(expect), verdict(ending)
    assert surprise(it, found) == told
    trial = Trial(
        experiment="x", title="", scope="process", verdict=found, expected=expected(it), surprise=surprise(it, found)
    )
    assert outcome(trial) == means
    control = Trial(experiment="control", title="", scope="", verdict=verdict("PASS"))
    assert worst([control, trial]) == means


def test_the_headline_says_that_a_failure_was_expected_or_that_a_success_was_not() -> None:
    weak = Trial(experiment="x", title="", scope="process", verdict=verdict("FAIL"), expected="FAIL")
    assert headline(weak).startswith("FAIL x (as expected): ")
    strong = Trial(
        experiment="x",
        title="",
        scope="process",
        verdict=verdict("PASS"),
        expected="FAIL",
        surprise="it was expected to FAIL",
    )
    assert headline(strong).startswith("PASS x (a surprise: it was expected to FAIL): ")


def test_a_probe_that_is_not_well_at_the_end_is_no_pass() -> None:
    moments = Times(started_s=0.0, afterwards="after the last repair, the probe x ended with exit code 1")
    found = besides(verdict("PASS"), moments)
    assert (found.outcome, found.reasons) == ("FAIL", (moments.afterwards,))
    assert besides(verdict("INVALID"), moments).outcome == "INVALID"


def test_why_a_strike_was_not_made_comes_first_among_the_reasons() -> None:
    moments = Times(started_s=0.0, missed="no healthy member would be left")
    assert besides(verdict("INVALID"), moments).reasons[0] == "no healthy member would be left"
