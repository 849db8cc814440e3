"""How every command prints: results on standard output, progress and complaints on standard error."""

from __future__ import annotations

import sys

import msgspec
from rich.console import Console, RenderableType

from bascule.system.plain import plain

PIPED_COLUMNS = 120


def terminal(*, out: bool = False) -> Console:
    """A console that takes text literally: no `[markup]`, no `:emoji:`; style with `style=` or `rich.text.Text`.

    Args:
        out: True for the result, on standard output; False for progress and complaints, on standard error.
    """
    stream = sys.stdout if out else sys.stderr
    width = None if stream.isatty() else PIPED_COLUMNS
    return Console(stderr=not out, markup=False, emoji=False, highlight=False, width=width)


def print_json(value: object) -> None:
    """Print one JSON document on standard output; quantities as a person writes them, infinite numbers as null."""
    text = msgspec.json.format(msgspec.json.encode(plain(value)), indent=2)
    sys.stdout.write(text.decode() + "\n")
    sys.stdout.flush()


def emit(value: object, *, as_json: bool, text: RenderableType) -> None:
    """Print the result of a command: `value` as JSON for machines, or `text` for people.

    A plain string is never broken into lines: what follows in a pipe can rely on its line ends.
    """
    if as_json:
        print_json(value)
    else:
        terminal(out=True).print(text, soft_wrap=isinstance(text, str))
