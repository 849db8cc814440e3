"""What can be claimed, and what one trial says to it."""

import math

import pytest

from bascule.kernel.errors import InputError
from bascule.measure.claims import Claim, parse
from bascule.measure.verdict import Measure, Outcome, Verdict


def verdict(value: float | None, outcome: Outcome = "PASS", name: str = "rto") -> Verdict:
    measure = Measure(name=name, title=name, value=value, unit="s")
    return Verdict(outcome=outcome, reasons=(), measures=(measure,))


@pytest.mark.parametrize(
    ("text", "claim"),
    [
        ("rto p95 <= 30s", Claim(text="rto p95 <= 30s", measure="rto", percent=95.0, bound=30.0)),
        ("  rto   p99.5<=1m30s ", Claim(text="rto p99.5 <= 90s", measure="rto", percent=99.5, bound=90.0)),
        ("rpo_writes p90 <= 0", Claim(text="rpo_writes p90 <= 0", measure="rpo_writes", percent=90.0, bound=0.0)),
    ],
)
def test_a_claim_is_read(text: str, claim: Claim) -> None:
    found = parse(text)
    assert (found.measure, found.percent, found.bound) == (claim.measure, claim.percent, claim.bound)
    assert parse(found.text) == found


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "not a claim"),
        ("rto", "not a claim"),
        ("rto p95 < 30s", "not a claim"),
        ("rto p95 >= 30s", "not a claim"),
        ("rto p100 <= 30s", "not a claim"),
        ("rto p0 <= 30s", "fewer trials"),
        ("rto p95 <= 30", "not a duration"),
        ("rto p95 <= never", "not a duration"),
        ("rto max <= 30s", "no number of trials shows a maximum"),
        ("rot p95 <= 30s", "nothing can be claimed of 'rot'"),
        ("rpo_writes p95 <= 0s", "not a number of writes"),
        ("rto p95 <= 30s; rto p99 <= 60s", "not a duration"),
    ],
)
def test_what_is_no_claim_is_refused_with_a_hint(text: str, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as refused:
        parse(text)
    assert refused.value.hint


def test_a_trial_is_within_or_over() -> None:
    claim = parse("rto p95 <= 30s")
    assert claim.said_by(verdict(30.0)) == "within"
    assert claim.said_by(verdict(30.001, "FAIL")) == "over"
    assert claim.said_by(verdict(12.0, "FAIL")) == "within"


def test_a_service_that_never_came_back_is_over() -> None:
    assert parse("rto p95 <= 30s").said_by(verdict(math.inf, "FAIL")) == "over"


def test_a_trial_that_was_not_judged_or_not_measured_is_undetermined() -> None:
    claim = parse("rto p95 <= 30s")
    assert claim.said_by(verdict(1.0, "INVALID")) == "undetermined"
    assert claim.said_by(verdict(1.0, "ABORTED")) == "undetermined"
    assert claim.said_by(verdict(math.inf, "INVALID")) == "undetermined"
    assert claim.said_by(verdict(None)) == "undetermined"
    assert claim.said_by(verdict(math.nan)) == "undetermined"
    assert claim.said_by(verdict(1.0, name="detection")) == "undetermined"
