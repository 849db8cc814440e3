"""`bascule drill` with experiments of one's own: listed, described and refused before anything starts."""

import json
from pathlib import Path

import pytest

from bascule.cli.drill import drill
from bascule.kernel.errors import InputError
from bascule.system import SystemFileError

EXAMPLE = Path(__file__).parents[3] / "examples" / "taskmanagerpro" / "bascule.yaml"
CHAOS = """
experiments:
  slow:
    about: the primary is slow, and then gone
    timeline:
      - {fault: process-slow, for: 4s, with: {share: 0.3}}
      - {at: 4s, fault: process-kill, starts_clock: true}
    expect: {outcome: FAIL, misses: [rto]}
    load: {times: 1.5, retries: 2}
    stop: {burn: 100, loss: true}
    blast: {share: 50%}
    objectives: {rto: 1s}
"""


@pytest.fixture
def chaos(tmp_path: Path) -> Path:
    path = tmp_path / "chaos.yaml"
    path.write_text(CHAOS)
    return path


def test_a_dry_run_tells_every_strike_the_objective_and_what_is_expected(
    chaos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill(EXAMPLE, experiments=chaos, experiment=("slow",), dry_run=True, seed=1, as_json=True) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    assert "At 0 s: process-slow share=0.3 on the primary, for 4 s." in steps
    assert "At 4 s: process-kill on the primary, until clients are served again; the clock starts." in steps
    assert (
        "1.5 times the load, 2 retries; stopped when the error budget burns 100 times too fast over 10s or an "
        "operation is lost; at most 50% of a component's members hit at once, never the last healthy one."
    ) in steps
    assert any("Held to: RTO 1s, RPO 0s; expected to FAIL." in step for step in steps)


def test_the_list_of_a_system_has_its_own_experiments_and_says_why_one_does_not_fit(
    chaos: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert drill(EXAMPLE, experiments=chaos, list_experiments=True, as_json=True) == 0
    found = {one["name"]: one for one in json.loads(capsys.readouterr().out)}
    assert found["slow"]["about"] == "the primary is slow, and then gone"
    assert found["slow"]["refused"] == ""
    assert "no address to move" in found["entry-switchover"]["refused"]
    assert found["rolling-restart"]["scenario"]["timeline"][0]["on"]["rolling"] is True


def test_the_list_without_a_system_has_all_that_ship(capsys: pytest.CaptureFixture[str]) -> None:
    assert drill(list_experiments=True, as_json=True) == 0
    found = [one["name"] for one in json.loads(capsys.readouterr().out)]
    assert {"primary-kill", "cascading-failure", "rolling-restart"} <= set(found)


def test_a_timeline_takes_no_other_time(chaos: Path) -> None:
    with pytest.raises(InputError, match="a timeline has its own times"):
        drill(EXAMPLE, experiments=chaos, experiment=("slow",), hold="3s", dry_run=True)


def test_all_is_every_single_fault_and_the_systems_own(chaos: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert drill(EXAMPLE, experiments=chaos, everything=True, dry_run=True, seed=1, as_json=True) == 0
    steps = json.loads(capsys.readouterr().out)["steps"]
    told = " ".join(steps)
    assert "primary-kill (trial 1)" in told
    assert "slow (trial 1)" in told
    assert "cascading-failure" not in told


def test_a_mistake_in_the_file_stops_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "chaos.yaml"
    path.write_text(CHAOS.replace("process-slow", "process-slo"))
    with pytest.raises(SystemFileError, match="no fault is called 'process-slo'"):
        drill(EXAMPLE, experiments=path, experiment=("slow",), dry_run=True)


def test_a_system_file_has_its_own_section(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    whole = tmp_path / "system.yaml"
    whole.write_text(EXAMPLE.read_text() + CHAOS)
    assert drill(whole, experiment=("slow",), dry_run=True, seed=1, as_json=True) == 0
    assert "process-slow" in capsys.readouterr().out
    whole.write_text(EXAMPLE.read_text() + CHAOS.replace("share: 0.3", "share: 3"))
    with pytest.raises(SystemFileError, match=r"experiments\.slow\.timeline"):
        drill(whole, experiment=("slow",), dry_run=True)
