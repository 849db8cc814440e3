"""What is said of a row of game days, and never more than they can tell."""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ET

import pytest
from game_days import FIRST_S, build_day
from msgspec.structs import replace
from rich.console import Console

from bascule.drill.gameday.days import Day, TrialLine
from bascule.drill.gameday.render_page import page
from bascule.drill.gameday.render_svg import trend_chart
from bascule.drill.gameday.render_text import history_table, trend_text
from bascule.drill.gameday.render_words import answer_text, letters, passes_text, rto_text
from bascule.drill.gameday.trend import Trend, trend


def of(rtos: list[float | None]) -> Trend:
    return trend([build_day(number, rto) for number, rto in enumerate(rtos, 1)])


def shown(found: Trend) -> str:
    console = Console(width=120, color_system=None)
    with console.capture() as capture:
        console.print(trend_text(found))
    return capture.get()


def test_an_rto_that_grows_every_time_is_worse_beyond_luck() -> None:
    found = of([5.0, 5.5, 6.1, 6.4, 7.2, 7.9])
    assert found.exit_code == 1
    assert "got longer by more than noise, by about 0.5" in rto_text(found.series[0])
    assert answer_text(found) == "worse beyond luck: RTO of primary-kill"


def test_an_rto_that_shrinks_is_better_and_no_finding() -> None:
    found = of([9.0, 8.5, 8.1, 7.4, 6.2, 5.9])
    assert found.exit_code == 0
    assert "got shorter" in rto_text(found.series[0])


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_too_few_game_days_are_never_called_no_change(count: int) -> None:
    found = of([5.0 + number for number in range(count)])
    assert found.exit_code == 2
    assert f"too few game days to tell a trend ({count}; at least 5 are needed)" in rto_text(found.series[0])
    assert "no trend" not in shown(found)


def test_noise_is_no_trend() -> None:
    found = of([5.0, 7.0, 4.5, 6.5, 5.5, 6.0, 5.1, 6.2])
    assert found.exit_code == 0
    assert "no trend shown" in rto_text(found.series[0])


def test_never_is_longer_than_everything() -> None:
    found = of([5.0, 5.1, 5.2, 5.3, 5.4, math.inf])
    assert found.series[0].rto.said == "worse"
    assert "never at last" in rto_text(found.series[0])
    assert "∞" in shown(found)


def test_all_alike_are_said_to_be_alike_only_when_there_are_enough() -> None:
    assert "the same on all 6 game days" in passes_text(of([5.0] * 6).series[0])
    assert "too few game days" in passes_text(of([5.0] * 4).series[0])


def test_passes_that_end_are_worse() -> None:
    days = [build_day(number, None, "PASS" if number < 7 else "FAIL") for number in range(1, 13)]
    assert trend(days).series[0].passes.said == "worse"


def test_what_was_not_judged_counts_for_nothing() -> None:
    days = [build_day(number, 5.0 + number, "INVALID") for number in range(1, 9)]
    found = trend(days)
    assert found.exit_code == 2
    assert rto_text(found.series[0]) == "no RTO was measured"
    assert letters(found.series[0].points) == "IIIIIIII"


def test_one_day_of_many_trials_is_one_value() -> None:
    lines = tuple(TrialLine(experiment="e", outcome="PASS", rto_s=1.0 + at, promised_s=9.0) for at in range(20))
    found = trend([Day(state="done", number=1, started_s=FIRST_S, trials=lines)])
    assert found.series[0].rto.days == 1
    assert found.series[0].points[0].rto_s == 10.5


def test_a_day_without_a_report_is_a_gap_and_a_note() -> None:
    lost = Day(state="interrupted", number=2, started_s=FIRST_S, error="killed")
    found = trend([build_day(1, 5.0), lost, build_day(3, 5.0)])
    assert letters(found.series[0].points) == "P·P"
    assert "1 game day left no report" in found.notes


def test_another_machine_or_version_is_marked_and_told() -> None:
    found = trend([build_day(1, 5.0), build_day(2, 6.0, version="2.0"), build_day(3, 6.0, version="2.0", machine="b")])
    assert [one.changed for one in found.series[0].points] == [(), ("bascule 2.0",), ("another machine",)]
    assert any("2 machines" in note for note in found.notes)


def test_a_system_file_that_changed_is_marked_where_it_is_known() -> None:
    days = [replace(build_day(number, 5.0), system=system) for number, system in enumerate(["a", "a", "b", ""])]
    assert [one.changed for one in trend(days).series[0].points] == [(), (), ("system file",), ()]


def test_many_experiments_are_adjusted_for_one_another() -> None:
    names = [f"e{at}" for at in range(20)]

    def lines(number: int) -> tuple[TrialLine, ...]:
        lucky = [number if at == 0 else (number * 7 + at) % 5 for at in range(20)]
        return tuple(
            TrialLine(experiment=name, outcome="PASS", rto_s=float(rto)) for name, rto in zip(names, lucky, strict=True)
        )

    days = [Day(state="done", number=n, started_s=FIRST_S + n, trials=lines(n)) for n in range(1, 6)]
    alone = [Day(state="done", number=n, started_s=FIRST_S + n, trials=lines(n)[:1]) for n in range(1, 6)]
    assert trend(alone).series[0].rto.said == "worse"
    assert trend(days).series[0].rto.said != "worse"


def test_the_chart_has_the_promise_and_a_letter_for_each_day() -> None:
    text = shown(trend([build_day(1, 5.0), build_day(2, 40.0, "FAIL"), build_day(3, None, "ABORTED")]))
    assert "30.00 s promised" in text
    assert "up to 40.00 s" in text
    assert "P F A" in text


@pytest.mark.parametrize("count", [1, 2, 60, 200])
def test_pictures_hold_any_number_of_days(count: int) -> None:
    found = of([5.0 + number % 3 for number in range(count)])
    assert max(map(len, shown(found).splitlines())) <= 120
    svg = ET.fromstring(trend_chart(found.series[0]))  # noqa: S314 - what was just drawn here
    boxes = [one for one in svg.iter() if one.get("class") == "verdict"]
    assert len(boxes) == count
    assert all(float(one.get("width", "0")) > 0 for one in boxes)


def test_the_page_loads_nothing_runs_nothing_and_escapes_what_comes_from_outside() -> None:
    evil = build_day(1, 5.0, version="<script>alert(1)</script>", machine="<img src=x>")
    days = [evil, build_day(2, 6.0)]
    text = page(trend(days), days, "<b>.yaml")
    assert "<script" not in text
    assert "<img" not in text
    assert "&lt;b&gt;.yaml" in text
    assert "default-src 'none'" in text
    assert set(re.findall(r"<[^>]*(?:src|href)=[^>]*>", text)) == {'<link rel="icon" href="data:,">'}


def test_the_history_says_what_left_no_report_and_repeats_no_machine() -> None:
    console = Console(width=120, color_system=None)
    lost = Day(state="running", number=3, started_s=FIRST_S)
    with console.capture() as capture:
        console.print(history_table([build_day(1, 5.0), build_day(2, 6.0), lost], running=False))
    text = capture.get()
    assert "interrupted" in text
    assert text.count("one") == 1
