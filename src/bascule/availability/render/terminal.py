"""A prediction for the terminal: fits 80 columns, says nothing by colour alone, and says what it leaves out. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from bascule.availability.prediction import YEAR_S, Change, Prediction, Recovery, Survival
from bascule.availability.render.words import (
    calibration_text,
    clean,
    count_text,
    downtime_text,
    duration_text,
    expected_text,
    factor_text,
    gain_text,
    is_kept,
    listed,
    lost_text,
    money_text,
    nines_text,
    part_name,
    percent_text,
    period_words,
    probability_text,
    rpo_text,
    rto_text,
    share_text,
    short,
    verdict_text,
    word,
)

MOST_ROWS, MOST_WARNINGS = 8, 6
STYLES = {"KEPT": "bold green", "MISSED": "bold red", "OPEN": "bold yellow"}
SIGNS = {True: "✔ ", False: "✘ ", None: ""}
_STYLE_OF = {True: "bold green", False: "bold red", None: ""}
_BAR_CELLS = 12
_INDENT = (0, 0, 0, 2)


def summary(prediction: Prediction, top: int = MOST_ROWS) -> RenderableType:
    """The whole prediction, the verdict first and once more at the end.

    Args:
        prediction: It.
        top: How many changes and minimal cut sets are listed.
    """
    blocks: list[RenderableType] = [_headline(prediction), _facts(prediction)]
    for title, block, left in (
        ("What matters most", _weights(prediction), len(prediction.weights) - MOST_ROWS),
        ("What would help most", _changes(prediction, top), len(prediction.changes) - top),
        ("When a zone or a region is lost", _survival(prediction), len(_places(prediction)) - MOST_ROWS),
        ("How long until clients are served again", _recovery(prediction), 0),
        ("Minimal cut sets", _cut_sets(prediction, top), 0),
        ("Strategies of disaster recovery", _strategies(prediction), 0),
        ("What drills measured", _measured(prediction), len(prediction.measured) - MOST_ROWS),
        ("Warnings", _warnings(prediction), len(prediction.warnings) - MOST_WARNINGS),
    ):
        if block is not None:
            blocks += [Text(), Text(title, style="bold"), Padding(block, _INDENT)]
            blocks += [_more(left)] if left > 0 else []
    return Group(*blocks, Text(), _basis(prediction), Text(), _ending(prediction))


def _headline(prediction: Prediction) -> Text:
    verdict = word(prediction.meets)
    line = Text(clean(f"{verdict} {prediction.system}: {verdict_text(prediction)}"), style="bold")
    line.stylize(f"{STYLES[verdict]} reverse", 0, len(verdict))
    return line


def _facts(prediction: Prediction) -> RenderableType:
    """The figures that people ask for first, a line each."""
    uptime = prediction.uptime
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    downtimes = ((YEAR_S, "a year"), (YEAR_S / 12, "a month"), (7 * 86400.0, "a week"))
    down = ", ".join(f"{downtime_text(uptime, span_s)} {name}" for span_s, name in downtimes)
    table.add_row("down", Text(f"{down} ({nines_text(uptime)})"))
    window = duration_text(prediction.window_s)
    spent = downtime_text(uptime, prediction.window_s)
    table.add_row(f"in {window}", Text(f"{spent} expected, {duration_text(prediction.budget_s)} are the budget"))
    if prediction.window_probability is not None:
        value, low, high = prediction.window_probability
        table.add_row("chance", Text(f"{probability_text(value)} of such windows keep it ({_between(low, high)})"))
    if prediction.months is not None:
        table.add_row("months", Text(_months(prediction)))
    if prediction.full is not None:
        full = f"{expected_text(prediction.full)} with all that users can have, soft needs included"
        table.add_row("whole", Text(full))
    for one in prediction.regions if len(prediction.regions) > 1 else ():
        seen = f"{expected_text(one.uptime, prediction.target)} for its clients alone"
        table.add_row(Text(short(f"in {one.region}", 14)), Text(seen))
    if prediction.money is not None:
        money = prediction.money
        table.add_row("costs", Text(f"{money_text(money.per_year, money.currency)} a year of downtime"))
    if prediction.single_points:
        table.add_row("alone", Text(f"takes the system down: {listed(prediction.single_points, MOST_ROWS)}"))
    if prediction.not_reached:
        table.add_row("unneeded", Text(f"the load is served without {listed(prediction.not_reached, MOST_ROWS)}"))
    return Padding(table, _INDENT)


def _between(low: float, high: float) -> str:
    return f"{probability_text(low)} to {probability_text(high)}"


def _months(prediction: Prediction) -> str:
    months = prediction.months
    assert months is not None, "asked only where there are some"  # noqa: S101 - the caller has looked
    exceeded = ", ".join(
        f"{(1 - one.probability) * 100:.3g} % exceed {duration_text(one.downtime_s.value)}"
        for one in months.quantiles[:4]
    )
    many = period_words(months.month_s)[1]
    rare = "; too few outages to rely on that" if months.rare else ""
    none = probability_text(months.no_downtime.value)
    return f"of {months.months:,} simulated {many} {none} have none, {exceeded}{rare}"


def _table(*columns: str) -> Table:
    """A small table; a column whose name begins with `#` holds numbers, one that begins with `+` takes what is left."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for name in columns:
        is_number, is_wide = name.startswith("#"), name.startswith("+")
        table.add_column(
            name.lstrip("#+"),
            justify="right" if is_number else "left",
            no_wrap=is_number,
            ratio=1 if is_wide else None,
            overflow="fold",
        )
    return table


