"""A saved drill as a journal of Chaos Toolkit: of a real one's shape, and never better than the drill."""

from __future__ import annotations

import json
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from bascule.cli.main import main
from bascule.drill.chaos_toolkit.journal import journal
from bascule.drill.render_json import to_json
from bascule.drill.report import Report, Trial
from bascule.measure.verdict import Measure, Outcome, Verdict

GOLDEN = Path(__file__).parents[2] / "golden" / "chaostoolkit-journal.json"
"""A journal that the real Chaos Toolkit 1.19 wrote of a drill that it ran."""


@pytest.fixture
def report(sample_report: Report) -> Report:
    """One of every outcome."""
    return sample_report


def only(report: Report, outcome: Outcome, *measures: Measure) -> Report:
    verdict = Verdict(outcome=outcome, reasons=("why",), measures=measures)
    clean = Trial(experiment="control", title="", scope="", verdict=Verdict(outcome="PASS", reasons=()))
    trial = Trial(experiment="primary-kill", title="Kill", scope="process", verdict=verdict, target="db-1")
    return msgspec.structs.replace(report, outcome=outcome, trials=(clean, trial))


def differences(theirs: object, ours: object, path: str = "") -> list[str]:
    """Where two documents have other keys or other types; content aside, and what only one kind of activity has."""
    if path.endswith((".output", ".arguments", ".tolerance")):
        return []
    if isinstance(theirs, dict) and isinstance(ours, dict):
        odd = [f"{path}.{key}" for key in theirs.keys() ^ ours.keys()]
        return odd + [
            one for key in theirs.keys() & ours.keys() for one in differences(theirs[key], ours[key], f"{path}.{key}")
        ]
    if isinstance(theirs, list) and isinstance(ours, list):
        return differences(theirs[0], ours[0], f"{path}[]") if theirs and ours else []
    return [] if type(theirs) is type(ours) else [f"{path}: {type(theirs).__name__}, {type(ours).__name__}"]


def written(report: Report) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(msgspec.json.encode(journal(report)))
    return found


def test_it_has_the_keys_and_types_of_a_real_journal(report: Report) -> None:
    assert differences(json.loads(GOLDEN.read_bytes()), written(only(report, "PASS"))) == []


def test_the_comparison_itself_finds_what_is_missing_or_of_another_type(report: Report) -> None:
    ours = written(only(report, "PASS"))
    del ours["deviated"]
    ours["run"][0]["duration"] = "1"
    assert differences(json.loads(GOLDEN.read_bytes()), ours) == [".deviated", ".run[].duration: float, str"]


@pytest.mark.parametrize(
    ("outcome", "status", "deviated"),
    [
        ("PASS", "completed", False),
        ("FAIL", "completed", True),
        ("INVALID", "failed", True),
        ("ABORTED", "aborted", False),
    ],
)
def test_an_outcome_is_told_as_chaos_toolkit_would(
    report: Report, outcome: Outcome, status: str, deviated: bool
) -> None:
    told = written(only(report, outcome))
    assert (told["status"], told["deviated"]) == (status, deviated)
    after = told["steady_states"]["after"]
    assert (after is None) if outcome == "ABORTED" else (after["steady_state_met"] is (outcome == "PASS"))
    assert told["run"][0]["status"] == ("failed" if outcome == "ABORTED" else "succeeded")


def test_each_promise_is_a_probe_with_its_tolerance(report: Report) -> None:
    late = Measure(name="rto", title="Recovery time", value=math.inf, unit="s", objective=10.0, met=False)
    good = Measure(name="goodput", title="Goodput", value=0.9, unit="ratio", objective=0.5, bound="at least", met=True)
    _, first, second = written(only(report, "FAIL", late, good))["steady_states"]["after"]["probes"]
    assert (first["output"], first["tolerance_met"]) == ("never", False)
    assert first["activity"]["tolerance"] == {"type": "range", "range": [0, 10.0]}
    assert (second["output"], second["tolerance_met"]) == (0.9, True)
    assert second["activity"]["tolerance"]["range"] == [0.5, 1.0]


def test_every_moment_is_iso_8601_in_utc(report: Report) -> None:
    told = written(report)
    begun, ended = (datetime.fromisoformat(told[key]) for key in ("start", "end"))
    assert begun.utcoffset() is not None
    assert (ended - begun).total_seconds() == pytest.approx(report.duration_s, abs=1e-5)


def test_a_trial_that_was_skipped_has_failed(report: Report) -> None:
    base = only(report, "PASS")
    odd = Trial(experiment="x", title="X", scope="", verdict=Verdict(outcome="INVALID", reasons=("no",)), skipped="no")
    told = written(msgspec.structs.replace(base, trials=(*base.trials, odd)))
    assert told["run"][1]["status"] == "failed"
    assert told["run"][1]["exception"] == ["no\n"]


def test_the_command_writes_it(report: Report, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_bytes(to_json(report))
    assert main(["report", "journal", str(tmp_path), "-o", str(tmp_path / "journal.json")]) == 0
    assert json.loads((tmp_path / "journal.json").read_bytes())["run"]
    capsys.readouterr()
    assert main(["report", "journal", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out)["run"]
    assert main(["report", "journal", str(tmp_path), "-o", "/nowhere/x.json"]) == 2
    assert main(["report", "journal", str(tmp_path / "nowhere")]) == 2
