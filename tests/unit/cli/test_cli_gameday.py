"""`bascule gameday`: what it says, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from game_days import FIRST_S, SUITE, build_report, write_suite

from bascule.cli.main import main
from bascule.drill.gameday.lock import alone
from bascule.drill.render_json import to_json

Capture = pytest.CaptureFixture[str]


@pytest.fixture
def suite(tmp_path: Path) -> str:
    return str(
        write_suite(tmp_path, SUITE + "  blackout: [{from: 2000-01-01, until: 2000-02-01, because: long ago}]\n")
    )


def left(directory: Path, rto_s: float, number: int, system: str = "small") -> str:
    directory.mkdir()
    report = build_report(rto_s, started_s=FIRST_S + number, system=system)
    (directory / "report.json").write_bytes(to_json(report))
    return str(directory)


def filled(suite: str, tmp_path: Path, rtos: list[float]) -> None:
    runs = [left(tmp_path / f"run-{at}", rto, at) for at, rto in enumerate(rtos)]
    assert main(["gameday", "add", suite, *runs]) == 0


def test_the_plan_lists_dates_in_its_zone_and_in_utc(suite: str, capsys: Capture, tmp_path: Path) -> None:
    assert main(["gameday", "plan", suite, "--count", "3"]) == 0
    out = capsys.readouterr().out
    assert out.count("Tue 20") == 3
    assert "Europe/Paris" in out
    assert main(["gameday", "plan", suite, "--count", "3", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["dates"]) == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gameday.yaml", "small.yaml"]


def test_a_plan_without_any_date_is_refused(tmp_path: Path, capsys: Capture) -> None:
    closed = "  blackout: [{from: 2000-01-01, until: 2199-01-01, because: closed}]\n"
    assert main(["gameday", "plan", str(write_suite(tmp_path, SUITE + closed))]) == 2
    assert "no date is left within ten years" in capsys.readouterr().err


def test_a_dry_run_says_what_would_be_done_and_leaves_nothing(suite: str, capsys: Capture, tmp_path: Path) -> None:
    assert main(["gameday", "run", suite, "--now", "--dry-run"]) == 0
    assert "primary-kill (trial 1)" in capsys.readouterr().out
    assert main(["gameday", "run", suite, "--dry-run", "--json"]) == 0
    assert "next" in json.loads(capsys.readouterr().out)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["gameday.yaml", "small.yaml"]


def test_what_is_added_is_listed_and_once_more_does_no_harm(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [5.0, 6.0])
    assert main(["gameday", "add", suite, str(tmp_path / "run-0"), str(tmp_path / "run-1" / "report.json")]) == 0
    assert capsys.readouterr().out.count("was there") == 2
    assert main(["gameday", "history", suite]) == 0
    out = capsys.readouterr().out
    assert "5.00 s" in out
    assert "6.00 s" in out
    assert main(["gameday", "history", suite, "--json"]) == 0
    assert [day["trials"][1]["rto_s"] for day in json.loads(capsys.readouterr().out)["days"]] == [5.0, 6.0]


def test_never_is_told_to_machines_as_never(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [float("inf")])
    capsys.readouterr()
    assert main(["gameday", "history", suite, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["days"][0]["trials"][1]["rto_s"] == "never"
    assert main(["gameday", "trend", suite, "--json"]) == 2
    assert json.loads(capsys.readouterr().out)["trend"]["series"][0]["points"][0]["rto_s"] == "never"


def test_a_run_of_another_system_is_refused_and_nothing_is_added(suite: str, tmp_path: Path, capsys: Capture) -> None:
    ours, other = left(tmp_path / "a", 5.0, 1), left(tmp_path / "b", 5.0, 2, "other")
    assert main(["gameday", "add", suite, ours, other]) == 2
    assert "a run of 'other', not of 'small'" in capsys.readouterr().err
    assert main(["gameday", "history", suite]) == 2


def test_a_trend_that_is_worse_is_1_and_its_page_is_written(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
    assert main(["gameday", "trend", suite, "-o", str(tmp_path / "trend.html")]) == 1
    assert "worse beyond luck: RTO of primary-kill" in capsys.readouterr().out
    assert "</html>" in (tmp_path / "trend.html").read_text()
    assert main(["gameday", "trend", suite, "--json"]) == 1
    assert json.loads(capsys.readouterr().out)["trend"]["series"][0]["rto"]["said"] == "worse"


def test_a_trend_of_too_few_is_2(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [5.0, 6.0])
    assert main(["gameday", "trend", suite]) == 2
    assert "too few game days" in capsys.readouterr().out


def test_an_experiment_that_never_ran_is_refused(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [5.0])
    assert main(["gameday", "trend", suite, "-e", "zone-loss"]) == 2
    assert "no game day has run 'zone-loss' (there are primary-kill)" in capsys.readouterr().err


def test_a_page_that_cannot_be_written_is_told(suite: str, tmp_path: Path, capsys: Capture) -> None:
    filled(suite, tmp_path, [5.0])
    assert main(["gameday", "trend", suite, "-o", str(tmp_path / "none" / "trend.html")]) == 2
    assert "the page could not be written" in capsys.readouterr().err


def test_while_one_runs_another_is_refused_and_the_history_still_read(
    suite: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    filled(suite, tmp_path, [5.0])
    monkeypatch.setattr("bascule.drill.gameday.lock._TRIES", 0)
    with alone(tmp_path / "gameday.sqlite"):
        assert main(["gameday", "run", suite, "--now"]) == 2
        assert "another game day of this history runs" in capsys.readouterr().err
        assert main(["gameday", "run", suite]) == 0
        assert "nothing to do" in capsys.readouterr().out
        assert main(["gameday", "history", suite, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["running"] is True


def test_without_a_history_it_is_said_how_to_begin_one(suite: str, capsys: Capture) -> None:
    for words in (["history"], ["trend"]):
        assert main(["gameday", *words, suite]) == 2
        assert "there is no history yet" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "1001"])
def test_an_unreasonable_count_is_refused(suite: str, count: str, capsys: Capture) -> None:
    assert main(["gameday", "plan", suite, "-n", count]) == 2
    assert "cannot be listed" in capsys.readouterr().err
