"""The trend as one HTML file that opens anywhere, offline: charts as SVG, no script, nothing that it may load."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from importlib import resources

from bascule.drill.gameday.days import Day
from bascule.drill.gameday.render_svg import trend_chart
from bascule.drill.gameday.render_words import (
    LEGEND,
    answer_text,
    methods_text,
    passes_text,
    rto_text,
    state_text,
)
from bascule.drill.gameday.trend import Series, Tendency, Trend
from bascule.drill.render_words import clean, number_text, utc_text

_TONES = {0: "PASS", 1: "FAIL", 2: "INVALID"}


def page(found: Trend, days: Sequence[Day], name: str) -> str:
    """The whole page. Its content security policy admits no script and no request at all.

    Args:
        found: The trend.
        days: Every game day, for the table.
        name: What is looked at: the suite's file.
    """
    answer = answer_text(found)
    notes = "".join(f"<li>{_text(note)}</li>" for note in found.notes)
    methods = methods_text(found)
    span = f"{len(days)} game days, {utc_text(days[0].started_s)[:10]} to {utc_text(days[-1].started_s)[:10]}"
    head = (
        f'<header class="{_TONES[found.exit_code]}"><h1>Game days: {_text(name)}</h1>'
        f'<p class=headline>{_text(answer)}</p><p class="quiet small">{_text(span)}</p>'
        f"{f'<ul>{notes}</ul>' if notes else ''}"
        f'<p class="quiet small">{_text(methods)}</p></header>'
    )
    body = head + "".join(map(_section, found.series)) + _table(days)
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
        "img-src data:; base-uri 'none'; form-action 'none'\">"
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        '<meta name="referrer" content="no-referrer"><link rel="icon" href="data:,">'
        f"<title>{_text(name)} - {_text(answer)}</title>"
        f"<style>{_file('bascule.drill')}{_file('bascule.drill.gameday')}</style></head>\n"
        f"<body><main>{body}</main></body></html>\n"
    )


def _section(one: Series) -> str:
    return (
        f"<section><h2>{_text(one.experiment)}</h2>"
        f"{_said(one.rto, rto_text(one))}{_said(one.passes, passes_text(one))}"
        f"<figure class=scroll>{trend_chart(one)}"
        f'<figcaption class="quiet small">Ring or cross: the median of a game day; dots: its trials; '
        f"dashed: the promise. {LEGEND}.</figcaption></figure></section>"
    )


def _said(told: Tendency, words: str) -> str:
    head, colon, tail = words.partition(": ")
    if not colon:
        return f"<p>{_text(words)}</p>"
    tone = told.said if told.said in {"worse", "better"} else ""
    return f'<p class="said {tone}">{_text(head)}: <b>{_text(tail)}</b></p>'


def _table(days: Sequence[Day]) -> str:
    rows = "".join(map(_rows, reversed(days)))
    head = "".join(f"<th scope=col>{name}" for name in ("#", "Began (UTC)", "Outcome", "Trials", "bascule", "Machine"))
    return (
        "<section><h2>All game days, the latest first</h2><div class=scroll><table>"
        f"<thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div></section>"
    )


def _rows(one: Day) -> str:
    outcome = state_text(one)
    trials = ", ".join(
        f"{line.experiment} {line.outcome or 'skipped'}"
        + (f" {number_text(line.rto_s, 's')}" if line.rto_s is not None else "")
        for line in one.trials
    )
    return (
        f"<tr><td class=number>{one.number}<td>{utc_text(one.started_s)[:16]}"
        f'<td class="{outcome if one.outcome else "open"}"><span class=result>{_text(outcome)}</span>'
        f"<td>{_text(trials or one.error)}<td>{_text(one.version)}<td>{_text(one.machine)}</tr>"
    )


def _text(value: str) -> str:
    return escape(clean(value), quote=True)


def _file(package: str) -> str:
    return resources.files(package).joinpath("render_page.css").read_text(encoding="utf-8")
