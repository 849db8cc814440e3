"""What a history keeps, and how it refuses what is none."""

from __future__ import annotations

import math
import sqlite3
from pathlib import Path

import pytest
from game_days import FIRST_S, build_report

from bascule.drill.gameday.days import day
from bascule.drill.gameday.history import SCHEMA_VERSION, History
from bascule.kernel.errors import InputError, MachineError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "gameday.sqlite"


def test_a_run_comes_back_as_it_was_with_never_as_never(path: Path) -> None:
    held = day(build_report(math.inf, "FAIL"), "/runs/one", planned_s=FIRST_S)
    with History(path, make=True) as history:
        number = history.begin(FIRST_S - 1, "/runs/one", planned_s=FIRST_S, version="1.0")
        history.finish(number, held)
    with History(path) as history:
        (found,) = history.days()
    assert found.trials == held.trials
    assert found.trials[1].rto_s == math.inf
    assert (found.state, found.outcome, found.planned_s) == ("done", "FAIL", FIRST_S)


def test_what_nobody_ended_is_interrupted_and_its_date_held(path: Path) -> None:
    with History(path, make=True) as history:
        history.begin(FIRST_S, "/runs/one", planned_s=FIRST_S, version="1.0")
    with History(path) as history:
        assert [one.directory for one in history.settle()] == ["/runs/one"]
        assert [one.state for one in history.days()] == ["interrupted"]
        assert history.past().held == {FIRST_S}
        assert history.settle() == []


def test_a_report_is_added_once(path: Path) -> None:
    with History(path, make=True) as history:
        assert history.add(day(build_report(), "/runs/one"))
        assert not history.add(day(build_report(), "/elsewhere/copied"))
        assert history.add(day(build_report(started_s=FIRST_S + 1), "/runs/two"))
        assert len(history.days()) == 2


def test_an_interrupted_run_gets_its_report_later(path: Path) -> None:
    with History(path, make=True) as history:
        history.begin(FIRST_S, "/runs/one", planned_s=FIRST_S, version="1.0")
        history.settle()
        assert history.add(day(build_report(), "/runs/one"))
        (found,) = history.days()
    assert (found.state, found.planned_s, len(found.trials)) == ("done", FIRST_S, 2)
    assert found.error == ""


def test_runs_are_listed_in_the_order_of_their_time_not_of_their_coming(path: Path) -> None:
    with History(path, make=True) as history:
        for started_s in (FIRST_S + 5, FIRST_S, FIRST_S + 2):
            history.add(day(build_report(started_s=started_s), f"/runs/{started_s}"))
        assert [one.started_s - FIRST_S for one in history.days()] == [0, 2, 5]


def test_a_run_is_written_whole_or_not_at_all(path: Path) -> None:
    with History(path, make=True) as history:
        number = history.begin(FIRST_S, "/runs/one", planned_s=None, version="1.0")
        broken = day(build_report(), "/runs/one")
        history._database.execute("CREATE TRIGGER full BEFORE INSERT ON trial WHEN NEW.position = 1 "
                                  "BEGIN SELECT RAISE(ABORT, 'database or disk is full'); END")  # fmt: skip
        with pytest.raises((InputError, MachineError), match="full"):
            history.finish(number, broken)
        (found,) = history.days()
    assert (found.state, found.trials) == ("running", ())


def test_a_missed_date_is_told_until_it_is_held(path: Path) -> None:
    with History(path, make=True) as history:
        history.look(FIRST_S + 9, (FIRST_S, FIRST_S + 1))
        history.look(FIRST_S + 10, (FIRST_S,))
        assert history.missed() == (FIRST_S, FIRST_S + 1)
        history.begin(FIRST_S + 10, "/runs/one", planned_s=FIRST_S + 1, version="1.0")
        assert history.missed() == (FIRST_S,)
        assert history.past().since_s == FIRST_S + 10


def test_a_newer_form_is_refused_and_left_alone(path: Path) -> None:
    History(path, make=True).close()
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {SCHEMA_VERSION + 1}")
    database.close()
    before = path.read_bytes()
    with pytest.raises(InputError, match="newer bascule"):
        History(path)
    assert path.read_bytes() == before


def test_another_database_is_refused(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE cats (name TEXT)")
    database.close()
    with pytest.raises(InputError, match="no history of game days"):
        History(path, make=True)


@pytest.mark.parametrize("damage", [lambda data: b"#!/bin/sh\n" + data, lambda data: data[:4096] + b"\xff" * 9000])
def test_a_damaged_file_is_told_with_a_way_out(path: Path, damage: object) -> None:
    with History(path, make=True) as history:
        for number in range(40):
            history.add(day(build_report(started_s=FIRST_S + number), f"/runs/{number}"))
    assert callable(damage)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(InputError, match="damaged") as told, History(path) as history:
        history.days()
    assert "bascule gameday add" in told.value.hint


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE day SET started_s = 'yesterday'",
        "UPDATE trial SET outcome = 'FINE'",
        "UPDATE trial SET rto_s = 'x'",
        "DROP TABLE trial",
    ],
)
def test_values_that_nobody_wrote_are_damage(path: Path, change: str) -> None:
    with History(path, make=True) as history:
        history.add(day(build_report(), "/runs/one"))
    with sqlite3.connect(path) as database:
        database.execute(change)
    database.close()
    with pytest.raises(InputError, match="damaged"), History(path) as history:
        history.days()


def test_a_schema_that_is_no_text_is_damage(path: Path) -> None:
    History(path, make=True).close()
    path.write_bytes(path.read_bytes().replace(b"outcome TEXT NOT NULL DEFAULT", b"outcome TEXT NOT NULL \xffEFAULT"))
    with pytest.raises(InputError, match="damaged"):
        History(path)


def test_somebody_who_holds_it_too_long_is_not_called_damage(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.drill.gameday.history._BUSY_S", 0.0)
    one, other = History(path, make=True), History(path)
    with one, other, one._transaction(), pytest.raises(MachineError, match="locked"):
        other.look(1.0)


def test_no_file_and_no_right_are_told(path: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no history yet"):
        History(path)
    with pytest.raises(MachineError, match="cannot be used"):
        History(tmp_path / "nowhere" / "gameday.sqlite", make=True)
    assert list(tmp_path.iterdir()) == []
