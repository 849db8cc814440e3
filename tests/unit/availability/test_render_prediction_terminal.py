from __future__ import annotations

from io import StringIO

import pytest
from msgspec.structs import replace
from prediction_sample import hostile, large, minimal, prediction
from rich.console import Console

from bascule.availability.prediction import Prediction
from bascule.availability.render.terminal import summary


def printed(said: Prediction, width: int = 120, *, colours: bool = False) -> str:
    out = StringIO()
    console = Console(file=out, width=width, force_terminal=colours, color_system="truecolor" if colours else None)
    console.print(summary(said))
    return out.getvalue()


def words(said: Prediction, width: int = 200) -> str:
    return " ".join(printed(said, width).split())


@pytest.mark.parametrize("said", [prediction(), large(), minimal(), minimal(0.0), hostile()])
@pytest.mark.parametrize("width", [80, 120])
def test_it_fits(said: Prediction, width: int) -> None:
    assert max(len(line.rstrip()) for line in printed(said, width).splitlines()) <= width


def test_the_verdict_comes_first_and_last() -> None:
    lines = [line for line in printed(prediction()).splitlines() if line.strip()]
    sentence = "99.93 % expected, 99.95 % promised: about 6 h 8 min down a year; the promise would be missed."
    assert lines[0].strip() == f"MISSED taskmanagerpro: {sentence}"
    assert sentence in lines[-2]
    assert "MISSED: taskmanagerpro" in lines[-3]


def test_everything_is_said_without_colours() -> None:
    said = words(prediction())
    for expected in (
        "6 h 8 min a year, 30 min 40 s a month, 7 min 3 s a week (3.1 nines)",
        "30 min 14 s expected, 21 min 36 s are the budget", "79.2 % of such windows keep it (78.4 % to 80 %)",
        "10,000 simulated", "99.81 % with all that users can have", "EUR 34,960 a year of downtime",
        "takes the system down: service dns", "without sessions", "database 61 % ███████·····",
        "one more edge, in paris-b 17 min 99.933 % EUR 1,200 1.35 times", "1 h 47 min 99.95 % ✔",
        "no time for 3 more changes", "zone paris-a ✔ yes", "edge 1/1",
        "Two at the same time: 2 of 3 are not survived: paris-a and lyon-a, paris-a and bern-a",
        "zone zone paris-a ✘ 32 s, 30 s promised not known, 0 s promised", "database: the lease runs out 20 s",
        "2.9 \N{MULTIPLICATION SIGN} 10⁻⁴ 41 % database: failover did not work", "hot standby ✔ kept",
        "backup and restore ✘ missed 4 h 1 d",
        "database failover 30s 25.2s 24.1s to 26.8s yes", "! dns: 99.99% is a refund threshold",
        "Method: binary decision diagram", "27 figures, from: ",
    ):  # fmt: skip
        assert expected in said, expected


def test_what_matters_most_comes_first() -> None:
    said = words(large())
    assert said.index("part-000 50 %") < said.index("part-001 25 %") < said.index("part-007 6.2 %")


def test_scopes_whose_recoveries_are_made_of_the_same_parts_share_a_line() -> None:
    process = prediction().recovery[0]
    said = words(replace(prediction(), recovery=(process, replace(process, scope="host"))))
    assert "process, host: consensus: the others take over 1.5 s" in said


def test_lists_that_are_cut_say_how_much_more_there_is() -> None:
    said = words(large())
    for expected in ("and 192 more", "and 52 more", "and 194 more", "and 123,448 more"):
        assert expected in said, expected
    assert len(printed(large(), 80).splitlines()) < 250


def test_what_is_missing_is_left_out() -> None:
    said = words(minimal())
    for left_out in ("What would help most", "Strategies", "Warnings", "chance", "EUR", "None", "and 0 more"):
        assert left_out not in said, left_out
    assert "infinite" in said


def test_bounds_are_said() -> None:
    said = words(minimal(0.012, 0.008, meets=None))
    assert said.startswith("OPEN hello: 98.8 to 99.2 % expected")
    assert "between bounds, 98.8 to 99.2 %" in said


def test_a_text_can_neither_style_nor_move_the_cursor() -> None:
    written = printed(hostile())
    assert "\x1b" not in written
    assert "\x00" not in written
    assert "[red]" in written


def test_colours_only_help() -> None:
    coloured = printed(replace(prediction(), recovery=()), colours=True)
    assert "\x1b[" in coloured
