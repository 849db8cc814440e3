"""`bascule audit` with a system: the example is clean, what breaks a promise is found, and the checklist is judged."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import pytest

from bascule.cli import audit_checklist
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


WEB = """\
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
        # bascule: ignore BSC-K8S-040, BSC-K8S-051 - we know it
        - {name: web, image: "shop/web:1.2", ports: [{containerPort: 8080}]}
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
"""


def failed(told: str) -> set[str]:
    return {one["id"] for one in json.loads(told)["points"] if one["state"] == "failed"}


def test_what_is_suppressed_or_in_a_baseline_fails_its_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web.yaml").write_text(WEB, encoding="utf-8")
    assert main(["audit", "web.yaml", "--checklist", "--json", "--fail-on", "never"]) == 0
    assert failed(capsys.readouterr().out) >= {"A5", "P4", "P5"}
    Path("web.yaml").write_text(WEB.replace("# bascule", "# formerly"), encoding="utf-8")
    assert main(["audit", "web.yaml", "--write-baseline", "b.json"]) == 0
    assert main(["audit", "web.yaml", "--checklist", "--json", "--baseline", "b.json"]) == 1
    assert failed(capsys.readouterr().out) >= {"A5", "P4", "P5"}


def test_a_failed_point_is_at_the_gate(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web.yaml").write_text(WEB, encoding="utf-8")
    for gate, code in (("critical", 0), ("high", 1), ("low", 1), ("never", 0)):
        assert main(["audit", "web.yaml", "--checklist", "--fail-on", gate]) == code
    Path("web.yaml").write_text("apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n", encoding="utf-8")
    assert main(["audit", "web.yaml", "--checklist", "--fail-on", "low"]) == 0
    capsys.readouterr()


@pytest.mark.parametrize(("form", "begins"), [("text", " points proved"), ("json", "points"), ("markdown", "# High-")])
def test_a_checklist_is_written_where_it_is_wanted(
    form: str, begins: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    to = tmp_path / "list.txt"
    assert main(["audit", str(EXAMPLE), "--checklist", "--format", form, "--output", str(to)]) == 0
    told = capsys.readouterr()
    assert told.out == ""
    assert "points proved" in told.err
    assert begins in to.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--checklist", "--rule", "BSC-K8S-040"], "all rules"),
        (["--checklist", "--skip", "BSC-K8S-040"], "all rules"),
        (["--checklist", "--fix"], "--checklist"),
        (["--checklist", "--write-baseline", "b.json"], "--checklist"),
        (["--fix", "--write-baseline", "b.json"], "--write-baseline"),
        (["--report", "anywhere"], "--report"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    words: list[str], told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web.yaml").write_text(WEB, encoding="utf-8")
    assert main(["audit", "web.yaml", *words]) == 2
    assert told in capsys.readouterr().err
    assert not Path("b.json").exists()


def test_reports_of_several_systems_are_refused_without_a_system_file_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("web.yaml").write_text(WEB, encoding="utf-8")
    monkeypatch.setattr(audit_checklist, "read_report", lambda path: SimpleNamespace(system=path.name, trials=()))
    words = ["audit", "web.yaml", "--checklist", "--fail-on", "never"]
    assert main([*words, "--report", "a/shop", "--report", "b/shop"]) == 0
    assert main([*words, "--report", "a/shop", "--report", "b/bank"]) == 2
    assert "of bank, not of shop" in capsys.readouterr().err
