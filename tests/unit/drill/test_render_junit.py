from __future__ import annotations

import xml.etree.ElementTree as ET
from collections import Counter

import pytest
from msgspec.structs import replace

from bascule.drill.render_junit import junit
from bascule.drill.report import Report


@pytest.fixture
def root(sample_report: Report) -> ET.Element:
    return ET.fromstring(junit(sample_report))  # noqa: S314 - our own output


def suite(root: ET.Element, experiment: str) -> ET.Element:
    return next(one for one in root if one.get("name") == f"taskmanagerpro.{experiment}")


def test_there_is_a_suite_for_each_experiment_and_a_case_for_each_promise(root: ET.Element) -> None:
    assert [one.get("name", "").partition(".")[2] for one in root] == [
        "control", "primary-kill", "region-loss", "partition", "freeze", "zone-loss",
    ]  # fmt: skip
    names = [case.get("name") for case in suite(root, "primary-kill").iter("testcase")]
    assert names == [
        "verdict", "rto", "rpo_writes", "rpo_time", "split_brain", "lost_after_fault", "duplicated",
    ]  # fmt: skip


def test_the_counts_are_those_of_the_cases(root: ET.Element) -> None:
    for element in (root, *root.findall("testsuite")):
        endings = Counter(child.tag for case in element.iter("testcase") for child in case)
        assert element.get("tests") == str(len(list(element.iter("testcase"))))
        assert element.get("failures") == str(endings["failure"])
        assert element.get("errors") == str(endings["error"])
        assert element.get("skipped") == str(endings["skipped"])
        float(element.get("time", "missing"))


def test_fail_is_a_failure_with_its_numbers(root: ET.Element) -> None:
    failures = {case.get("name"): case.find("failure") for case in suite(root, "partition").iter("testcase")}
    assert failures["verdict"] is not None
    assert failures["rto"] is not None
    assert failures["rto"].get("message") == "RTO: measured 30.004 s ± 0.03 s, promised ≤ 30 s"
    assert failures["split_brain"] is None


def test_invalid_is_an_error_and_judges_no_promise(root: ET.Element) -> None:
    freeze = suite(root, "freeze")
    error = freeze.find("testcase/error")
    assert error is not None
    assert error.get("type") == "INVALID"
    assert freeze.get("failures") == "0"
    assert [child.tag for case in list(freeze.iter("testcase"))[1:] for child in case] == ["skipped"] * 6


def test_what_could_not_be_run_is_skipped(root: ET.Element) -> None:
    skipped = suite(root, "zone-loss").find("testcase/skipped")
    assert skipped is not None
    assert skipped.get("message") == "needs host faults, which this platform cannot do"


def test_trials_of_one_experiment_share_a_suite(sample_report: Report) -> None:
    trial = sample_report.trials[1]
    root = ET.fromstring(junit(replace(sample_report, trials=(trial, trial))))  # noqa: S314 - our own output
    assert len(root) == 1
    names = [case.get("name") for case in root.iter("testcase")]
    assert names[0] == "verdict (trial 1)"
    assert "rto (trial 2)" in names
    assert len(names) == len(set(names))


def test_hostile_text_is_still_xml(sample_report: Report) -> None:
    hostile = "]]> </failure> <x a='\"'> \x00\x08\x1b[31m \ud800 \uffff & é"
    trial = sample_report.trials[3]
    verdict = replace(trial.verdict, reasons=(hostile,))
    report = replace(
        sample_report, system=hostile, trials=(replace(trial, verdict=verdict, title=hostile, target=hostile),)
    )
    root = ET.fromstring(junit(report))  # noqa: S314 - our own output
    failure = root.find("testsuite/testcase/failure")
    assert failure is not None
    assert "]]> </failure> <x a='\"'>" in (failure.text or "")
    assert "& é" in (failure.text or "")
