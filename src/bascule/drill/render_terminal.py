"""A report for the terminal: fits 80 columns, and says nothing by colour alone. Pure."""

from __future__ import annotations

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bascule.drill.claiming import claim_text
from bascule.drill.render_words import (
    PART_NAMES,
    clean,
    headline,
    number_text,
    objective_text,
    outcome_text,
    part_texts,
    parts,
    report_headline,
    resolution_text,
    result_text,
    value_text,
)
from bascule.drill.report import Report, Statistic, Trial
from bascule.measure.verdict import Measure, Verdict

STYLES = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INVALID": "bold yellow",
    "ABORTED": "bold magenta",
    "SKIPPED": "bold cyan",
    "not judged": "yellow",
}
SIGNS = {"PASS": "✔ PASS", "FAIL": "✘ FAIL", "not judged": "? open", "": ""}
_PART_LOOKS = (("█", "blue"), ("▓", "yellow"), ("▒", "cyan"))
_BAR_CELLS = 60
_INDENT = (0, 0, 0, 2)


def summary(report: Report) -> RenderableType:
    """The whole drill: each trial with its table, then the statistics, then every headline once more."""
    blocks: list[RenderableType] = []
    for trial in report.trials:
        blocks += [verdict_table(trial), Text()]
    if report.statistics:
        blocks += [statistics_table(report.statistics), Text()]
    blocks.append(_ending(report))
    return Group(*blocks)


def verdict_table(trial: Trial) -> RenderableType:
    """One trial: its headline, the measures beside their objectives, the parts of the RTO, and what happened."""
    blocks: list[RenderableType] = [_headline(trial)]
    about = clean(" · ".join(text for text in (trial.title, _aim(trial), _load(trial)) if text))
    blocks.append(Padding(Text(about, style="dim"), _INDENT))
    if trial.verdict.measures:
        blocks.append(Padding(measures_table(trial.verdict), _INDENT))
    if parts(trial.verdict):
        blocks.append(Padding(parts_bar(trial.verdict), _INDENT))
    blocks += _sentences("Why", trial.verdict.reasons if not trial.skipped else ())
    blocks += _sentences("What happened", trial.explanation)
    return Group(*blocks)


def measures_table(verdict: Verdict) -> Table:
    """Every measure: value with unit and resolution, what was promised, the result, and how it came about."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 0), header_style="bold")
    table.add_column("Measure", ratio=26, overflow="fold")
    table.add_column("Measured", justify="right", no_wrap=True)
    table.add_column("Promised", justify="right", no_wrap=True)
    table.add_column("Result", no_wrap=True)
    table.add_column("Note", ratio=40, overflow="fold")
    for measure in verdict.measures:
        table.add_row(*_cells(measure))
    return table


def parts_bar(verdict: Verdict, cells: int = _BAR_CELLS) -> RenderableType:
    """The parts of the RTO as a sum, and one bar of `cells` cells in proportion; each part keeps a cell at least."""
    total, found = part_texts(verdict)
    line, bar = Text("RTO ").append(total, style="bold"), Text()
    widths = _widths([part.seconds for part, _ in found], cells)
    for index, ((part, text), width) in enumerate(zip(found, widths, strict=True)):
        sign, style = _PART_LOOKS[index]
        line.append(" = " if index == 0 else " + ")
        line.append(f"{sign} ", style=style).append(f"{part.name} {text}")
        bar.append(sign * width, style=style)
    return Group(line, bar)


def statistics_table(statistics: tuple[Statistic, ...]) -> Table:
    """What several trials of each experiment say together, and how likely the next one meets its objective."""
    table = Table(
        box=box.SIMPLE_HEAD, show_edge=False, title="Over all trials", title_justify="left", header_style="bold"
    )
    for name, justify in (
        ("Experiment", "left"),
        ("Met", "right"),
        ("Probability to meet", "right"),
        ("RTO min / median / max", "right"),
        ("Upper bounds", "left"),
    ):
        table.add_column(name, justify="right" if justify == "right" else "left", overflow="fold")
    for one in statistics:
        table.add_row(
            Text(clean(one.experiment)),
            f"{one.met} of {one.trials}",
            probability_text(one),
            rto_range_text(one),
            quantiles_text(one),
        )
    return table


def probability_text(one: Statistic) -> str:
    """The interval that holds the probability to meet the objective: `71.5 to 100.0 % (95 % sure)`."""
    return f"{one.low * 100:.1f} to {one.high * 100:.1f} % ({one.confidence * 100:.10g} % sure)"


def rto_range_text(one: Statistic) -> str:
    """The shortest, the median and the longest RTO: `19.80 / 20.30 / 20.62 s`."""
    rtos = (one.rto_min_s, one.rto_median_s, one.rto_max_s)
    return " / ".join(number_text(rto, "s").removesuffix(" s") for rto in rtos) + " s"


def quantiles_text(one: Statistic) -> str:
    """The quantile bounds that this many trials support: `P90 ≤ 23.10 s`; says so when they support none."""
    if not one.quantiles:
        return "too few trials"
    return ", ".join(f"{clean(name)} ≤ {number_text(value, 's')}" for name, value in one.quantiles.items())


def _cells(measure: Measure) -> tuple[Text, Text, str, Text, Text]:
    result = result_text(measure)
    value = Text(value_text(measure), style="bold" if measure.objective is not None else "")
    resolution = resolution_text(measure)
    if resolution:
        value.append(f" {resolution}", style="dim not bold")
    return (
        Text(("  " if measure.name in PART_NAMES else "") + clean(measure.title)),
        value,
        objective_text(measure),
        Text(SIGNS[result], style=STYLES.get(result, "")),
        Text(clean(measure.note)),
    )


def _headline(trial: Trial) -> Text:
    outcome, text = outcome_text(trial), headline(trial)
    line = Text(text, style="bold")
    line.stylize(f"{STYLES[outcome]} reverse", 0, len(outcome))
    return line


def _aim(trial: Trial) -> str:
    return f"aimed at {trial.target}" if trial.target else ""


def _load(trial: Trial) -> str:
    return f"{sum(trial.offered.values()):,} operations offered" if trial.offered else ""


def _sentences(title: str, sentences: tuple[str, ...]) -> list[RenderableType]:
    if not sentences:
        return []
    table = Table.grid(padding=(0, 1))
    for sentence in sentences:
        table.add_row("·", Text(clean(sentence)))
    return [Padding(Text(title, style="bold"), _INDENT), Padding(table, _INDENT)]


def _widths(lengths: list[float], cells: int) -> list[int]:
    widths = [max(1, round(length / sum(lengths) * cells)) for length in lengths]
    widths[widths.index(max(widths))] += cells - sum(widths)
    return widths


def _ending(report: Report) -> Panel:
    lines = [_headline(trial) for trial in report.trials]
    if report.claimed is not None:
        lines.append(Text(clean(f"Claim {claim_text(report.claimed)}"), style="bold"))
    return Panel(
        Group(*lines),
        title=Text(report_headline(report), style=STYLES[report.outcome]),
        title_align="left",
        subtitle=Text(f"{clean(report.system)}, {number_text(report.duration_s, 's')}"),
        subtitle_align="right",
        box=box.ROUNDED,
        padding=(0, 1),
    )
