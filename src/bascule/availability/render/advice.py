"""The sections of a prediction's page that say what would help, and what all of it rests on. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bascule.availability.assumptions import Assumption
from bascule.availability.prediction import YEAR_S, Change, Measurement, Prediction
from bascule.availability.render.markup import bar, folded, items, quiet, result, section, table, text
from bascule.availability.render.words import (
    calibration_text,
    count_text,
    downtime_text,
    duration_text,
    gain_text,
    is_kept,
    money_text,
    percent_text,
)

MOST_CHANGES = 12
MOST_MEASURED = 12


def changes_section(prediction: Prediction) -> str:
    """What each single change would save, the best first."""
    changes = prediction.changes
    if not changes:
        return ""
    longest_s = max(abs(one.saved_s) for one in changes)

    def draw(found: Sequence[Change]) -> str:
        return f"<ul class=bars>{''.join(_change(prediction, one, longest_s) for one in found)}</ul>"

    told = "Downtime that each single change saves in a year, and what is expected then."
    if all(one.cost_per_year is None for one in changes):
        told += " The file gives no costs: what a change is worth is not known."
    if prediction.untried:
        told += f" There was no time to try {count_text(prediction.untried, 'more change')}."
    return section("changes", "What would help most", quiet(told), folded(changes, MOST_CHANGES, draw, "more changes"))


def _change(prediction: Prediction, one: Change, longest_s: float) -> str:
    worse = one.saved_s < 0
    said = duration_text(one.saved_s)
    then = ["makes it worse"] if worse else []
    then.append(f"then {percent_text(one.uptime.unavailability, prediction.target)}")
    currency = prediction.currency
    if one.cost_per_year is not None:
        then.append(f"costs {money_text(one.cost_per_year, currency).strip()} a year")
    if one.gain_per_cost is not None and not worse:
        then.append(f"gives back {gain_text(one.gain_per_cost)} its cost")
    kept = is_kept(one.uptime, prediction.target)
    told = "" if kept == prediction.meets else result(f"{'keeps' if kept else 'misses'} the promise", met=kept)
    length = abs(one.saved_s) / longest_s if longest_s else 0.0
    return (
        f"<li><span class=label>{text(one.change)}</span>{bar(length, 'worse' if worse else 'saved')}"
        f'<b class=amount>{text(said)}</b><span class="about quiet">{text("; ".join(then))} {told}</span></li>'
    )


def assumptions_section(prediction: Prediction) -> str:
    """Every figure that was assumed, with its source."""
    if not prediction.assumptions:
        return ""
    groups = [(of, list(found)) for of, found in groupby(prediction.assumptions, key=lambda one: one.of)]

    def draw(found: Sequence[tuple[str, list[Assumption]]]) -> str:
        rows = (_assumption(one, first=one is every[0], many=len(every)) for _, every in found for one in every)
        return table("Assumptions", ("Of", "Figure", "Value", "Source"), rows, css="assumptions")

    body = folded(groups, 12, draw, "more parts")
    folds = len(prediction.assumptions) > 30
    told = count_text(len(prediction.assumptions), "figure")
    if folds:
        body = f"<details><summary>{text(told)}, each with its source</summary>{body}</details>"
    return section("assumptions", "What is assumed", body)


def _assumption(one: Assumption, *, first: bool, many: int) -> str:
    name = f"<th scope=rowgroup rowspan={many}>{text(one.of)}</th>" if first else ""
    figures = f"<td>{text(one.figure)}</td><td>{text(one.value)}</td><td class=quiet>{text(one.source)}</td>"
    return f"<tr{' class=first' if first else ''}>{name}{figures}</tr>"


def warnings_section(prediction: Prediction) -> str:
    """What is to be taken with care."""
    if not prediction.warnings:
        return ""

    def draw(found: Sequence[str]) -> str:
        return items(found, "warnings")

    return section("warnings", "Warnings", folded(prediction.warnings, 20, draw, "more warnings"))


def measured_section(prediction: Prediction) -> str:
    """What drills measured, beside what was assumed before."""
    if not prediction.measured:
        return ""
    columns = ("Of", "Figure", "#Assumed", "#Measured", "Bounds", "Used", "From")

    def draw(found: Sequence[Measurement]) -> str:
        return table("Measured by drills", columns, map(_measurement, found), css="measured")

    changed = quiet(calibration_text(prediction)) if prediction.calibration is not None else ""
    drawn = folded(prediction.measured, MOST_MEASURED, draw, "more figures")
    return section("measured", "What drills measured", changed, drawn)


def _measurement(one: Measurement) -> str:
    used = "yes" if one.used else "no"
    return (
        f"<tr><th scope=row>{text(one.of)}</th><td>{text(one.figure)}</td><td class=number>{text(one.assumed)}</td>"
        f"<td class=number><b>{text(one.measured)}</b></td><td>{text(one.bounds)}</td><td>{used}</td>"
        f"<td class=quiet>{text(one.source)}</td></tr>"
    )


def method_section(prediction: Prediction) -> str:
    """How it was worked out, and how exact that is."""
    uptime = prediction.uptime
    if uptime.exact:
        bounds = "The structure was solved exactly: the figures have no error but that of the assumptions."
    else:
        bounds = (
            f"The unavailability lies between bounds: {percent_text(uptime.unavailability)} to "
            f"{percent_text(uptime.lower)} available, {downtime_text(uptime, YEAR_S)} down a year."
        )
    said = [prediction.method, bounds, f"Time is counted in {prediction.year}."]
    if any(one.fussell_vesely is None for one in prediction.weights):
        said.append("In how much downtime each part takes part is not known: there are too many minimal cut sets.")
    if len(prediction.regions) > 1:
        said.append("Lines between regions are taken to work: how often they break is not known.")
    return section("method", "How it was worked out", items(said))