def _weights(prediction: Prediction) -> Table | None:
    if not prediction.weights:
        return None
    table = _table("Part", "#Less downtime", "", "#Would save a year", "#RAW", "#RRW")
    for one in sorted(prediction.weights, key=lambda one: -one.criticality)[:MOST_ROWS]:
        cells = round(min(1.0, max(0.0, one.criticality)) * _BAR_CELLS)
        table.add_row(
            Text(part_name(one)),
            share_text(one.criticality),
            Text("█" * cells + "·" * (_BAR_CELLS - cells), style="yellow"),
            duration_text(one.potential_s),
            factor_text(one.raw),
            factor_text(one.rrw),
        )
    return table


def _changes(prediction: Prediction, top: int) -> RenderableType | None:
    changes = prediction.changes
    if not changes:
        return None
    priced = any(one.cost_per_year is not None for one in changes)
    table = _table("+Change", "#Saves a year", "#Then", *(("#Costs a year", "#Gives back") if priced else ()))
    for one in changes[:top]:
        kept = is_kept(one.uptime, prediction.target)
        then = Text(percent_text(one.uptime.unavailability, prediction.target), style="bold green" if kept else "")
        then.append(" ✔" if kept else "  ")
        table.add_row(
            Text(clean(one.change)), duration_text(one.saved_s), then, *(_price(prediction, one) if priced else ())
        )
    told = "✔ the promise would then be kept"
    if not priced:
        told += "; the file gives no costs"
    if prediction.untried:
        told += f"; no time for {count_text(prediction.untried, 'more change')}"
    return Group(table, Text(told, style="dim"))


def _price(prediction: Prediction, one: Change) -> tuple[str, str]:
    currency = prediction.currency
    cost = "" if one.cost_per_year is None else money_text(one.cost_per_year, currency)
    return cost, "" if one.gain_per_cost is None or one.saved_s < 0 else gain_text(one.gain_per_cost)


def _places(prediction: Prediction) -> Sequence[Survival]:
    return [one for one in prediction.survival if len(one.lost) == 1]


def _survival(prediction: Prediction) -> RenderableType | None:
    one_each = _places(prediction)
    if not prediction.survival:
        return None
    table = _table("Lost", "Survives", "#Meanwhile", "Left / needed", "+Down then, alone, by")
    for one in one_each[:MOST_ROWS]:
        meanwhile = expected_text(one.uptime) if one.survives else "0 %"
        then = listed(one.next_points, 2) or "nothing alone"
        table.add_row(
            Text(lost_text(one)),
            Text(SIGNS[one.survives] + ("yes" if one.survives else "no"), style=_STYLE_OF[one.survives]),
            meanwhile,
            Text(_tightest(one)),
            Text(then if one.survives else "-"),
        )
    two = [one for one in prediction.survival if len(one.lost) > 1]
    bad = [one for one in two if not one.survives]
    if not two:
        return table
    told = f"Two at the same time: {len(bad):,} of {len(two):,} are not survived"
    names = listed([" and ".join(one.lost) for one in bad], 4)
    return Group(table, Text(f"{told}{': ' if names else ''}{names}"))


def _tightest(one: Survival) -> str:
    """The components with the least to spare."""
    margins = sorted(one.margins.items(), key=lambda item: item[1][0] - item[1][1])
    return listed([f"{name} {left}/{needed}" for name, (left, needed) in margins], 2)


