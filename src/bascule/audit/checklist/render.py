"""A judged checklist for a terminal and as Markdown. Pure."""

from __future__ import annotations

from itertools import groupby

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from bascule.audit.checklist.judging import NOTHING
from bascule.audit.checklist.words import Checklist, Judged, State
from bascule.audit.visible import markdown as plain_markdown
from bascule.audit.visible import visible

MARKS: dict[State, tuple[str, str]] = {
    "proved": ("✔", "green"),
    "failed": ("✘", "bold red"),
    "not applicable": ("-", "dim"),
    "unknown": ("?", "yellow"),
}


def headline(checklist: Checklist) -> str:
    """The score and the level in one line."""
    return (
        f"{checklist.proved} of {checklist.applicable} points proved, {checklist.failed} failed, "
        f"{checklist.unknown} unknown: level {checklist.level}"
    )


def terminal(checklist: Checklist) -> RenderableType:
    """The list by its groups; what is unknown says how it can be proved."""
    table = Table(box=None, show_header=False, padding=(0, 1))
    for group, points in groupby(checklist.points, key=lambda one: one.group):
        table.add_row("", Text(group, style="bold"))
        for one in points:
            mark, style = MARKS[one.state]
            table.add_row(Text(mark, style=style), Text(f"{one.id}  {one.title}"), Text(_because(one), style="dim"))
    return Group(Text(headline(checklist), style="bold"), table, Text(checklist.note, style="dim"))


def _because(one: Judged) -> str:
    if one.state != "unknown":
        return visible(one.because)
    told = "" if one.because == NOTHING else f"{visible(one.because)}; "
    return f"{told}to prove it: {one.how}"


def markdown(checklist: Checklist) -> str:
    """The list as a Markdown page."""
    lines = ["# High-availability checklist", "", headline(checklist), "", checklist.note]
    for group, points in groupby(checklist.points, key=lambda one: one.group):
        lines += ["", f"## {group}", "", "| | point | state | because |", "|---|---|---|---|"]
        lines += [f"| {one.id} | {one.title} | {one.state} | {plain_markdown(_because(one))} |" for one in points]
    return "\n".join(lines) + "\n"
