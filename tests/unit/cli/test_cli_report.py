"""`bascule report compare`: what it says of two drills, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bascule.cli.main import main
from bascule.drill.render_json import to_json
from bascule.drill.report import Machine, Report, Trial
from bascule.measure.verdict import Measure, Verdict

Capture = pytest.CaptureFixture[str]
MACHINE = Machine(kernel="Linux", processors=2, memory_mib=1, python="3.11", platform="namespaces")


def run(directory: Path, rtos: list[float], system: str = "shop", started: float = 1.0) -> str:
    trials = tuple(
        Trial(
            experiment="primary-kill",
            title="",
            scope="process",
            verdict=Verdict(
                outcome="PASS", reasons=(), measures=(Measure(name="rto", title="RTO", value=each, unit="s"),)
            ),
        )
        for each in rtos
    )
    report = Report(
        system=system, outcome="PASS", machine=MACHINE, objectives=(), trials=trials, started_wall_s=started
    )
    directory.mkdir()
    (directory / "report.json").write_bytes(to_json(report))
    return str(directory)


def test_slower_beyond_luck_is_1_and_faster_is_0(tmp_path: Path, capsys: Capture) -> None:
    slow, fast = (run(tmp_path / str(at), [at + n / 10 for n in range(8)], started=at) for at in (20.0, 5.0))
    assert main(["report", "compare", fast, slow]) == 1
    assert "worse beyond luck: RTO" in capsys.readouterr().out
    assert main(["report", "compare", slow, fast, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["comparison"]["changes"][1]["said"] == "better"


def test_too_few_trials_are_never_called_no_difference(tmp_path: Path, capsys: Capture) -> None:
    one, other = (run(tmp_path / str(at), [at, at + 1, at + 2], started=at) for at in (1.0, 50.0))
    assert main(["report", "compare", one, other]) == 2
    shown = capsys.readouterr().out
    assert "too few trials" in shown
    assert "no difference" not in shown


def test_another_system_is_refused_unless_told(tmp_path: Path, capsys: Capture) -> None:
    one, other = run(tmp_path / "a", [1.0] * 6), run(tmp_path / "b", [2.0] * 6, "other", 2.0)
    assert main(["report", "compare", one, other]) == 2
    assert "the systems are 'shop' and 'other'" in capsys.readouterr().err
    assert main(["report", "compare", one, other, "--anyway"]) == 1


@pytest.mark.parametrize("text", [b"", b"[" * 100_000, b'{"trials": 3}', b'{"statistics": [{"quantiles": [5]}]}', b"1"])
def test_what_is_no_report_is_one_line(tmp_path: Path, capsys: Capture, text: bytes) -> None:
    good = run(tmp_path / "a", [1.0])
    (tmp_path / "bad.json").write_bytes(text)
    assert main(["report", "compare", good, str(tmp_path / "bad.json")]) == 2
    assert "bad.json: not a report" in capsys.readouterr().err
