"""Game days for the terminal, in 120 columns, and nothing said by colour alone. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bascule.drill.gameday.calendar import Date
from bascule.drill.gameday.days import CONTROL, Day
from bascule.drill.gameday.render_words import (
    LEGEND,
    LETTERS,
    answer_text,
    date_text,
    methods_text,
    passes_text,
    rto_text,
    state_text,
)
from bascule.drill.gameday.trend import Point, Trend
from bascule.drill.render_terminal import STYLES
from bascule.drill.render_words import clean, number_text, utc_text

ROWS = 5
MOST_COLUMNS = 80
_EIGHTHS = " ▁▂▃▄▅▆▇█"
_TONES = {"worse": "bold red", "better": "bold green", "no trend shown": "", "too few game days": "yellow"}


def plan_table(dates: Sequence[Date], zone: str) -> RenderableType:
    """The dates to come, and why none is held on some of them."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold")
    table.add_column(f"Date ({zone})", no_wrap=True)
    table.add_column("UTC", no_wrap=True)
    table.add_column("Held", no_wrap=True)
    table.add_column("Why", overflow="fold")
    for one in dates:
        why = "; ".join((*one.against, *([one.moved] if one.moved else [])))
        held = Text("no", style="yellow") if one.against else Text("yes", style="green")
        table.add_row(date_text(one), utc_text(one.at_s), held, Text(clean(why)))
    return table


def history_table(days: Sequence[Day], *, running: bool) -> RenderableType:
    """Every game day: when, how it ended, each experiment's verdicts and RTO, and on what it was measured."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, header_style="bold")
    table.add_column("#", justify="right")
    table.add_column("Began", no_wrap=True)
    table.add_column("Outcome", no_wrap=True)
    table.add_column("Experiment", overflow="fold")
    table.add_column("Verdicts", overflow="fold")
    table.add_column("RTO", justify="right", no_wrap=True)
    table.add_column("bascule", overflow="fold")
    table.add_column("Machine, or why there is no report", overflow="fold", style="dim")
    before = ""
    for one in days:
        outcome = state_text(one, running=running)
        head: list[str | Text] = [
            str(one.number),
            utc_text(one.started_s)[:16],
            Text(outcome, style=STYLES.get(outcome, "yellow")),
        ]
        tail = [Text(clean(one.version)), Text(clean(one.error or ("″" if one.machine == before else one.machine)))]
        before = one.machine or before
        names = list(dict.fromkeys(t.experiment for t in one.trials if t.experiment != CONTROL)) or [""]
        for name in names:
            table.add_row(*head, *_experiment(one, name), *tail)
            head, tail = ["", "", Text()], [Text(), Text()]
    return table


def _experiment(one: Day, name: str) -> tuple[Text, Text, str]:
    lines = [line for line in one.trials if line.experiment == name]
    rtos = [line.rto_s for line in lines if line.rto_s is not None and line.outcome in {"PASS", "FAIL"}]
    verdicts = Text()
    for line in lines:
        verdicts.append(LETTERS[line.outcome], style=STYLES.get(line.outcome, ""))
    return Text(clean(name)), verdicts, " ".join(number_text(rto, "s") for rto in rtos)


def trend_text(found: Trend) -> RenderableType:
    """A chart and two sentences for each experiment, what else is to be known, and the answer in one line."""
    blocks: list[RenderableType] = []
    for one in found.series:
        blocks += [Text(clean(one.experiment), style="bold"), _chart(one.points[-MOST_COLUMNS:])]
        if len(one.points) > MOST_COLUMNS:
            blocks.append(Text(f"  the last {MOST_COLUMNS} of {len(one.points)} game days are drawn", style="dim"))
        blocks += [Text(f"  {clean(rto_text(one))}", style=_TONES[one.rto.said])]
        blocks += [Text(f"  {clean(passes_text(one))}", style=_TONES[one.passes.said]), Text()]
    notes = [LEGEND if found.series else "", methods_text(found), *found.notes]
    blocks += [Text(f"· {clean(note)}", style="dim") for note in notes if note]
    style = ("bold green", "bold red", "bold yellow")[found.exit_code]
    return Group(*blocks, Text(), Text(answer_text(found), style=style))


def _chart(points: Sequence[Point]) -> Text:
    """One column for each game day: its RTO as a bar, the promise as a dashed line, the verdict as a letter below."""
    promised_s = next((one.promised_s for one in reversed(points) if one.promised_s is not None), None)
    finite = [one.rto_s for one in points if one.rto_s is not None and math.isfinite(one.rto_s)]
    top_s = max([*finite, promised_s or 0.0]) or 1.0
    wide = 2 if len(points) <= MOST_COLUMNS // 2 else 1
    line_row = min(ROWS - 1, int(promised_s / top_s * ROWS)) if promised_s is not None else -1
    text = Text()
    for row in reversed(range(ROWS)):
        text.append("  ")
        for one in points:
            cell = _cell(one, row, top_s)
            style = "red" if one.outcome == "FAIL" else "blue"
            if cell == " " and row == line_row:
                cell, style = "╌", "dim"
            text.append(cell, style=style)
            text.append(("╌" if row == line_row else " ") * (wide - 1), style="dim")
        if row == line_row:
            text.append(f" {number_text(promised_s, 's')} promised", style="dim")
        elif row == ROWS - 1:
            text.append(f" up to {number_text(top_s, 's')}", style="dim")
        text.append("\n")
    text.append("  ")
    for one in points:
        text.append(LETTERS[one.outcome].ljust(wide), style=STYLES.get(one.outcome, ""))
    return text


def _cell(one: Point, row: int, top_s: float) -> str:
    if one.rto_s is None:
        return " "
    if math.isinf(one.rto_s):
        return "∞" if row == ROWS - 1 else "█"
    eighths = max(1, round(one.rto_s / top_s * ROWS * 8)) - row * 8
    return _EIGHTHS[min(8, max(0, eighths))]
