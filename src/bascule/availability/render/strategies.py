"""The section of a prediction's page that compares strategies of disaster recovery. Pure."""

from __future__ import annotations

from bascule.availability.prediction import Prediction
from bascule.availability.render.markup import quiet, result, section, table, text
from bascule.availability.render.words import duration_text, money_text
from bascule.availability.strategies import Choice


def strategies_section(prediction: Prediction) -> str:
    """Which strategies would keep the promises, the cheapest first, and why others fail; empty where none is there."""
    choices = prediction.strategies
    if not choices:
        return ""
    currency = prediction.currency
    cheapest = next((one for one in choices if one.meets), None)
    told = (
        f"The cheapest that keeps the promises is <b>{text(cheapest.strategy.name)}</b>."
        if cheapest is not None
        else "<b>None of them keeps the promises.</b>"
    )
    priced = any(one.cost_per_year is not None for one in choices)
    costs = ("#A year", "#More than now") if priced else ()
    columns = ("Strategy", "Promises", "#RTO", "#RPO", "#Cost factor", *costs, "Why not, or where the figures are from")
    rows = (_strategy(one, currency, priced=priced) for one in choices)
    drawn = table("Strategies of disaster recovery", columns, rows, css="strategies")
    notes = quiet(
        "RTO, RPO and cost factor (a multiple of what the system costs with backups alone) are what is said of each "
        "strategy in general, not measurements of this system: drills show what it really reaches."
    )
    return section("strategies", "Strategies of disaster recovery", f"<p>{told}</p>", drawn, notes)


def _strategy(one: Choice, currency: str, *, priced: bool) -> str:
    strategy = one.strategy
    costs = ""
    if priced:
        amounts = (one.cost_per_year, one.extra_per_year)
        costs = "".join(f"<td class=number>{'' if a is None else text(money_text(a, currency))}</td>" for a in amounts)
    why = "; ".join(one.misses)
    kept = result("kept" if one.meets else "missed", met=one.meets)
    return (
        f'<tr class="{"KEPT" if one.meets else ""}"><th scope=row>{text(strategy.name)}'
        f'<br><span class="quiet small">{text(strategy.what)}</span></th><td>{kept}</td>'
        f"<td class=number>{text(duration_text(strategy.rto.seconds))}</td>"
        f"<td class=number>{text(duration_text(strategy.rpo.seconds))}</td>"
        f"<td class=number>&times; {strategy.multiple:g}</td>{costs}"
        f"<td>{text(why)}{'<br>' if why else ''}<span class=quiet>{text(strategy.source)}</span></td></tr>"
    )
