"""Drills on a lab that stays up: verdicts that must not be PASS, and a drill killed in the middle of a partition."""

import json
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from drilling import SMALL, Command, measure_of, processes_of, report_of, trial_of, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]


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


def primary(lab: Path) -> str:
    _, out, _ = Command("lab", "status", "--dir", lab, "--json", directory=lab).result()
    members = json.loads(out)["members"]
    return next(str(one["member"]) for one in members if one["observation"]["role"] == "primary")


def whole(lab: Path) -> bool:
    code, _, _ = Command("lab", "status", "--dir", lab, directory=lab).result()
    return code == 0


def test_a_fault_aimed_at_the_wrong_member_is_invalid(lab: Path, run: Callable[..., Command], tmp_path: Path) -> None:
    standby = {"database-north-a-1": "database-south-a-1", "database-south-a-1": "database-north-a-1"}[primary(lab)]
    code, _, err = run(
        "drill", SMALL, "--lab", lab, "-o", tmp_path / "run", "-e", "primary-freeze", "--aim", standby, "--for", "1s"
    ).result()
    assert code == 2, err
    trial = trial_of(report_of(tmp_path / "run"), "primary-freeze")
    assert trial["verdict"]["outcome"] == "INVALID"
    assert any("not witnessed" in reason for reason in trial["verdict"]["reasons"])
    assert any("was not the primary" in sentence for sentence in trial["explanation"])


def test_an_outage_that_heals_by_itself_still_fails_an_rto_of_one_second(
    lab: Path, run: Callable[..., Command], tmp_path: Path
) -> None:
    strict = tmp_path / "strict.yaml"
    strict.write_text(SMALL.read_text().replace("process: {rto: 30s", "process: {rto: 1s"))
    code, _, err = run(
        "drill", strict, "--lab", lab, "-o", tmp_path / "run", "-e", "primary-freeze", "--for", "2s"
    ).result()
    assert code == 1, err
    trial = trial_of(report_of(tmp_path / "run"), "primary-freeze")
    rto = measure_of(trial, "rto")
    assert rto["met"] is False
    assert 1.0 < rto["value"] < 10.0
    assert measure_of(trial, "rpo_writes")["value"] == 0


def test_two_switchovers_lose_nothing_split_nothing_and_are_counted_together(
    lab: Path, run: Callable[..., Command], tmp_path: Path
) -> None:
    words = ("-e", "switchover", "--trials", "2", "--json")
    code, out, err = run("drill", SMALL, "--lab", lab, "-o", tmp_path / "run", *words).result()
    assert code == 0, err
    report = json.loads(out)
    trials = [trial for trial in report["trials"] if trial["experiment"] == "switchover"]
    assert len(trials) == 2
    assert {trial["target"] for trial in trials} == {"database-north-a-1", "database-south-a-1"}
    for trial in trials:
        assert measure_of(trial, "split_brain")["value"] == 0
        assert measure_of(trial, "rpo_writes")["value"] == 0
    (together,) = report["statistics"]
    assert (together["trials"], together["met"]) == (2, 2)
    assert together["low"] < 0.5
    assert together["quantiles"].keys() <= {"P50"}


def test_a_drill_that_is_killed_in_a_partition_leaves_a_healed_network_and_a_rerun_works(
    lab: Path, run: Callable[..., Command], tmp_path: Path
) -> None:
    drill = run("drill", SMALL, "--lab", lab, "-o", tmp_path / "killed", "-e", "partition")
    journal = tmp_path / "killed" / "journal.jsonl"
    wait_until(lambda: journal.exists() and '"active"' in journal.read_text(), 60.0, "a partition")
    drill.process.send_signal(signal.SIGKILL)
    drill.process.communicate()
    wait_until(lambda: '"undone"' in journal.read_text(), 60.0, "the watchdog undid the partition")
    wait_until(lambda: not processes_of(tmp_path), 30.0, "the watchdog ended")
    wait_until(lambda: whole(lab), 120.0, "the system is whole again")
    code, _, err = run("drill", SMALL, "--lab", lab, "-o", tmp_path / "rerun", "-e", "switchover").result()
    assert code == 0, err


def test_another_system_than_the_labs_is_refused(lab: Path, run: Callable[..., Command], tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    other.write_text(SMALL.read_text().replace("delay: 2ms", "delay: 3ms"))
    code, _, err = run("drill", other, "--lab", lab, "-o", tmp_path / "run").result()
    assert code == 2
    assert "runs another system" in err
