"""The sections of a prediction's page that say what is to be expected and where it breaks. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.availability.prediction import YEAR_S, CutSet, Prediction, Survival, Uptime, Weight
from bascule.availability.render.charts import months_chart, months_words, recovery_chart, scale_words
from bascule.availability.render.diagram import diagram
from bascule.availability.render.markup import bar, folded, items, quiet, result, section, table, text, tone
from bascule.availability.render.words import (
    UNKNOWN,
    count_text,
    downtime_text,
    duration_text,
    expected_text,
    factor_text,
    listed,
    lost_text,
    money_text,
    nines_text,
    part_name,
    period_words,
    probability_text,
    share_text,
    target_text,
    verdict_text,
    word,
)
from bascule.system.model import System

MOST_ROWS = 12
MOST_MARGINS = 8
_SIGNS = {"KEPT": "✔", "MISSED": "✘", "OPEN": "?"}
_PERIODS = (("a year", YEAR_S), ("a month", YEAR_S / 12), ("a week", 7 * 86400.0))


def head(prediction: Prediction) -> str:
    """The verdict in one sentence, and the figures that people ask for first."""
    verdict = word(prediction.meets)
    tiles = [_availability_tile(prediction)]
    tiles += [_tile(f"down {name}", downtime_text(prediction.uptime, span_s)) for name, span_s in _PERIODS]
    tiles.append(_window_tile(prediction))
    if prediction.window_probability is not None:
        value, low, high = prediction.window_probability
        about = f"{probability_text(low)} to {probability_text(high)}"
        tiles.append(_tile(f"chance to keep {_days(prediction.window_s)}", probability_text(value), about))
    if prediction.money is not None:
        money = prediction.money
        about = f"{money_text(money.per_minute, money.currency)} a minute"
        tiles.append(_tile("downtime costs a year", money_text(money.per_year, money.currency), about))
    return (
        f'<header class="{verdict}"><div class=top><span class="badge {verdict}">{_SIGNS[verdict]} {verdict}</span>'
        f"<h1>{text(prediction.system)}</h1></div><p class=headline>{text(verdict_text(prediction))}</p>"
        f'<div class="tiles{" few" if len(tiles) < 6 else ""}">{"".join(tiles)}</div>{_more(prediction)}</header>'
    )


def _availability_tile(prediction: Prediction) -> str:
    return _tile("expected availability", expected_text(prediction.uptime, prediction.target), _nines(prediction))


def _nines(prediction: Prediction) -> str:
    return f"{nines_text(prediction.uptime)}; {target_text(prediction.target)} promised"


def _window_tile(prediction: Prediction) -> str:
    spent = downtime_text(prediction.uptime, prediction.window_s)
    about = f"{duration_text(prediction.budget_s)} are the budget"
    return _tile(f"down in {_days(prediction.window_s)}", spent, about)


def _days(window_s: float) -> str:
    return duration_text(window_s).replace(" d", " days") if window_s % 86400 == 0 else duration_text(window_s)


def _tile(name: str, value: str, about: str = "") -> str:
    small = f"<span class=about>{text(about)}</span>" if about else ""
    return f"<div class=tile><span class=name>{text(name)}</span><b>{text(value)}</b>{small}</div>"


def _more(prediction: Prediction) -> str:
    said = []
    if prediction.full is not None:
        year_s = downtime_text(prediction.full, YEAR_S)
        said.append(
            f"With everything that users can have, soft needs included: "
            f"{expected_text(prediction.full)} ({year_s} a year when something is missing or nothing is served)."
        )
    if prediction.single_points:
        count = count_text(len(prediction.single_points), "part")
        verb = "takes" if len(prediction.single_points) == 1 else "take"
        said.append(f"{count} {verb} the system down alone: {listed(prediction.single_points, 12)}.")
    if prediction.warnings:
        said.append(f"{count_text(len(prediction.warnings), 'warning')}: see below.")
    return items(said) if said else ""


def regions_section(prediction: Prediction) -> str:
    """What clients of each region see."""
    if len(prediction.regions) < 2:
        return ""
    rows = [
        f"<tr><th scope=row>{text(one.region)}</th>{_uptime_cells(one.uptime, prediction.target)}</tr>"
        for one in prediction.regions
    ]
    drawn = table("Availability by region", ("Clients of", "#Expected", "#Down a year"), rows, css="plain")
    told = quiet("What clients see who arrive at the entries of this region alone, and are not led to another.")
    return section("regions", "As each region's clients see it", told, drawn)


def _uptime_cells(uptime: Uptime, target: float | None = None) -> str:
    return (
        f"<td class=number>{text(expected_text(uptime, target))}</td>"
        f"<td class=number>{text(downtime_text(uptime, YEAR_S))}</td>"
    )


def diagram_section(prediction: Prediction, system: System) -> str:
    """The block diagram."""
    told = quiet(
        "A row for each component, a column for each zone, a square for each replica. The percentages say how much of "
        "the expected downtime would go if the part never failed; where parts fail together, each of them counts."
    )
    idle = ""
    if prediction.not_reached:
        idle = quiet(f"The load is served without: {listed(prediction.not_reached, 40)}.")
    return section("diagram", "Where it breaks", told, diagram(prediction, system), idle)


def months_section(prediction: Prediction) -> str:
    """How months differ; empty where none were simulated."""
    months = prediction.months
    if months is None:
        return ""
    many = period_words(months.month_s)[1]
    about = (
        f"{months.months:,} simulated {many}{'' if months.complete else ' (fewer than asked for: time was up)'}; "
        f"the bars hold those with so much downtime, on a scale that grows by factors. Mean "
        f"{duration_text(months.downtime_s.value)} ({duration_text(months.downtime_s.low)} to "
        f"{duration_text(months.downtime_s.high)}), {months.outages.per_year:.3g} outages a year"
    )
    if months.outages.mean_s is not None:
        about += f" of {duration_text(months.outages.mean_s)} on average"
    rare = "Fewer than 100 outages were seen: neither tail nor mean is to be relied on." if months.rare else ""
    budget_s = (1 - prediction.target) * months.month_s
    figure = f"<figure>{months_chart(months, budget_s)}<figcaption>{quiet(about + '.')}</figcaption></figure>"
    warned = f"<p class=warning>{text(rare)}</p>" if rare else ""
    return section("months", f"How {many} differ", f"<p>{text(months_words(prediction, months))}</p>", figure, warned)


def weights_section(prediction: Prediction) -> str:
    """How much each part matters."""
    columns = ("Part", "#Less downtime", "", "#Would save a year", "#Takes part in", "#RAW", "#RRW", "#Birnbaum")

    def draw(weights: Sequence[Weight]) -> str:
        return table("Importance of each part", columns, map(_weight, weights), css="weights")

    weights = sorted(prediction.weights, key=lambda one: -one.criticality)
    if not weights:
        return ""
    told = quiet(
        "Less downtime: the share that would go if the part never failed (criticality), and what that would save. "
        "Takes part in: the share of downtime in which all of a minimal cut set with the part has failed "
        "(Fussell-Vesely). RAW: how many times as much downtime there would be with the part down for good. RRW: how "
        "many times less if it never failed. Birnbaum: how likely it is that the part decides."
    )
    return section("importance", "What matters most", folded(weights, MOST_ROWS, draw, "more parts"), told)


def _weight(one: Weight) -> str:
    numbers = (
        duration_text(one.potential_s),
        UNKNOWN if one.fussell_vesely is None else share_text(one.fussell_vesely),
        factor_text(one.raw),
        factor_text(one.rrw),
        probability_text(one.birnbaum),
    )
    cells = "".join(f"<td class=number>{text(value)}</td>" for value in numbers)
    return (
        f"<tr><th scope=row>{text(part_name(one))}</th><td class=number>{text(share_text(one.criticality))}</td>"
        f"<td class=gauge>{bar(one.criticality, f'tone {tone(one.criticality)}')}</td>{cells}</tr>"
    )


def survival_section(prediction: Prediction) -> str:
    """What is left when zones and regions are lost."""
    if not prediction.survival:
        return ""
    columns = ("Lost", "Survives", "#Meanwhile", "Left / needed", "What takes it down then, alone")

    def draw(found: Sequence[Survival]) -> str:
        return table("Survival of zones and regions", columns, map(_survival, found), css="survival")

    one = [each for each in prediction.survival if len(each.lost) == 1]
    two = [each for each in prediction.survival if len(each.lost) > 1]
    blocks = folded(one, 20, draw, "more places") if one else ""
    if two:
        bad = sum(not each.survives for each in two)
        told = f"Two at the same time: {bad:,} of {len(two):,} are not survived"
        blocks += f"<details><summary>{text(told)}</summary>{draw(two)}</details>"
    told = quiet(
        "Meanwhile: the availability for as long as the place stays lost. Replicas left / needed to carry all."
    )
    return section("survival", "When a zone or a region is lost", told, blocks)


def _survival(one: Survival) -> str:
    meanwhile = expected_text(one.uptime) if one.survives else "0 %"
    margins = sorted(one.margins.items(), key=lambda item: item[1][0] - item[1][1])
    chips = "".join(_margin(name, *margin) for name, margin in margins[:MOST_MARGINS])
    if len(margins) > MOST_MARGINS:
        chips += f"<span class=quiet>and {len(margins) - MOST_MARGINS:,} more</span>"
    then = (listed(one.next_points, 6) or "nothing alone") if one.survives else "down already"
    survives = result("yes" if one.survives else "no", met=one.survives)
    return (
        f"<tr><th scope=row>{text(lost_text(one))}</th><td>{survives}</td>"
        f"<td class=number>{text(meanwhile)}</td><td class=chips>{chips}</td><td>{text(then)}</td></tr>"
    )


def _margin(name: str, left: int, needed: int) -> str:
    css = "short" if left < needed else "tight" if left == needed else "spare"
    sign = "✘ " if left < needed else ""
    return f'<span class="chip {css}">{sign}{text(name)} {left} / {needed}</span> '


def recovery_section(prediction: Prediction) -> str:
    """How long clients are not served when something is lost, and how much work is."""
    if not prediction.recovery:
        return ""
    drawn = "".join(map(recovery_chart, prediction.recovery))
    return section("recovery", "How long until clients are served again", scale_words(), drawn)


def cut_sets_section(prediction: Prediction) -> str:
    """The smallest sets of events that take the system down."""
    sets = prediction.cut_sets
    if not sets.shown and not sets.count:
        return ""
    columns = ("Together they take the system down", "#Order", "#Probability", "#Share")

    def draw(found: Sequence[CutSet]) -> str:
        return table("Minimal cut sets", columns, map(_cut_set, found), css="cuts")

    count = f"{sets.count or 0:,} in all"
    orders = ", ".join(
        f"{number:,} of {count_text(order, 'event')}" for order, number in sorted(sets.by_order.items())[:8]
    )
    left = "" if sets.count == len(sets.shown) else f"; the {len(sets.shown):,} likeliest are shown"
    told = quiet(f"{count}{f': {orders}' if orders else ''}{left}.")
    return section("cut-sets", "Minimal cut sets", told, folded(sets.shown, MOST_ROWS, draw, "more cut sets"))


def _cut_set(one: CutSet) -> str:
    events = " <span class=quiet>and</span> ".join(f"<code>{text(event)}</code>" for event in one.events[:12])
    more = f" <span class=quiet>and {len(one.events) - 12:,} more</span>" if len(one.events) > 12 else ""
    return (
        f"<tr><td>{events}{more}</td><td class=number>{len(one.events):,}</td>"
        f"<td class=number>{text(probability_text(one.probability))}</td>"
        f"<td class=number>{text(share_text(one.share))}</td></tr>"
    )
