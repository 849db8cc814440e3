"""What Chaos Toolkit may ask of a drill, and when an experiment counts as having held; without Chaos Toolkit itself."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.drill.render_json import to_json
from bascule.drill.report import Machine, Report, Trial
from bascule.kernel.errors import InputError, LabError
from bascule.measure.verdict import Measure, Verdict
from chaosbascule import actions, course, probes, tolerances


@pytest.fixture(autouse=True)
def present(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[course.Course]:
    monkeypatch.chdir(tmp_path)
    yield course.begin()
    course.begin()


def measured(name: str, *values: float | None) -> Report:
    trials = [
        Trial(
            experiment="primary-kill",
            title="",
            scope="process",
            verdict=Verdict(outcome="PASS", reasons=(), measures=(Measure(name=name, title="", value=each, unit="s"),)),
        )
        for each in values
    ]
    machine = Machine(kernel="", processors=2, memory_mib=1, python="", platform="namespaces")
    return Report(system="s", outcome="FAIL", machine=machine, objectives=(), trials=tuple(trials))


def test_before_any_drill_nothing_contradicts_the_promise() -> None:
    assert probes.verdict() == "NOT RUN"
    assert tolerances.promise_kept(probes.verdict())


@pytest.mark.parametrize(
    ("verdict", "kept"), [("PASS", True), ("RUNNING", True), ("FAIL", False), ("INVALID", False), ("ABORTED", False)]
)
def test_only_a_pass_keeps_the_promise_once_it_was_judged(verdict: str, kept: bool) -> None:
    assert tolerances.promise_kept(verdict) is kept


def test_a_drill_that_could_not_take_place_is_aborted_and_not_as_if_none_had_run() -> None:
    with pytest.raises(InputError):
        actions.drill("nowhere.yaml")
    assert probes.verdict() == "ABORTED"
    assert not tolerances.promise_kept(probes.verdict())


def test_a_fault_that_never_acted_is_remembered() -> None:
    assert probes.all_witnessed()
    with pytest.raises(LabError, match="no lab is up here"):
        actions.inject("process-kill", "nowhere", {"member": "a"})
    assert not probes.all_witnessed()


def test_a_fault_that_does_not_exist_counts_as_one_that_never_acted() -> None:
    with pytest.raises(InputError, match="did you mean"):
        actions.inject("proces-kill", "nowhere", {})
    assert not probes.all_witnessed()


def test_a_new_experiment_knows_nothing_of_the_last_one() -> None:
    with pytest.raises(InputError):
        actions.drill("nowhere.yaml")
    course.begin()
    assert (probes.verdict(), probes.all_witnessed()) == ("NOT RUN", True)


def test_undoing_in_a_lab_that_nobody_joined_does_nothing() -> None:
    assert actions.undo("nowhere") == []
    assert probes.injected("nowhere") == []
    assert not probes.fault_acts("nowhere")


def test_a_measure_is_the_worst_of_its_trials(present: course.Course) -> None:
    present.report = measured("rto", 3.0, 7.5, None)
    assert probes.measure("rto") == 7.5
    present.report = measured("goodput", 0.9, 0.4)
    assert probes.measure("goodput") == 0.4


@pytest.mark.parametrize(
    ("report", "told"),
    [(None, "no drill"), (measured("rpo", 1.0), "there are rpo"), (measured("rto", math.inf), "never came")],
)
def test_a_measure_that_there_is_not_fails_the_probe(present: course.Course, report: Report | None, told: str) -> None:
    present.report = report
    with pytest.raises(InputError) as error:
        probes.measure("rto")
    assert told in str(error.value)


def test_a_saved_drill_can_be_asked(tmp_path: Path) -> None:
    (tmp_path / "report.json").write_bytes(to_json(measured("rto", 3.0)))
    assert probes.verdict(str(tmp_path)) == "FAIL"
    assert probes.measure("rto", str(tmp_path)) == 3.0
    with pytest.raises(InputError, match="no report"):
        probes.verdict(str(tmp_path / "nowhere"))


def test_two_runs_of_one_second_have_two_directories() -> None:
    assert course.run_directory("x") != course.run_directory("x")
