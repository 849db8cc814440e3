"""A drill until a claim is settled: what it says before, meanwhile and afterwards, and its exit code."""

import json
import math
import xml.etree.ElementTree as ET

import pytest
from msgspec.structs import replace
from rich.console import Console

from bascule.drill.claiming import Until, claim_text, exit_code, until
from bascule.drill.plan import choose
from bascule.drill.render_html import html
from bascule.drill.render_json import from_json, to_json
from bascule.drill.render_junit import junit
from bascule.drill.render_terminal import summary
from bascule.drill.report import Machine, Report, Trial
from bascule.kernel.errors import InputError
from bascule.measure.verdict import Measure, Outcome, Verdict

ONE = choose((), everything=False)


def claim(text: str = "rto p50 <= 30s", trials: int | None = None) -> Until:
    found = until(text, trials, ONE)
    assert found is not None
    return found


def trial(rto_s: float, outcome: Outcome = "PASS", experiment: str = "primary-kill", skipped: str = "") -> Trial:
    measure = Measure(name="rto", title="RTO", value=rto_s, unit="s")
    verdict = Verdict(outcome=outcome, reasons=("so",), measures=(measure,))
    return Trial(experiment=experiment, title=experiment, scope="", verdict=verdict, skipped=skipped)


CONTROL = trial(0.0, experiment="control")


def report(until: Until, trials: tuple[Trial, ...]) -> Report:
    machine = Machine(kernel="6", processors=2, memory_mib=1, python="3", platform="loopback")
    return Report(
        system="shop", outcome="PASS", machine=machine, objectives=(), trials=trials, claimed=until.claimed(trials)
    )


def test_the_control_trial_and_skipped_ones_say_nothing() -> None:
    found = claim().claimed((CONTROL, trial(1.0, "INVALID", skipped="no namespaces")))
    assert (found.trials, found.ending) == (0, "not shown")


def test_a_drill_that_was_stopped_has_not_shown_its_claim() -> None:
    found = claim().claimed((CONTROL, trial(1.0), trial(1.0, "ABORTED")))
    assert (found.ending, found.within, found.undetermined) == ("not shown", 1, 1)


def test_progress_counts_trials_and_those_over() -> None:
    told = claim().standing((CONTROL, trial(31.0), trial(1.0)))
    assert told == "trial 3 of at most 7, so far 1 over"
    assert claim().standing((trial(1.0, "INVALID"),)) == "trial 2 of at most 7, so far 0 over, 1 undetermined"


def test_it_says_before_what_it_takes() -> None:
    assert "takes 59 trials, all of them within it; at most 59 trials" in claim("rto p95 <= 30s").takes()
    assert "takes 93 trials, at most 1 of them not within it; at most 100" in claim("rto p95 <= 30s", 100).takes()


def test_a_claim_of_several_experiments_is_refused() -> None:
    with pytest.raises(InputError, match="one experiment, not 2"):
        until("rto p95 <= 30s", None, choose(("primary-kill", "host-loss"), everything=False))
    assert until(None, None, choose((), everything=True)) is None


def test_an_empty_claim_is_no_drill_without_one() -> None:
    with pytest.raises(InputError, match="not a claim"):
        until("", None, ONE)


@pytest.mark.parametrize(
    ("trials", "ending", "code"),
    [
        ([1.0] * 5, "shown", 0),
        ([math.inf] * 7, "refuted", 1),
        ([31.0, 1.0], "not shown", 2),
    ],
)
def test_exit_codes_and_every_report_tell_how_it_ended(trials: list[float], ending: str, code: int) -> None:
    subject = claim()
    ran = (CONTROL, *(trial(each) for each in trials))
    assert subject.is_settled(ran)
    assert not subject.is_settled(ran[:-1])
    drawn = report(subject, ran)
    assert drawn.claimed is not None
    assert exit_code("PASS", drawn.claimed) == code
    sentence = claim_text(drawn.claimed)
    assert f"rto p50 <= 30s: {ending} after {len(trials)} trials" in sentence
    assert from_json(to_json(drawn)) == drawn
    assert json.loads(to_json(drawn))["claimed"]["ending"] == ending
    assert f"rto p50 &lt;= 30s: {ending} after" in html(drawn)
    console = Console(width=200, record=True, file=None, quiet=True)
    console.quiet = False
    with console.capture() as shown:
        console.print(summary(drawn))
    assert f"Claim rto p50 <= 30s: {ending} after" in shown.get()
    case = ET.fromstring(junit(drawn)).find(".//testcase[@name='claim']")  # noqa: S314 - our own report, no entities
    assert case is not None
    kinds = [each.tag for each in case if each.tag != "system-out"]
    assert kinds == {"shown": [], "refuted": ["failure"], "not shown": ["error"]}[ending]
    assert case.get("classname") == "shop.primary-kill"


def test_a_shown_claim_hides_no_broken_promise() -> None:
    shown = claim().claimed(tuple(trial(1.0, "FAIL") for _ in range(5)))
    assert shown.ending == "shown"
    assert exit_code("FAIL", shown) == 1
    assert exit_code("ABORTED", shown) == 3
    assert exit_code("FAIL", None) == 1


def test_a_report_without_a_claim_has_no_word_of_it() -> None:
    plain = replace(report(claim(), (CONTROL, trial(1.0))), claimed=None)
    assert "Claim rto" not in html(plain)
    assert b'name="claim"' not in junit(plain)
