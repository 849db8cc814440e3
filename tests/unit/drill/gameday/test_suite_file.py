"""A game day's file: what it says, and everything that is wrong with it, each at its place."""

from __future__ import annotations

from pathlib import Path

import pytest
from game_days import SUITE, write_suite

from bascule.drill.gameday.suite import load_suite
from bascule.kernel.errors import InputError
from bascule.system import SystemFileError


def test_paths_are_relative_to_the_file_and_have_defaults_beside_it(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path))
    assert suite.system == tmp_path / "small.yaml"
    assert suite.history == tmp_path / "gameday.sqlite"
    assert suite.runs == tmp_path / "gameday-runs"
    assert (suite.trials, suite.keep, suite.late_s) == (1, 20, 3600.0)


def test_a_history_elsewhere_takes_its_runs_along(tmp_path: Path) -> None:
    suite = load_suite(write_suite(tmp_path, SUITE + "history: /var/lib/bascule/shop.db\n"))
    assert (str(suite.history), str(suite.runs)) == ("/var/lib/bascule/shop.db", "/var/lib/bascule/shop-runs")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("tuesday at", "tuesdy at"), "gameday.yaml:5:10: calendar.every: 'tuesdy' is not a day"),
        (("tuesday at 10:00", "now and then"), "calendar.every: 'now and then' is not a rule for dates"),
        (("10:00", "25:00"), "calendar.every: '25:00' is not a time of day"),
        (("tuesday at 10:00", "tuesday of the month at 10:00"), "which of its days"),
        (("Europe/Paris", "Europe"), "gameday.yaml:6:9: calendar.zone: there is no time zone 'Europe'"),
        (("Europe/Paris", "../../etc/passwd"), "there is no time zone"),
        (("[primary-kill]", "[]"), "experiments: is empty"),
        (("[primary-kill]", "[a, a]"), "experiments[1]: is named twice"),
        (("small.yaml", "''"), "system: is no file's name"),
        (("zone: Europe/Paris", "zone: UTC\n  not_before: 11:00"), "10:00 is outside the hours"),
        (("zone: Europe/Paris", "zone: UTC\n  not_before: 11:00\n  not_after: 9:00"), "is before not_before"),
        (("zone: Europe/Paris", "zone: UTC\n  blackout: [{on: 2026-02-30}]"), "calendar.blackout[0]: there is no 2026"),
        (("zone: Europe/Paris", "zone: UTC\n  blackout: [{from: 2026-02-03}]"), "has `on`, or `from` and `until`"),
        (("zone: Europe/Paris", "zone: UTC\n  blackout: [{from: 2026-02-03, until: 2026-02-01}]"), "has no length"),
        (("zone: Europe/Paris", "zone: UTC\n  blackout: [{on: 02-30}]"), "there is no 02-30"),
        (("  every", "  evry"), "unknown key 'evry'"),
        (("system: small.yaml", "system: &a small.yaml"), "an anchor (&a) is not allowed"),
        (("experiments:", "history: ~nobody-at-all/x\nexperiments:"), "history: nobody is called"),
        (("zone: Europe/Paris", "zone: UTC\n  late: 5s"), "calendar.late: 5s is less than a minute"),
        (("experiments:", "keep: 0\nexperiments:"), "keep: 0 is out of bounds"),
        (("experiments:", "trials: 1001\nexperiments:"), "trials: 1001 is out of bounds"),
    ],
)
def test_what_is_wrong_is_told_at_its_place(tmp_path: Path, change: tuple[str, str], said: str) -> None:
    with pytest.raises(SystemFileError) as told:
        load_suite(write_suite(tmp_path, SUITE.replace(*change)))
    assert said in str(told.value)


def test_everything_wrong_comes_in_one_go(tmp_path: Path) -> None:
    text = SUITE.replace("tuesday", "tuesdy").replace("Paris", "Pariss").replace("[primary-kill]", "nothing")
    with pytest.raises(SystemFileError) as told:
        load_suite(write_suite(tmp_path, text))
    assert len(told.value.problems) == 3


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        load_suite(tmp_path / "none.yaml")


@pytest.mark.parametrize("text", ["", "[]", "42", "calendar: []", "a: &a [*a]", "\x00"])
def test_whatever_it_is_it_is_refused_in_words(tmp_path: Path, text: str) -> None:
    with pytest.raises(SystemFileError):
        load_suite(write_suite(tmp_path, text))
