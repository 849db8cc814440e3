"""Timelines on a real system: several faults at once, grades, limits and expectations, seen from the report."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drilling import SMALL, Command, measure_of, processes_of, report_of, trial_of, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

CHAOS = """
experiments:
  late-standbys:
    title: The standbys are late, and the primary dies
    timeline:
      - {fault: network-delay, on: standbys, with: {delay_s: 0.03}, for: 8s}
      - {at: 3s, fault: process-kill, on: primary, for: 4s, starts_clock: true}
    blast: {last: true}
    steady: {for: 1s, probe: {command: ["/bin/true"]}}
  voters:
    timeline: [{fault: process-kill, on: {component: consensus}, for: 1s}]
    grades: [1%, 50%]
    objectives: {rto: 30s}
    steady: {for: 1s, probe: {command: ["/bin/sh", "-c", "test ! -e MARK"]}}
  stopped:
    timeline: [{fault: process-freeze, on: primary, for: 60s}]
    stop: {loss: true}
  known-weakness:
    timeline: [{fault: process-freeze, on: primary, for: 3s}]
    objectives: {rto: 100ms}
    expect: {outcome: FAIL, misses: [rto]}
"""
TOO_MUCH = """
experiments:
  too-much:
    timeline:
      - {fault: process-freeze, on: {component: database, count: 1}, for: 20s}
      - at: 1s
        one_of: [{fault: process-kill, on: {component: database, zone: north-a}}]
        for: 2s
      - at: 1s
        one_of: [{fault: process-kill, on: {component: database, zone: south-a}}]
        for: 2s
    blast: {share: 50%, last: true}
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    where = tmp_path_factory.mktemp("small")
    up = Command("lab", "up", SMALL, "--dir", where / "lab", directory=where)
    try:
        code, out, err = up.result()
        assert code == 0, out + err
        yield where / "lab"
    finally:  # also when the tests are interrupted while it comes up: it was made to outlive its command
        if up.process.poll() is None:
            up.interrupt()
        code, out, err = Command("lab", "down", "--dir", where / "lab", directory=where).result()
        assert code == 0, out + err
        wait_until(lambda: not processes_of(where), 20.0, f"an end of {processes_of(where)}")


Drill = Callable[..., tuple[int, str]]


@pytest.fixture
def drilled(lab: Path, run: Callable[..., Command], tmp_path: Path) -> Drill:
    """Runs experiments of the file on the lab; the exit code and what was said."""
    chaos = tmp_path / "chaos.yaml"
    chaos.write_text(CHAOS.replace("MARK", str(tmp_path / "mark")))

    def drill(*experiments: str, text: str = "") -> tuple[int, str]:
        if text:
            chaos.write_text(text)
        words = [word for name in experiments for word in ("-e", name)]
        code, out, err = run(
            "drill", SMALL, "--lab", lab, "-o", tmp_path / "run", "--experiments", chaos, *words, "--seed", "1"
        ).result()
        return code, out + err

    return drill


def journal(directory: Path) -> list[tuple[str, str]]:
    entries = [json.loads(line) for line in (directory / "journal.jsonl").read_text().splitlines()]
    return [(entry["fault"]["fault"], entry["state"]) for entry in entries]


def test_two_faults_act_at_once_and_the_clock_starts_at_the_second(drilled: Drill, tmp_path: Path) -> None:
    code, told = drilled("late-standbys")
    assert code == 0, told
    trial = trial_of(report_of(tmp_path / "run"), "late-standbys")
    assert trial["verdict"]["outcome"] == "PASS"
    struck = {mark["text"].split()[0]: mark["at_s"] for mark in trial["marks"] if mark["kind"] == "fault"}
    healed = {mark["text"].split()[0]: mark["at_s"] for mark in trial["marks"] if mark["kind"] == "heal"}
    assert struck["network-delay"] < struck["process-kill"] < healed["process-kill"] < healed["network-delay"]
    t0_s = trial["verdict"]["instants"]["t0_s"] - trial["started_s"]
    assert t0_s == pytest.approx(struck["process-kill"], abs=0.01)
    done = journal(tmp_path / "run")
    assert [fault for fault, state in done if state == "undone"] == ["process-kill", "network-delay"]


def test_grades_go_on_while_all_is_well_and_a_steady_state_that_does_not_come_back_is_no_pass(
    drilled: Drill, tmp_path: Path
) -> None:
    code, told = drilled("voters")
    assert code == 0, told
    trials = {trial["experiment"]: trial for trial in report_of(tmp_path / "run")["trials"]}
    assert [trials[f"voters@{grade}"]["verdict"]["outcome"] for grade in ("1%", "50%")] == ["PASS", "PASS"]
    assert trials["voters@50%"]["target"] == "consensus-north-a-1, consensus-south-a-1"


def test_a_steady_state_that_does_not_hold_is_no_beginning(drilled: Drill, tmp_path: Path) -> None:
    (tmp_path / "mark").touch()
    code, told = drilled("voters")
    assert code == 2, told
    trials = {trial["experiment"]: trial for trial in report_of(tmp_path / "run")["trials"]}
    first = trials["voters@1%"]["verdict"]
    assert first["outcome"] == "INVALID"
    assert "before any fault, the probe /bin/sh ended with exit code 1" in first["reasons"][0]
    assert trials["voters@50%"]["skipped"] == "an earlier grade was not passed"
    assert not (tmp_path / "run" / "journal.jsonl").exists() or journal(tmp_path / "run") == []


def test_a_stop_condition_undoes_all_at_once(drilled: Drill, tmp_path: Path) -> None:
    code, told = drilled("stopped")
    assert code == 3, told
    trial = trial_of(report_of(tmp_path / "run"), "stopped")
    assert "a stop condition was met" in trial["verdict"]["reasons"][0]
    assert "operations of clients were lost" in trial["verdict"]["reasons"][0]
    assert trial["duration_s"] < 50.0  # it was meant to act for 60 s
    assert journal(tmp_path / "run")[-1] == ("process-freeze", "undone")


def test_a_weakness_that_was_expected_and_seen_is_told_and_is_no_failure_of_the_drill(
    drilled: Drill, tmp_path: Path
) -> None:
    code, told = drilled("known-weakness")
    assert code == 0, told
    trial = trial_of(report_of(tmp_path / "run"), "known-weakness")
    assert trial["verdict"]["outcome"] == "FAIL"
    assert measure_of(trial, "rto")["met"] is False
    assert "FAIL known-weakness (as expected)" in " ".join(told.split())
    assert "<failure" not in (tmp_path / "run" / "junit.xml").read_text()


def test_a_strike_beyond_the_blast_radius_is_not_made(drilled: Drill, tmp_path: Path) -> None:
    """On paper it is refused before anything starts, so that nothing needs to be undone."""
    code, told = drilled("too-much", text=TOO_MUCH)
    assert code == 2, told
    assert "2 of 2 members of database would be hit at once, and 1 may" in " ".join(told.split())
    assert not (tmp_path / "run").exists()