def _recovery(prediction: Prediction) -> RenderableType | None:
    if not prediction.recovery:
        return None
    table = _table("Loss of", "Worst", "Not served", "Work lost")
    scopes: dict[str, list[str]] = {}
    for one in prediction.recovery:
        table.add_row(
            Text(clean(one.scope)),
            Text(clean(one.worst)),
            Text(SIGNS[one.meets_rto] + rto_text(one), style=_STYLE_OF[one.meets_rto]),
            Text(SIGNS[one.meets_rpo] + rpo_text(one), style=_STYLE_OF[one.meets_rpo]),
        )
        scopes.setdefault(_parts(one), []).append(clean(one.scope))
    made = Table.grid(padding=(0, 1))
    for parts, of in scopes.items():
        if parts:
            made.add_row(Text(f"{', '.join(of)}:", style="dim"), Text(parts, style="dim"))
    return Group(table, made)


def _parts(one: Recovery) -> str:
    """What the time is made of, where it is more than one part."""
    parts = [f"{part.name} {duration_text(part.seconds)}" for part in one.parts if part.seconds > 0]
    return listed(parts, 6) if len(parts) > 1 else ""


def _cut_sets(prediction: Prediction, top: int) -> RenderableType | None:
    sets = prediction.cut_sets
    if not sets.shown:
        return None
    table = _table("#Probability", "#Share", "+Together they take the system down")
    for one in sets.shown[:top]:
        table.add_row(probability_text(one.probability), share_text(one.share), Text(listed(one.events, 6)))
    left = (sets.count or 0) - min(top, len(sets.shown))
    told = f"and {left:,} more" if left > 0 else ""
    return Group(table, Text(told, style="dim")) if told else table


def _strategies(prediction: Prediction) -> Table | None:
    if not prediction.strategies:
        return None
    priced = any(one.cost_per_year is not None for one in prediction.strategies)
    currency = prediction.currency
    table = _table("Strategy", "Promises", "#RTO", "#RPO", "#Costs a year" if priced else "#Cost", "+Why not")
    for one in prediction.strategies:
        cost = f"\N{MULTIPLICATION SIGN} {one.strategy.multiple:g}"
        if one.cost_per_year is not None:
            cost = money_text(one.cost_per_year, currency)
        table.add_row(
            Text(clean(one.strategy.name)),
            Text(SIGNS[one.meets] + ("kept" if one.meets else "missed"), style=_STYLE_OF[one.meets]),
            duration_text(one.strategy.rto.seconds),
            duration_text(one.strategy.rpo.seconds),
            cost,
            Text(clean("; ".join(one.misses))),
        )
    return table


def _measured(prediction: Prediction) -> RenderableType | None:
    if not prediction.measured:
        return None
    table = _table("Of", "Figure", "Assumed", "Measured", "Bounds", "Used", "+From")
    for one in prediction.measured[:MOST_ROWS]:
        cells = (one.of, one.figure, one.assumed, one.measured, one.bounds, "yes" if one.used else "no", one.source)
        table.add_row(*(Text(clean(cell)) for cell in cells))
    told = calibration_text(prediction)
    return Group(table, Text(told)) if told else table


def _warnings(prediction: Prediction) -> Table | None:
    if not prediction.warnings:
        return None
    table = Table.grid(padding=(0, 1))
    for sentence in prediction.warnings[:MOST_WARNINGS]:
        table.add_row("!", Text(clean(sentence)))
    return table


def _basis(prediction: Prediction) -> Text:
    """What all of it rests on: the method, and where the figures come from."""
    uptime = prediction.uptime
    bounds = "" if uptime.exact else f"; between bounds, {expected_text(uptime)}"
    said = f"Method: {clean(prediction.method)}{bounds}."
    if prediction.assumptions:
        sources = Counter(one.source for one in prediction.assumptions).most_common()
        named = listed([f"{short(source, 60)} ({count:,})" for source, count in sources], 4)
        said += f" {count_text(len(prediction.assumptions), 'figure')}, from: {named}."
    return Text(said, style="dim")


def _more(left: int) -> Padding:
    return Padding(Text(f"and {left:,} more", style="dim"), _INDENT)


def _ending(prediction: Prediction) -> Panel:
    verdict = word(prediction.meets)
    return Panel(
        Text(verdict_text(prediction)),
        title=Text(f"{verdict}: {short(prediction.system, 40)}", style=STYLES[verdict]),
        title_align="left",
        box=box.ROUNDED,
        padding=(0, 1),
    )
