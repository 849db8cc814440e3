"""A game day from the command line, twice, with a real drill each: two entries, one trend, and nothing left behind."""

import json
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from drilling import SMALL, Command, wait_until

pytestmark = [pytest.mark.real, pytest.mark.timeout(400)]

SUITE = """
system: small.yaml
experiments: [postmaster-kill]
calendar: {every: monday at 10:00, zone: Europe/Paris}
keep: 1
"""


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    (tmp_path / "small.yaml").write_text(SMALL.read_text())
    file = tmp_path / "gameday.yaml"
    file.write_text(SUITE)
    return file


def test_two_game_days_are_two_entries_and_a_trend(run: Callable[..., Command], suite: Path, tmp_path: Path) -> None:
    for _ in range(2):
        code, out, err = run("gameday", "run", suite, "--now", "--quiet").result()
        assert code == 0, out + err
    code, out, _ = run("gameday", "history", suite, "--json").result(30)
    assert code == 0
    days = json.loads(out)["days"]
    assert [(day["state"], day["outcome"]) for day in days] == [("done", "PASS")] * 2
    assert all(day["trials"][1]["rto_s"] > 0 for day in days)
    assert all(day["trials"][1]["promised_s"] == 30.0 for day in days)
    assert [Path(day["directory"]).exists() for day in days] == [False, True]
    code, out, err = run("gameday", "trend", suite, "-o", tmp_path / "trend.html").result(30)
    assert code == 2, err
    assert "P P" in out
    assert "30.00 s promised" in out
    assert "too few game days to tell" in out
    assert "<svg" in (tmp_path / "trend.html").read_text()
    code, out, _ = run("gameday", "add", suite, days[1]["directory"]).result(30)
    assert code == 0
    assert "was there" in out


def test_a_killed_game_day_is_told_and_kept_as_interrupted(
    run: Callable[..., Command], suite: Path, tmp_path: Path
) -> None:
    killed = run("gameday", "run", suite, "--now", "--quiet")
    log = "lab/logs/database-north-a-1.log"
    wait_until(lambda: list(tmp_path.glob(f"gameday-runs/*/{log}")), 60.0, "PostgreSQL starts")
    code, _, err = run("gameday", "run", suite, "--now").result(30)
    assert code == 2
    assert "another game day of this history runs" in err
    killed.process.send_signal(signal.SIGKILL)
    killed.process.communicate()

    def is_free() -> bool:
        return "another game day" not in run("gameday", "run", suite).result(30)[1]

    wait_until(is_free, 30.0, "the lock ends with what the killed one had started")
    code, out, _ = run("gameday", "history", suite, "--json").result(30)
    assert code == 0
    (day,) = json.loads(out)["days"]
    assert (day["state"], day["outcome"]) == ("interrupted", "")


def test_watching_ends_at_ctrl_c_and_leaves_nothing(run: Callable[..., Command], suite: Path) -> None:
    watching = run("gameday", "watch", suite)
    assert watching.process.stderr is not None
    assert "waiting for Monday" in watching.process.stderr.readline()
    watching.process.send_signal(signal.SIGINT)
    code, out, err = watching.result(30)
    assert (code, out, err) == (0, "", "")
