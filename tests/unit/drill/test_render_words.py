from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bascule.drill.render_words import (
    clean,
    headline,
    number_text,
    objective_text,
    part_texts,
    parts,
    report_headline,
    resolution_text,
    result_text,
    value_text,
)
from bascule.drill.report import Report, Trial
from bascule.measure.verdict import Instants, Measure, Verdict


def a_measure(value: float | None, unit: str = "s", **more: object) -> Measure:
    return replace(Measure(name="m", title="M", value=value, unit=unit), **more)


def named(report: Report, experiment: str) -> Trial:
    return next(trial for trial in report.trials if trial.experiment == experiment)


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (20.6199, "s", "20.62 s"),
        (0.0, "s", "0.00 s"),
        (0.0004, "s", "0.0004 s"),
        (0.01182, "s", "0.0118 s"),
        (0, "writes", "0 writes"),
        (1, "writes", "1 write"),
        (1729, "writes", "1,729 writes"),
        (99.1234, "%", "99.12 %"),
        (99.9987, "%", "99.9987 %"),
        (99.99951, "%", "99.99951 %"),
        (72.8149, "%", "72.81 %"),
        (100, "%", "100.00 %"),
        (271.94, "ratio", "272"),
        (0.0123, "ratio", "0.0123"),
        (3, "count", "3"),
        (1000.04, "ms", "1,000.0 ms"),
        (math.inf, "s", "never"),
        (None, "s", "—"),
        (math.nan, "s", "—"),
    ],
)
def test_a_number_has_sensible_digits_and_its_unit(value: float | None, unit: str, text: str) -> None:
    assert number_text(value, unit) == text


@pytest.mark.parametrize(("resolution", "text"), [(0.03, "20.62 s"), (0.001, "20.617 s"), (1.005, "20.6 s")])
def test_no_digit_is_finer_than_the_resolution(resolution: float, text: str) -> None:
    assert value_text(a_measure(20.6172, resolution=resolution)) == text


def test_a_resolution_stands_beside_a_value_only() -> None:
    assert resolution_text(a_measure(1.0, resolution=0.03)) == "± 0.03 s"
    assert resolution_text(a_measure(math.inf, resolution=0.03)) == ""
    assert resolution_text(a_measure(None, resolution=0.03)) == ""


@pytest.mark.parametrize(
    ("measure", "text"),
    [
        (a_measure(30.004, objective=30, met=False), "30.004 s"),
        (a_measure(29.9999, objective=30, met=True), "30.00 s"),
        (a_measure(99.9496, "%", objective=99.95, bound="at least", met=False), "99.9496 %"),
        (a_measure(0.001, "s", objective=0, met=False), "0.0010 s"),
    ],
)
def test_a_failed_value_never_reads_as_if_it_had_passed(measure: Measure, text: str) -> None:
    assert value_text(measure) == text


@given(
    value=st.floats(min_value=0, max_value=1e5),
    objective=st.floats(min_value=0, max_value=1e4).map(lambda number: round(number, 3)),
    at_least=st.booleans(),
)
def test_what_is_printed_stands_on_the_same_side_of_the_objective(
    value: float, objective: float, *, at_least: bool
) -> None:
    met = value >= objective if at_least else value <= objective
    if abs(value - objective) < 1e-6 * max(1.0, objective):
        return  # closer than any digit that is printed
    measure = a_measure(value, objective=objective, bound="at least" if at_least else "at most", met=met)
    shown = float(value_text(measure).removesuffix(" s").replace(",", ""))
    assert (shown >= objective if at_least else shown <= objective) == met


def test_an_objective_says_which_way_it_bounds() -> None:
    assert objective_text(a_measure(1.0, objective=30)) == "≤ 30 s"
    assert objective_text(a_measure(1.0, "%", objective=99.95, bound="at least")) == "≥ 99.95 %"
    assert objective_text(a_measure(1.0)) == ""


def test_without_evidence_nothing_is_met() -> None:
    assert result_text(a_measure(None, objective=30, met=None)) == "not judged"
    assert result_text(a_measure(None)) == ""


@pytest.mark.parametrize(
    ("experiment", "text"),
    [
        ("control", "PASS control: every operation was good"),
        ("primary-kill", "PASS primary-kill: RTO 20.6 s of 30 s promised, nothing lost"),
        ("partition", "FAIL partition: RTO 30.004 s of 30 s promised, 524 writes lost"),
        ("freeze", "INVALID freeze: the fault was not witnessed: process 4711 was never seen stopped"),
        ("zone-loss", "SKIPPED zone-loss: needs host faults, which this platform cannot do"),
    ],
)
def test_a_headline_says_it_all(sample_report: Report, experiment: str, text: str) -> None:
    assert headline(named(sample_report, experiment)) == text


def test_a_headline_names_every_other_promise_that_was_broken(sample_report: Report) -> None:
    trial = named(sample_report, "primary-kill")
    split = Measure(name="split_brain", title="split brain", value=3, unit="count", objective=0, met=False)
    rto = Measure(name="rto", title="RTO", value=math.inf, unit="s", objective=30, met=False)
    verdict = replace(trial.verdict, outcome="FAIL", measures=(rto, split))
    assert headline(replace(trial, verdict=verdict)) == (
        "FAIL primary-kill: RTO never of 30 s promised, split brain 3 of 0 promised"
    )


def test_the_report_counts_its_outcomes(sample_report: Report) -> None:
    assert report_headline(sample_report) == "INVALID: 3 of 6 trials passed, 1 failed, 1 invalid, 1 skipped"


def verdict_at(t2: float | None, t3: float | None, t4: float | None, t1: float | None = 100.0) -> Verdict:
    instants = Instants(t0_s=100.0, t1_s=t1, t2_s=t2, t3_s=t3, t4_s=t4)
    return Verdict(outcome="PASS", reasons=(), instants=instants)


@pytest.mark.parametrize(
    ("verdict", "names"),
    [
        (verdict_at(118.9, 119.4, 120.6), ["detection", "failover", "client"]),
        (verdict_at(None, 119.4, 120.6), ["detection + failover", "client"]),
        (verdict_at(118.9, None, 120.6), ["detection", "failover + client"]),
        (verdict_at(99.0, 121.0, 120.6), ["detection + failover + client"]),
        (verdict_at(118.9, 119.4, None), []),
        (verdict_at(None, None, 100.0), []),
        (verdict_at(None, None, 100.0, t1=None), []),
    ],
)
def test_a_part_without_its_instant_joins_its_neighbour(verdict: Verdict, names: list[str]) -> None:
    assert [part.name for part in parts(verdict)] == names


@given(st.lists(st.floats(min_value=0, max_value=60), min_size=3, max_size=3).map(sorted))
def test_the_printed_parts_add_up_to_the_printed_rto(ends: list[float]) -> None:
    total, found = part_texts(verdict_at(*(100.0 + end for end in ends)))
    if found:
        cents = [round(float(text.removesuffix(" s")) * 100) for _, text in found]
        assert sum(cents) == round(float(total.removesuffix(" s")) * 100)


def test_text_from_outside_cannot_command_the_terminal() -> None:
    assert clean("a\x1b[31mred\x1b[0m\nb\x07\u202ec\t") == "ared bc "
    assert clean("\x1b]0;title\x07") == "]0;title"
