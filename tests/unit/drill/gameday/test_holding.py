"""How a game day is held: once, alone, remembered however it ends; and how one stays and waits."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from game_days import SUITE, build_report, write_suite
from msgspec.structs import replace

from bascule.cli.system_file import load_checked
from bascule.drill.gameday.calendar import Date, following
from bascule.drill.gameday.history import History
from bascule.drill.gameday.holding import Asked, Looked, look
from bascule.drill.gameday.lock import alone, is_held
from bascule.drill.gameday.suite import Suite, load_suite
from bascule.drill.gameday.watching import watch
from bascule.drill.live import LiveState
from bascule.drill.report import Report
from bascule.drill.run import Options
from bascule.kernel.errors import AbortedError, InputError, LabError, MachineError
from bascule.system.model import System

TUESDAY_S = datetime(2026, 3, 31, 8, 0, tzinfo=UTC).timestamp()  # 10:00 in Paris
WEEK_S = 7 * 86400.0
HOUR_S = 3600.0


class Wall:
    """A wall clock that a test sets."""

    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def wall_s(self) -> float:
        return self.now_s

    def monotonic_s(self) -> float:
        return 0.0


class Bench:
    """A suite, a clock, and a drill that is only acted."""

    def __init__(self, directory: Path, text: str = SUITE) -> None:
        self.suite: Suite = load_suite(write_suite(directory, text))
        self.system: System = load_checked(self.suite.system)
        self.wall = Wall(TUESDAY_S + 60)
        self.told: list[str] = []
        self.drills: list[Options] = []
        self.raises: BaseException | None = None

    def drill(self, options: Options, _show: Callable[[LiveState], None]) -> Report:
        self.drills.append(options)
        options.directory.mkdir(parents=True)
        if self.raises is not None:
            raise self.raises
        return build_report(started_s=self.wall.now_s + len(self.drills) / 1000)

    def look(self, *, at_once: bool = False, catch_up: bool = False) -> Looked:
        asked = Asked(at_once=at_once, catch_up=catch_up)
        return look(
            self.suite, self.system, asked, self.wall, show=lambda _: None, tell=self.told.append, drill=self.drill
        )

    def states(self) -> list[str]:
        with History(self.suite.history) as history:
            return [one.state for one in history.days()]


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bascule.drill.gameday.lock._TRIES", 0)


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_a_date_is_held_once_however_often_it_is_looked_at(bench: Bench) -> None:
    for minute in range(0, 50, 5):
        bench.wall.now_s = TUESDAY_S + minute * 60
        bench.look()
    assert len(bench.drills) == 1
    bench.wall.now_s = TUESDAY_S + WEEK_S
    assert bench.look().held is not None
    assert bench.states() == ["done", "done"]


def test_before_its_date_nothing_is_held_and_the_next_is_said(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S - 1
    found = bench.look().decision.next
    assert found is not None
    assert found.at_s == TUESDAY_S
    assert bench.drills == []


def test_a_missed_date_is_told_once_and_not_held_late(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S - WEEK_S / 2
    bench.look()
    bench.wall.now_s = TUESDAY_S + 2 * HOUR_S
    bench.look()
    bench.look()
    assert [line for line in bench.told if "missed" in line] == [
        "missed: 2026-03-31 10:00 Europe/Paris; --catch-up holds the latest one that was missed"
    ]
    assert bench.drills == []


def test_catching_up_holds_the_latest_missed_date_once(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S - WEEK_S / 2
    bench.look()
    bench.wall.now_s = TUESDAY_S + WEEK_S + 2 * HOUR_S
    bench.look()
    held = [bench.look(catch_up=True).held for _ in range(2)]
    assert [one.planned_s if one else None for one in held] == [TUESDAY_S + WEEK_S, None]
    with History(bench.suite.history) as history:
        assert history.missed() == (TUESDAY_S,)


def test_in_a_blackout_nothing_is_caught_up_with_but_by_hand_it_is_held_and_said(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SUITE + "  blackout: [{on: 2026-04-01, because: freeze}]\n")
    bench.wall.now_s = TUESDAY_S - WEEK_S / 2
    bench.look()
    bench.wall.now_s = TUESDAY_S + 24 * HOUR_S
    assert bench.look(catch_up=True).decision.against == ("freeze",)
    assert bench.drills == []
    assert bench.look(at_once=True).held is not None
    assert "held by hand although: freeze" in bench.told


def test_a_clock_that_goes_back_holds_nothing_twice(bench: Bench) -> None:
    bench.look()
    bench.wall.now_s = TUESDAY_S - 30 * 86400
    bench.look()
    bench.wall.now_s = TUESDAY_S + 120
    bench.look()
    assert len(bench.drills) == 1
    assert not any("missed" in line for line in bench.told)


def test_a_clock_that_was_a_year_ahead_once_hides_no_misses(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S + 500 * 86400
    bench.look()
    bench.wall.now_s = TUESDAY_S - 86400
    bench.look()
    bench.wall.now_s = TUESDAY_S + 2 * HOUR_S
    assert [one.at_s for one in bench.look().decision.missed] == [TUESDAY_S]


def test_a_rule_that_was_changed_makes_no_misses_of_the_past(bench: Bench) -> None:
    bench.look()
    bench.suite = replace(bench.suite, plan=replace(bench.suite.plan, rule=replace(bench.suite.plan.rule, days=(0, 3))))
    bench.wall.now_s = TUESDAY_S + 86400
    assert bench.look().decision.missed == ()


@pytest.mark.parametrize(
    ("error", "state", "said"),
    [(LabError("no room"), "failed", "no room"), (KeyboardInterrupt(), "interrupted", "stopped by hand")],
)
def test_a_drill_without_a_report_is_remembered_with_its_reason(
    bench: Bench, error: BaseException, state: str, said: str
) -> None:
    bench.raises = error
    with pytest.raises(type(error)):
        bench.look()
    with History(bench.suite.history) as history:
        (found,) = history.days()
    assert (found.state, found.error) == (state, said)
    bench.look()
    assert len(bench.drills) == 1


def test_an_unknown_experiment_is_refused_before_anything_is_remembered(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SUITE.replace("primary-kill", "primary-kil"))
    with pytest.raises(InputError, match="no experiment is called"):
        bench.look()
    assert not bench.suite.history.exists()


def test_two_at_once_are_one_and_a_refusal(bench: Bench) -> None:
    with alone(bench.suite.history):
        assert is_held(bench.suite.history)
        with pytest.raises(MachineError, match="another game day"):
            bench.look()
    assert not is_held(bench.suite.history)
    assert bench.look().held is not None


def test_a_history_that_cannot_take_the_run_says_how_to_add_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise MachineError("the history cannot be used: database or disk is full", where="gameday.sqlite")

    with monkeypatch.context() as patch:
        patch.setattr(History, "finish", full)
        with pytest.raises(MachineError, match="disk is full") as told:
            bench.look()
    assert f"bascule gameday add {bench.suite.file}" in told.value.hint
    bench.look()
    assert bench.states() == ["interrupted"]


def test_only_old_directories_of_the_suite_are_removed(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SUITE + "keep: 2\n")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    bench.suite.runs.mkdir()
    (bench.suite.runs / "unknown").mkdir()
    for week in range(4):
        bench.wall.now_s = TUESDAY_S + week * WEEK_S
        bench.look()
    left = sorted(path.name for path in bench.suite.runs.iterdir())
    assert left == ["small-20260414-080000Z", "small-20260421-080000Z", "unknown"]
    assert elsewhere.exists()
    assert bench.states() == ["done"] * 4


def test_a_directory_with_a_fault_that_is_not_undone_stays(tmp_path: Path) -> None:
    bench = Bench(tmp_path, SUITE + "keep: 1\n")
    bench.look()
    first = bench.drills[0].directory
    (first / "journal.jsonl").write_text("not an entry\n")
    bench.wall.now_s = TUESDAY_S + WEEK_S
    bench.look()
    assert first.exists()
    assert any("a fault in it is not undone" in line for line in bench.told)


def test_two_game_days_in_one_second_have_two_directories(bench: Bench) -> None:
    bench.look(at_once=True)
    bench.look(at_once=True)
    assert len({one.directory for one in bench.drills}) == 2


class EnoughError(Exception):
    """Ends a watch in a test."""


def watched(bench: Bench, waits: int, jump: Callable[[int, float], float]) -> list[float]:
    """Watch for so many waits; `jump` says what the wall clock shows after each."""
    seen: list[float] = []

    def wait(seconds: float) -> None:
        seen.append(seconds)
        if len(seen) > waits:
            raise EnoughError
        bench.wall.now_s = jump(len(seen), seconds)

    def once() -> Date | None:
        bench.look()
        return following(bench.suite.plan, bench.wall.now_s)

    with pytest.raises(EnoughError):
        watch(once, bench.wall, wait, bench.told.append)
    return seen


def test_who_stays_holds_each_date_when_it_comes(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S - 100
    waits = watched(bench, 20, lambda _, seconds: bench.wall.now_s + seconds)
    assert len(bench.drills) == 1
    assert max(waits) <= 30.0


def test_who_stays_notices_a_clock_that_jumped_or_a_machine_that_slept(bench: Bench) -> None:
    bench.wall.now_s = TUESDAY_S - 3 * 86400
    watched(bench, 3, lambda at, seconds: TUESDAY_S + 5 if at == 2 else bench.wall.now_s + seconds)
    assert len(bench.drills) == 1


def test_who_stays_goes_on_after_a_game_day_that_could_not_take_place(bench: Bench) -> None:
    bench.raises = LabError("no room")
    watched(bench, 5, lambda _, seconds: bench.wall.now_s + seconds)
    assert "no room" in bench.told
    assert bench.told[-1].startswith("waiting for Tuesday 2026-04-07 10:00")


def test_who_stays_says_the_same_trouble_once(bench: Bench) -> None:
    with alone(bench.suite.history):
        watched(bench, 3, lambda _, seconds: bench.wall.now_s + seconds)
    assert len([line for line in bench.told if "another game day" in line]) == 1


def test_who_stays_ends_when_its_game_day_is_stopped(bench: Bench) -> None:
    bench.raises = AbortedError("stopped")
    with pytest.raises(AbortedError):
        watched(bench, 5, lambda _, seconds: bench.wall.now_s + seconds)
