"""An audit for the terminal: by file, each finding with its line and a caret; fits 80 columns. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from bascule.audit.finding import Severity
from bascule.audit.result import Audit, Finding
from bascule.audit.rule import Rule
from bascule.audit.visible import counted, visible

MOST_FINDINGS = 200
"""More than these nobody reads on a terminal; the rest is counted."""
STYLES: dict[Severity, str] = {"critical": "bold white on red", "high": "bold red", "medium": "yellow", "low": "cyan"}
_SHOWN_CHARACTERS = 64
_INDENT = (0, 0, 0, 4)


def report(audit: Audit) -> RenderableType:
    """Every finding and a summary; why and source are told with a rule's first finding."""
    blocks: list[RenderableType] = []
    explained: set[str] = set()
    shown = audit.findings[:MOST_FINDINGS]
    for file, findings in groupby(shown, key=lambda one: one.place.file):
        blocks.append(Text("standard input" if file == "-" else visible(file), style="bold underline"))
        for one in findings:
            blocks += [
                _head(one),
                *_excerpt(one),
                Padding(_facts(one, full=one.rule not in explained), _INDENT, expand=False),
                Text(),
            ]
            explained.add(one.rule)
    if len(audit.findings) > len(shown):
        more = counted(len(audit.findings) - len(shown), "more finding")
        blocks.append(Text(f"and {more}: --format json has them all\n", style="bold"))
    return Group(*blocks, *_ending(audit))


def _head(one: Finding) -> Text:
    line = Text("  ").append(f"{one.place.line}:{one.place.column}", style="dim").append("  ")
    line.append(f" {one.severity} ", style=STYLES[one.severity]).append(f" {one.rule} ", style="bold")
    subject = f"{visible(one.subject)}: " if one.subject else ""
    return line.append(f"{subject}{visible(one.what)}")


def _excerpt(one: Finding) -> list[RenderableType]:
    """The line, or the part of it around the place, and a caret below."""
    if not one.line.strip() or one.place.column > len(one.line) + 1:
        return []
    start = one.place.column - 1
    first = max(0, min(start - _SHOWN_CHARACTERS // 2, len(one.line) - _SHOWN_CHARACTERS))
    before, behind = one.line[first:start], one.line[start : first + _SHOWN_CHARACTERS]
    same_line = one.place.end_line == one.place.line and one.place.end_column > one.place.column
    marked = behind[: one.place.end_column - one.place.column] if same_line else behind[:1]
    shown = [visible(part.replace("\t", " ")) for part in (before, behind, marked.rstrip())]
    number = str(one.place.line)
    rail = f"    {number} │ "
    code = Text(rail, style="dim", no_wrap=True, overflow="crop").append(shown[0] + shown[1], style="not dim")
    mark = " " * (len(rail) - 2) + "│ " + " " * cell_len(shown[0])
    carets = Text(mark, style="dim", no_wrap=True, overflow="crop")
    return [code, carets.append("^" * max(1, cell_len(shown[2])), style=f"not dim {STYLES[one.severity]}")]


def _facts(one: Finding, *, full: bool) -> Table:
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    if full:
        table.add_row("why", Text(visible(one.why)))
    table.add_row("fix", Text(visible(one.fix) + (" (--fix writes it)" if one.edits else "")))
    if one.breaks:
        table.add_row("breaks", Text(visible(", ".join(one.breaks))))
    for place, what in one.related:
        table.add_row("see", Text(visible(f"{place}: {what}")))
    if full:
        table.add_row("source", Text(visible(one.source), style="dim"))
    return table


def _ending(audit: Audit) -> Iterator[RenderableType]:
    for note in audit.notes:
        yield Text(f"note: {visible(note)}", style="yellow")
    for one in audit.gone:
        what = f"in the baseline, but not found any more: {one.rule} {one.file} {one.subject}".rstrip()
        yield Text(visible(what), style="dim")
    yield summary(audit)


def summary(audit: Audit) -> Text:
    """One line: what was read, and how many findings of each severity there are."""
    line = Text(counted(audit.files, "file"))
    of = [f"{count:,} {name}" for name, count in audit.technologies.items()]
    line.append(f" ({', '.join(of)})" if of else "")
    line.append(f", {len(audit.unknown):,} of no known technology" if audit.unknown else "").append(": ")
    counts = [(severity, count) for severity, count in audit.counts().items() if count]
    if not counts:
        line.append("no findings", style="bold green")
    for number, (severity, count) in enumerate(counts):
        line.append(", " if number else "").append(f"{count:,} {severity}", style=STYLES[severity])
    line.append(f"; {len(audit.suppressed):,} suppressed" if audit.suppressed else "")
    return line.append(f"; {len(audit.known):,} in the baseline" if audit.known else "")


def rules_table(rules: tuple[Rule, ...]) -> Table:
    """The rules: id, severity, technology, name, and the promises that each breaks."""
    table = Table(box=None, pad_edge=False)
    for title in ("rule", "severity", "technology", "what", "breaks"):
        table.add_column(title, overflow="fold")
    for one in rules:
        severity = Text(one.severity, style=STYLES[one.severity])
        table.add_row(one.id, severity, one.technology, one.name, ", ".join(one.objectives) or "-")
    return table


def explanation(rule: Rule) -> RenderableType:
    """Everything that is known about one rule."""
    head = (
        Text(rule.id, style="bold").append(f" {rule.name} ").append(f" {rule.severity} ", style=STYLES[rule.severity])
    )
    table = Table.grid(padding=(0, 1))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    told = {
        "about": rule.technology,
        "why": rule.why,
        "fix": rule.fix,
        "breaks": ", ".join(rule.objectives),
        "source": rule.source,
    }
    for name, value in told.items():
        if value:
            table.add_row(name, Text(value))
    return Group(head, Padding(table, (0, 0, 0, 2), expand=False))
