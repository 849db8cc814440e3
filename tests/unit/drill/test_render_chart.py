from __future__ import annotations

import json

import vl_convert
from msgspec.structs import replace

from bascule.drill.render_chart import chart, description
from bascule.drill.report import Mark, Report
from bascule.measure.bins import Bin


def svg_of(report: Report, index: int) -> str:
    drawn: str = vl_convert.vegalite_to_svg(chart(report.trials[index]))
    return drawn


def test_the_chart_draws_every_part(sample_report: Report) -> None:
    svg = svg_of(sample_report, 1)
    for said in (">t0<", ">t4<", ">heal<", ">recovery<", ">server down<", ">edge-paris-a-1<", ">unknown<", ">p99<"):
        assert said in svg, said
    assert "seconds since the fault" in svg


def test_a_trial_without_a_fault_counts_from_its_start(sample_report: Report) -> None:
    svg = svg_of(sample_report, 0)
    assert "seconds since the start" in svg
    assert ">t0<" not in svg


def test_counts_become_rates_and_missing_latency_stays_missing(sample_report: Report) -> None:
    bins = (Bin(start_s=0.0, good=50, p50_ms=0.0, p99_ms=2.0, max_ms=3.0), Bin(start_s=0.25, failed=5))
    rows = chart(replace(sample_report.trials[1], bins=bins))["datasets"]["bins"]
    assert rows[0]["good"] == 200
    assert rows[0]["p50"] > 0
    assert (rows[1]["failed"], rows[1]["p50"]) == (20, None)


def test_a_kind_of_event_that_nobody_drew_before_is_drawn_all_the_same(sample_report: Report) -> None:
    trial = sample_report.trials[1]
    odd = replace(trial, marks=(*trial.marks, Mark(at_s=20.0, kind="brand_new", text="x", source="m")))
    assert ">brand new<" in svg_of(replace(sample_report, trials=(odd,)), 0)


def test_a_minute_of_a_trial_stays_small(sample_report: Report) -> None:
    assert len(json.dumps(chart(sample_report.trials[1]))) < 80_000


def test_the_chart_is_told_in_words(sample_report: Report) -> None:
    told = description(sample_report.trials[1])
    assert "24,000 operations over 60 seconds" in told
    assert "not good" in told
