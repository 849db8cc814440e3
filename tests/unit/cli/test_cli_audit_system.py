"""`bascule audit` with a system: the example is clean, what breaks a promise is found, and the checklist is judged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bascule.cli.main import main

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "taskmanagerpro" / "bascule.yaml"


def test_the_example_is_clean_with_one_reason_given(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(EXAMPLE), "--fail-on", "low", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["findings"] == []
    assert [one["rule"] for one in told["suppressed"]] == ["BSC-SYS-021"]


def test_a_promise_out_of_reach_is_found_at_its_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = EXAMPLE.read_text(encoding="utf-8").replace("target: 99.9%", "target: 99.9999%")
    strict = tmp_path / "strict.yaml"
    strict.write_text(text, encoding="utf-8")
    assert main(["audit", str(strict), "--json"]) == 1
    (found,) = json.loads(capsys.readouterr().out)["findings"]
    line = 1 + text[: text.index("99.9999%")].count("\n")
    assert (found["rule"], found["place"]["line"]) == ("BSC-SYS-001", line)
    assert found["breaks"] == ["availability 99.9999% over 30d"]


def test_the_checklist_is_told_in_three_forms_and_refused_in_others(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(EXAMPLE), "--checklist"]) == 0
    assert "points proved" in capsys.readouterr().out
    assert main(["audit", str(EXAMPLE), "--checklist", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["proved"] + told["failed"] + told["unknown"] == told["applicable"]
    assert main(["audit", str(EXAMPLE), "--checklist", "--format", "markdown"]) == 0
    assert capsys.readouterr().out.startswith("# High-availability checklist")
    assert main(["audit", str(EXAMPLE), "--checklist", "--format", "sarif"]) == 2
    assert "not told as sarif" in capsys.readouterr().err


def test_a_report_that_is_none_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["audit", str(EXAMPLE), "--checklist", "--report", str(tmp_path)]) == 2
    assert "there is no report" in capsys.readouterr().err
