"""The guide shows what the commands print, and its file can be read."""

from __future__ import annotations

import re
from pathlib import Path

from game_days import FIRST_S, WEEK_S, write_suite
from rich.console import Console

from bascule.drill.gameday.days import Day, TrialLine
from bascule.drill.gameday.render_text import trend_text
from bascule.drill.gameday.suite import load_suite
from bascule.drill.gameday.trend import trend
from bascule.measure.verdict import Outcome

GUIDE = (Path(__file__).parents[4] / "docs" / "gameday.md").read_text(encoding="utf-8")
HOST_LOSS = [20.2, 22.1, 23.7, 23.2, 25.1, 24.6, None, 26.0, 27.2, 26.8, 31.4, 29.9]
PRIMARY_KILL = [19.0, 21.4, 21.9, None, 23.1, 20.7, None, 21.3, 21.0, 21.6, 19.2, 21.8]


def weeks() -> list[Day]:
    days = []
    for number, rtos in enumerate(zip(HOST_LOSS, PRIMARY_KILL, strict=True), 1):
        started_s = FIRST_S + number * WEEK_S
        if rtos == (None, None):
            days.append(Day(state="interrupted", number=number, started_s=started_s, error="killed"))
            continue
        lines = []
        for name, rto_s in zip(("host-loss", "primary-kill"), rtos, strict=True):
            outcome: Outcome = "INVALID" if rto_s is None else "PASS" if rto_s <= 30 else "FAIL"
            lines.append(TrialLine(experiment=name, outcome=outcome, rto_s=rto_s, promised_s=30.0))
        days.append(
            Day(state="done", number=number, started_s=started_s, version="0.1.0", machine="m", trials=tuple(lines))
        )
    return days


def shown() -> str:
    console = Console(width=118, color_system=None)
    with console.capture() as capture:
        console.print(trend_text(trend(weeks())))
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def test_the_guide_shows_what_trend_prints() -> None:
    assert shown() in GUIDE, shown()


def test_the_file_of_the_guide_can_be_read(tmp_path: Path) -> None:
    (text,) = re.findall(r"```yaml\n(.*?)```", GUIDE, re.DOTALL)
    assert load_suite(write_suite(tmp_path, text)).experiments == ("primary-kill", "host-loss")
