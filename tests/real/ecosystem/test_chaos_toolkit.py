"""Our experiments, run by the real Chaos Toolkit against a real lab; nothing is left, however they end."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from tests.real.ecosystem.toolkit import (
    EXTENSION,
    NORTH,
    NOTES,
    ROOT,
    SOUTH,
    Chaos,
    environment,
    inject,
    need_chaos_toolkit,
)

from bascule.lab import mark
from bascule.lab.lab import Lab

need_chaos_toolkit()
pytestmark = pytest.mark.real
Start = Callable[..., Chaos]
Written = Callable[..., dict[str, Any]]


def save(directory: Path, experiment: dict[str, Any]) -> Path:
    path = directory / "experiment.json"
    path.write_text(json.dumps(experiment))
    return path


def states(lab: Lab, member: str) -> set[str]:
    return {process.state for process in lab.world.processes(member)}


def eventually(condition: Callable[[], object], limit_s: float = 30.0) -> None:
    until_s = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < until_s, "not in time"
        time.sleep(0.05)


@pytest.mark.parametrize("ending", ["json", "yaml"])
def test_an_exported_fault_is_valid_runs_for_real_and_leaves_no_lab(chaos: Start, tmp_path: Path, ending: str) -> None:
    words = ["process-freeze", f"member={NORTH}", "--system", str(NOTES), "--for", "0.5s", "-o", f"it.{ending}"]
    argv = [sys.executable, "-m", "bascule", "chaos", "export", *words]
    subprocess.run(argv, cwd=tmp_path, check=True, env=environment(), capture_output=True)
    code, said = chaos("validate", f"it.{ending}").result()
    assert code == 0, said
    run = chaos("run", f"it.{ending}")
    code, said = run.result()
    assert code == 0, said
    journal = run.journal()
    assert (journal["status"], journal["deviated"]) == ("completed", False)
    injected, acts = journal["run"]
    assert injected["output"]["witnessed"] is True
    assert acts["output"] is True
    assert [each["status"] for each in journal["rollbacks"]] == ["succeeded", "succeeded"]
    assert journal["rollbacks"][0]["output"] == [f"stop every process of {NORTH}"]
    assert not mark.is_held(tmp_path / ".bascule" / "notes")


def test_clients_that_are_not_answered_are_a_deviation_and_the_lab_is_mended(
    chaos: Start, tmp_path: Path, lab: Lab, freeze: Written
) -> None:
    experiment = freeze(lab.directory)
    second = inject("process-freeze")
    second["provider"]["arguments"]["parameters"] = {"member": SOUTH}
    experiment["method"].insert(0, second)
    run = chaos("run", save(tmp_path, experiment))
    code, said = run.result()
    assert code == 1, said
    journal = run.journal()
    assert journal["deviated"] is True
    assert journal["steady_states"]["before"]["steady_state_met"] is True
    assert journal["steady_states"]["after"]["probes"][0]["output"] is False
    assert "frozen" not in states(lab, NORTH) | states(lab, SOUTH)
    assert lab.is_whole()


def test_a_fault_that_never_acted_is_a_deviation_too(chaos: Start, tmp_path: Path, lab: Lab, freeze: Written) -> None:
    experiment = freeze(lab.directory)
    experiment["method"].append(inject("process-freeze"))  # it is frozen already: nothing could be told from that
    run = chaos("run", save(tmp_path, experiment))
    run.result()
    journal = run.journal()
    assert journal["run"][-1]["status"] == "failed"
    assert journal["deviated"] is True


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR2])
def test_an_experiment_that_is_stopped_undoes_everything(
    chaos: Start, tmp_path: Path, lab: Lab, freeze: Written, end: signal.Signals
) -> None:
    run = chaos("run", save(tmp_path, freeze(lab.directory, hold_s=100.0)))
    log = tmp_path / "chaostoolkit.log"
    eventually(lambda: log.exists() and "Pausing after activity" in log.read_text())
    assert "frozen" in states(lab, NORTH)
    run.process.send_signal(end)
    run.result()
    assert run.journal()["status"] == "interrupted"
    assert "frozen" not in states(lab, NORTH)


def test_an_experiment_that_is_stopped_within_our_action_does_not_go_on(
    chaos: Start, tmp_path: Path, lab: Lab, freeze: Written
) -> None:
    experiment = freeze(lab.directory, hold_s=100.0)
    experiment["method"].insert(0, inject("process-freeze", hold_s=100.0))
    run = chaos("run", save(tmp_path, experiment))
    eventually(lambda: "frozen" in states(lab, NORTH))
    run.process.send_signal(signal.SIGTERM)
    run.result()
    journal = run.journal()
    assert (journal["status"], len(journal["run"])) == ("interrupted", 1)
    assert "frozen" not in states(lab, NORTH)


def test_what_a_killed_experiment_left_is_undone_by_the_watchdog(
    chaos: Start, tmp_path: Path, lab: Lab, freeze: Written
) -> None:
    run = chaos("run", save(tmp_path, freeze(lab.directory, hold_s=100.0)))
    eventually(lambda: "frozen" in states(lab, NORTH))
    os.kill(run.process.pid, signal.SIGKILL)
    run.result()
    eventually(lambda: "frozen" not in states(lab, NORTH))


def test_a_lab_that_the_control_made_dies_with_a_killed_experiment(
    chaos: Start, tmp_path: Path, freeze: Written
) -> None:
    mine = tmp_path / "mine"
    run = chaos("run", save(tmp_path, freeze(mine, hold_s=100.0)))
    eventually(lambda: list(tmp_path.glob("bascule-runs/*/journal.jsonl")))
    os.kill(run.process.pid, signal.SIGKILL)
    run.result()
    eventually(lambda: not mark.is_held(mine))


def test_an_experiment_without_a_lab_does_not_begin(chaos: Start, tmp_path: Path, freeze: Written) -> None:
    experiment = freeze(tmp_path / "nowhere")
    del experiment["controls"][0]["provider"]["arguments"]["system"]
    run = chaos("run", save(tmp_path, experiment))
    code, said = run.result()
    assert code == 1
    assert "no lab is up here" in said
    journal = run.journal()
    assert journal["status"] == "interrupted"
    assert journal["run"] == []


def test_an_argument_that_the_control_does_not_know_is_refused(chaos: Start, tmp_path: Path, freeze: Written) -> None:
    experiment = freeze(tmp_path / "nowhere")
    experiment["controls"][0]["provider"]["arguments"]["sytem"] = "x"
    code, said = chaos("validate", save(tmp_path, experiment)).result()
    assert code == 1
    assert "the control of bascule has the arguments" in said


def test_the_lab_can_be_named_on_the_command_line(chaos: Start, tmp_path: Path, lab: Lab, freeze: Written) -> None:
    path = save(tmp_path, freeze(tmp_path / "elsewhere", hold_s=0.1))
    code, said = chaos("run", path, "--var", f"bascule_lab={lab.directory}").result()
    assert code == 0, said
    assert not (tmp_path / "elsewhere").exists()


def test_everything_is_discovered_from_the_installed_package(chaos: Start, tmp_path: Path) -> None:
    copy = tmp_path / "source"
    shutil.copytree(EXTENSION, copy)
    argv = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--no-build-isolation"]
    made = subprocess.run([*argv, "--target", tmp_path / "site", copy], capture_output=True, check=False)
    assert made.returncode == 0, made.stderr.decode()
    code, said = chaos("discover", "chaostoolkit-bascule", "--no-install", extension=tmp_path / "site").result()
    assert code == 0, said
    found = json.loads((tmp_path / "discovery.json").read_bytes())
    told = {(each["type"], each["name"]) for each in found["activities"]}
    assert {("action", "inject"), ("action", "drill"), ("probe", "verdict"), ("probe", "promise_kept")} <= told
    assert all(each["doc"] and "object" not in str(each) for each in found["activities"])
    assert "process-freeze" in {each["name"] for each in found["system"]["faults"]}


def test_a_drill_is_run_and_its_verdict_is_the_steady_state(chaos: Start, tmp_path: Path) -> None:
    system = ROOT / "tests" / "real" / "drill" / "small.yaml"
    argv = [sys.executable, "-m", "bascule", "chaos", "export", "primary-kill", "-s", str(system), "-o", "it.json"]
    subprocess.run(argv, cwd=tmp_path, check=True, env=environment(), capture_output=True)
    run = chaos("run", "it.json")
    run.result()
    journal = run.journal()
    before, after = journal["steady_states"]["before"], journal["steady_states"]["after"]
    assert [each["output"] for each in before["probes"]] == [True, "NOT RUN"]
    (drilled,) = journal["run"]
    assert drilled["output"]["outcome"] in {"PASS", "FAIL", "INVALID"}
    assert after["probes"][1]["output"] == drilled["output"]["outcome"]
    assert journal["deviated"] is (drilled["output"]["outcome"] != "PASS")
    report = Path(drilled["output"]["directory"])
    assert (report / "report.html").exists()
    argv = [sys.executable, "-m", "bascule", "report", "journal", str(report)]
    ours = json.loads(subprocess.run(argv, check=True, env=environment(), capture_output=True).stdout)
    assert ours.keys() == journal.keys()
    assert ours["deviated"] is journal["deviated"]
    assert all({"activity", "output", "start", "status", "end", "duration"} <= each.keys() for each in ours["run"])
