"""`bascule predict` as an operator types it: what it prints, writes and refuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bascule.cli.main import main
from bascule.measure.calibration import Calibrated, Calibration, encode, times

ROOT = Path(__file__).resolve().parents[3]
EXAMPLE = str(ROOT / "examples" / "taskmanagerpro" / "bascule.yaml")
TREE = str(ROOT / "tests" / "golden" / "availability" / "two_train.xml")


def test_the_example_is_predicted_to_keep_its_promise(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", EXAMPLE, "--months", "2000"]) == 0
    told = capsys.readouterr().out
    assert "the promise would be kept" in told
    assert "database" in told


def test_a_promise_out_of_reach_is_exit_code_1(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = Path(EXAMPLE).read_text(encoding="utf-8")
    strict = tmp_path / "strict.yaml"
    strict.write_text(text.replace("target: 99.9%", "target: 99.9999%"), encoding="utf-8")
    assert main(["predict", str(strict), "--months", "0"]) == 1
    assert "missed" in capsys.readouterr().out.lower()


def test_json_and_page_say_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "p.html"
    assert main(["predict", EXAMPLE, "--months", "1000", "--json", "--html", str(page)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["meets"] is True
    assert told["cut_sets"]["count"] == 74
    assert "taskmanagerpro" in page.read_text(encoding="utf-8")


def test_the_same_seed_gives_the_same_months(capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for seed in ("3", "3", "4"):
        main(["predict", EXAMPLE, "--months", "1000", "--seed", seed, "--json"])
        told.append(json.loads(capsys.readouterr().out)["months"])
    assert told[0] == told[1] != told[2]


def test_drills_replace_what_is_assumed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    entry = Calibrated(
        system="taskmanagerpro",
        engine="postgresql",
        experiment="primary-kill",
        judged=3,
        undetermined=0,
        times={"rto": times([20.0, 20.5, 21.0])},
    )
    drilled = tmp_path / "calibration.json"
    drilled.write_bytes(encode(Calibration(measured=(entry,))))
    assert main(["predict", EXAMPLE, "--months", "0", "--from", str(drilled), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert {(one["of"], one["figure"], one["used"]) for one in told["measured"]} == {
        ("database", "failover", True),
        ("database", "coverage", True),
    }


def test_an_engine_that_bascule_cannot_run_is_predicted_from_assumptions(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "foreign.yaml"
    file.write_text(
        "system: foreign\nobjectives: {availability: {target: 99%}}\nregions: {one: {zones: [a]}}\n"
        "components: {queue: {engine: kafka, replicas: {a: 3}}}\n"
        "workload: {through: queue, rate: 1/s, protocol: postgresql}\n"
    )
    assert main(["predict", str(file), "--months", "0", "--json"]) == 0
    assert any("kafka" in one for one in json.loads(capsys.readouterr().out)["warnings"])


def test_a_foreign_fault_tree_is_solved(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--openpsa", TREE, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["probability"] == pytest.approx(0.7225)
    assert told["cut_sets"] == 4
    assert main(["predict", "--openpsa", TREE]) == 0
    assert "minimal cut sets: 4" in capsys.readouterr().out


def test_the_catalogue_says_what_its_figures_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", "--services"]) == 0
    told = capsys.readouterr().out
    assert "aws-route53" in told
    assert "SLA" in told


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "no system file"),
        ([EXAMPLE, "--limit", "0s"], "no time limit"),
        ([EXAMPLE, "--months", "-1"], "cannot be simulated"),
        ([EXAMPLE, "--top", "-1"], "cannot be listed"),
        (["--openpsa", str(ROOT / "README.md")], "README.md"),
        (["--openpsa", "none.xml"], "cannot be read"),
        (["--openpsa", TREE, "--gate", "nowhere"], "nowhere"),
        (["none.yaml"], "no such file"),
    ],
)
def test_what_cannot_be_used_is_said(words: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["predict", *words]) == 2
    assert said in capsys.readouterr().err
