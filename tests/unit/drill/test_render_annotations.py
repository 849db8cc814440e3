"""A report as annotations of Grafana and as OpenMetrics text that Prometheus' own parser takes."""

from __future__ import annotations

import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from bascule.drill.render_annotations import MOST_CHARACTERS, MOST_STEPS, grafana, openmetrics
from bascule.drill.report import Mark, Report, Trial
from bascule.measure.verdict import Measure

HOSTILE = '<script>"\\\n\x1b[31m\u202e}{,=' + "x" * 5_000


def samples(text: str, name: str) -> list[Any]:
    families = text_string_to_metric_families(text)  # type: ignore[no-untyped-call]  # it ships no types
    return [sample for family in families for sample in family.samples if sample.name == name]


def active(text: str) -> list[tuple[float, float]]:
    return [(float(str(one.timestamp)), one.value) for one in samples(text, "bascule_fault_active")]


def only(report: Report, *trials: Trial) -> Report:
    return replace(report, trials=trials)


def struck(report: Report, *marks: tuple[float, str, str], **more: Any) -> Trial:
    told = tuple(Mark(at_s=at_s, kind=kind, text=text) for at_s, kind, text in marks)
    return replace(report.trials[1], marks=told, started_wall_s=1000.0, **more)


@pytest.fixture
def hostile(sample_report: Report) -> Report:
    marks = ((1.0, "fault", f"{HOSTILE} on {HOSTILE}"), (2.0, "heal", "undone"))
    trial = struck(sample_report, *marks, experiment=HOSTILE, target=HOSTILE)
    return replace(only(sample_report, trial, trial), system=HOSTILE)


def test_grafana_gets_a_region_for_each_trial_and_fault_in_milliseconds(sample_report: Report) -> None:
    found = grafana(sample_report)
    assert sum("trial" in one["tags"] for one in found) == len(sample_report.trials)
    kill = next(one for one in found if {"fault", "experiment:primary-kill"} <= set(one["tags"]))
    assert (kill["time"], kill["timeEnd"]) == (1_795_000_010_184, 1_795_000_038_204)
    assert kill["tags"][:2] == ["bascule", "fault"]
    assert {"system:taskmanagerpro", "target:database-paris-a-1", "verdict:PASS"} <= set(kill["tags"])
    assert [one["time"] for one in found] == sorted(one["time"] for one in found)


def test_grafana_is_told_each_verdict_in_words(sample_report: Report) -> None:
    texts = [one["text"] for one in grafana(sample_report) if "trial" in one["tags"]]
    for begin in (
        "PASS primary-kill: RTO 20.6 s",
        "FAIL partition: RTO 30.004 s",
        "INVALID freeze",
        "SKIPPED zone-loss",
    ):
        assert any(text.startswith(begin) for text in texts)


def test_grafana_never_gets_markup_and_nothing_without_bound(hostile: Report) -> None:
    for one in grafana(hostile):
        assert "<" not in one["text"]
        assert len(one["text"]) < 2 * MOST_CHARACTERS
        assert all(len(tag) <= 100 for tag in one["tags"])


def test_a_fault_is_0_before_1_while_it_acts_and_0_after(sample_report: Report) -> None:
    marks = ((10.0, "fault", "kill on db"), (50.0, "heal", "kill on db was undone"))
    text = openmetrics(only(sample_report, struck(sample_report, *marks)))
    assert active(text) == [(1009.999, 0), (1010.0, 1), (1025.0, 1), (1040.0, 1), (1050.0, 0)]
    labels = samples(text, "bascule_fault_active")[0].labels
    assert (labels["experiment"], labels["fault"], labels["target"]) == ("primary-kill", "kill", "db")


def test_overlapping_strikes_of_one_series_are_one_stretch(sample_report: Report) -> None:
    marks = (
        (1.0, "fault", "kill on db"),
        (3.0, "fault", "kill on db"),
        (4.0, "heal", "kill on db was undone"),
        (6.0, "heal", "kill on db was undone"),
    )
    text = openmetrics(only(sample_report, struck(sample_report, *marks)))
    assert active(text) == [(1000.999, 0), (1001.0, 1), (1006.0, 0)]


def test_an_endless_fault_is_a_bounded_number_of_samples(sample_report: Report) -> None:
    trial = struck(sample_report, (1.0, "fault", "kill on db"), duration_s=1e12)
    assert len(active(openmetrics(only(sample_report, trial)))) <= MOST_STEPS + 4


def test_each_trial_has_its_verdict_and_its_rto(sample_report: Report) -> None:
    text = openmetrics(sample_report)
    verdicts = [one.labels["verdict"] for one in samples(text, "bascule_trial_verdict")]
    assert verdicts == ["PASS", "PASS", "PASS", "FAIL", "INVALID", "SKIPPED"]
    rtos = {one.labels["experiment"]: one.value for one in samples(text, "bascule_trial_rto_seconds")}
    assert rtos["partition"] == pytest.approx(30.004)
    assert "control" not in rtos


@pytest.mark.parametrize(("value", "wanted"), [(math.inf, [math.inf]), (None, []), (math.nan, []), (5, [5.0])])
def test_never_is_infinite_and_unmeasured_is_no_sample(
    sample_report: Report, value: float | None, wanted: list[float]
) -> None:
    rto = Measure(name="rto", title="RTO", value=value, unit="s")
    verdict = replace(sample_report.trials[1].verdict, measures=(rto,))
    text = openmetrics(only(sample_report, replace(sample_report.trials[1], verdict=verdict)))
    assert [one.value for one in samples(text, "bascule_trial_rto_seconds")] == wanted


def test_hostile_names_are_labels_and_no_lines_of_their_own(hostile: Report) -> None:
    found = samples(openmetrics(hostile), "bascule_trial_verdict")
    assert [one.labels["trial"] for one in found] == ["1", "2"]
    assert found[0].labels["target"].startswith('<script>"\\ }{,=x')


@pytest.mark.skipif(shutil.which("promtool") is None, reason="promtool, of Prometheus, is not installed here")
def test_prometheus_makes_blocks_of_it(sample_report: Report, tmp_path: Path) -> None:
    file = tmp_path / "drill.om"
    file.write_text(openmetrics(sample_report))
    made = subprocess.run(
        [str(shutil.which("promtool")), "tsdb", "create-blocks-from", "openmetrics", str(file), str(tmp_path / "data")],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == 0, made.stderr
    assert list((tmp_path / "data").glob("*/meta.json"))
