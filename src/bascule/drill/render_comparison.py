"""A comparison of two drills for the terminal, in 120 columns, and nothing said by colour alone. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bascule.drill.comparison import Change, Comparison, Side
from bascule.drill.render_words import clean, number_text

STYLES = {"worse": "bold red", "better": "bold green", "no difference shown": "", "too few trials": "yellow"}
_SIGNS = {"worse": "✘ ", "better": "✔ ", "no difference shown": "  ", "too few trials": "? "}


def comparison_text(comparison: Comparison, differ: Sequence[str] = ()) -> RenderableType:
    """A table for each experiment, what was tested how, what else differs, and the answer in one line.

    Args:
        comparison: What was found.
        differ: Why the two should not have been compared.
    """
    blocks: list[RenderableType] = [Text(f"! {clean(each)}", style="bold yellow") for each in differ]
    for experiment in dict.fromkeys(change.experiment for change in comparison.changes):
        blocks += [_table(experiment, [one for one in comparison.changes if one.experiment == experiment]), Text()]
    blocks += [Text(f"· {clean(note)}") for note in (*_methods(comparison), *comparison.notes)]
    answer = answer_text(comparison)
    blocks += [Text(), Text(answer, style=("bold green", "bold red", "bold yellow")[comparison.exit_code])]
    return Group(*blocks)


def answer_text(comparison: Comparison) -> str:
    """The whole comparison in one line: what is worse or better beyond luck, or that this cannot be told."""
    told = []
    for said in ("worse", "better"):
        named = [f"{one.title} ({one.experiment})" for one in comparison.changes if one.said == said]
        if named:
            told.append(clean(f"{said} beyond luck: {', '.join(named)}"))
    if told:
        return "; ".join(told)
    if comparison.exit_code == 2:
        return f"too few trials to tell anything: at least {_needed(comparison)} of each are needed"
    return "nothing is worse or better beyond luck; a smaller difference than so many trials show may be there"


def said_text(change: Change) -> str:
    """What may be said of one change, and how sure: `worse (p 0.012)`."""
    if change.said == "too few trials":
        return f"too few trials to tell; at least {change.needed} of each are needed"
    if change.alike:
        return f"the same in all {change.first.trials + change.second.trials} trials"
    return change.said if change.adjusted_p is None else f"{change.said} (p {_p_text(change.adjusted_p)})"


def side_text(side: Side, unit: str) -> str:
    """One drill's values: `8 of 10` for a share, else smallest, median and largest, or the one that all have."""
    if side.met is not None:
        return f"{side.met} of {side.trials}"
    if side.trials == 0:
        return "not measured"
    if side.low == side.high:
        return _number(side.middle, unit)
    return " / ".join(_number(value, unit) for value in (side.low, side.middle, side.high))


def shift_text(change: Change) -> str:
    """By how much the second is higher: `+2.10 (+0.40 to +3.90)`; empty where that cannot be said."""
    moved = change.shift
    if moved is None or change.said == "too few trials":
        return ""
    by = _signed(moved.by, change.unit)
    if moved.low is None or moved.high is None:
        return by
    return f"{by} ({_signed(moved.low, change.unit)} to {_signed(moved.high, change.unit)})"


def _table(experiment: str, changes: list[Change]) -> Table:
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, title=clean(experiment), title_justify="left")
    table.title_style, table.header_style = "bold", "bold"
    table.add_column("Measure", overflow="fold")
    table.add_column("First", justify="right", overflow="fold")
    table.add_column("Second", justify="right", overflow="fold")
    table.add_column("Shift (95 % sure)", justify="right", overflow="fold")
    table.add_column("More than luck?", overflow="fold")
    for one in changes:
        table.add_row(
            Text(clean(one.title if one.first.met is not None else f"{one.title}, {one.unit}".removesuffix(", "))),
            side_text(one.first, one.unit),
            side_text(one.second, one.unit),
            shift_text(one),
            Text(_SIGNS[one.said] + said_text(one), style=STYLES[one.said]),
        )
    return table


def _methods(comparison: Comparison) -> list[str]:
    methods = dict.fromkeys(one.method for one in comparison.changes if one.adjusted_p is not None)
    told = ["values are smallest / median / largest; what never came counts as longer than everything that did"]
    if methods:
        told.append(
            f"tested two-sided by {'; '.join(methods)}; each p is adjusted for all {comparison.compared} "
            f"comparisons that these trials can tell (Holm), and counts up to {comparison.alpha:g}"
        )
    return told


def _needed(comparison: Comparison) -> int:
    return max((one.needed or 0 for one in comparison.changes), default=0)


def _signed(value: float, unit: str) -> str:
    return f"{'-' if value < 0 else '+'}{_number(abs(value), unit)}"


def _number(value: float | None, unit: str) -> str:
    """Without its unit, which stands beside the measure."""
    return number_text(value, unit).removesuffix(f" {unit}")


def _p_text(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.2g}"
