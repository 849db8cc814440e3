"""The pieces that a prediction's page is made of: escaped text, tables, lists, bars. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import TypeVar

from bascule.availability.render.words import clean

T = TypeVar("T")

STEPS = (0.001, 0.01, 0.1, 0.3)
STEP_WORDS = ("below 0.1 %", "0.1 to 1 %", "1 to 10 %", "10 to 30 %", "30 % and more")
"""The shares of the unavailability that each tone stands for, from the palest on."""


def text(value: str) -> str:
    """The value as text of an element or of a quoted attribute: cleaned and escaped."""
    return escape(clean(value), quote=True)


def tone(share: float | None) -> str:
    """The class that colours a part by its share of the unavailability: `w0`, hardly any or not known, to `w4`."""
    return f"w{sum((share or 0.0) >= step for step in STEPS)}"


def table(caption: str, columns: Iterable[str], rows: Iterable[str], *, css: str = "") -> str:
    """A table in a box that scrolls sideways; a column whose name begins with `#` holds numbers.

    Args:
        caption: Read aloud, not shown: the heading before the table says it to those who see.
        columns: Their names.
        rows: Markup: each begins with `<tr`.
        css: The table's class.
    """
    cells = "".join(
        f"<th scope=col{' class=number' if name.startswith('#') else ''}>{text(name.removeprefix('#'))}</th>"
        for name in columns
    )
    head = f"<thead><tr>{cells}</tr></thead>" if cells else ""
    return (
        f'<div class=scroll><table class="{css}"><caption class=aloud>{text(caption)}</caption>'
        f"{head}<tbody>{''.join(rows)}</tbody></table></div>"
    )


def folded(items: Sequence[T], most: int, draw: Callable[[Sequence[T]], str], noun: str = "more") -> str:
    """What `draw` makes of the first items, and of all others below a line that says how many they are and unfolds."""
    if len(items) <= most + 2:
        return draw(items)
    rest = items[most:]
    return f"{draw(items[:most])}<details><summary>{len(rest):,} {text(noun)}</summary>{draw(rest)}</details>"


def items(sentences: Iterable[str], css: str = "") -> str:
    """A list of texts."""
    found = "".join(f"<li>{text(sentence)}</li>" for sentence in sentences)
    return f'<ul class="{css}">{found}</ul>'


def section(name: str, title: str, *blocks: str) -> str:
    """A section with its heading, `name` being where links lead; empty where all blocks are."""
    body = "".join(blocks)
    return f'<section id="{text(name)}"><h2>{text(title)}</h2>{body}</section>' if body else ""


def quiet(sentence: str) -> str:
    """A sentence that explains."""
    return f'<p class="quiet small">{text(sentence)}</p>'


def bar(share: float, css: str) -> str:
    """A horizontal bar that is this share of its room long, in [0, 1]; nothing to read aloud."""
    width = min(1.0, max(0.0, share)) * 1000
    return (
        '<svg class="bar" viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true">'
        f'<rect class="track" width="1000" height="10"/><rect class="{css}" width="{width:.1f}" height="10"/></svg>'
    )


def stack(shares: Sequence[float], *, mark: float | None = None) -> str:
    """One bar of several pieces, each this share of the room long, and a line at `mark`; nothing to read aloud."""
    x, body = 0.0, '<rect class="track" width="1000" height="20"/>'
    for index, share in enumerate(shares):
        width = min(1000 - x, max(0.0, share) * 1000)
        body += f'<rect class="{piece(index)}" x="{x:.1f}" width="{max(0.0, width - 1.5):.1f}" height="20"/>'
        x += width
    if mark is not None and 0 <= mark <= 1:
        body += f'<rect class="mark" x="{min(mark * 1000, 996):.1f}" y="-5" width="4" height="30"/>'
    return f'<svg class="stack" viewBox="0 -5 1000 30" preserveAspectRatio="none" aria-hidden="true">{body}</svg>'


def piece(index: int) -> str:
    """The class that colours the piece of a stacked bar with this number, from 0 on."""
    return f"p{index % 8 + 1}"


def result(said: str, *, met: bool | None) -> str:
    """A word with a sign, coloured: what was found of a promise; empty without a word."""
    sign, css = {True: ("✔", "KEPT"), False: ("✘", "MISSED"), None: ("?", "OPEN")}[met]
    return f'<span class="result {css}">{sign} {text(said)}</span>' if said else ""
