"""How `bascule audit` tells what it found: text for people, documents for machines."""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from rich.console import Console, RenderableType

from bascule import __version__
from bascule.audit import render_json, render_terminal
from bascule.audit.finding import Severity
from bascule.audit.result import Audit
from bascule.audit.rule import Rule
from bascule.cli.output import terminal
from bascule.kernel.errors import InputError

Format = Literal["text", "json", "sarif", "junit", "markdown"]
FILE_COLUMNS = 100


def rendered(audit: Audit, rules: Sequence[Rule], form: Format, gate: Severity | None) -> RenderableType | bytes:
    """The findings in one of the forms: what the terminal prints for text, else the document's bytes."""
    if form == "text":
        return render_terminal.report(audit)
    if form == "json":
        return render_json.render(render_json.document(audit, version=__version__)).encode()
    if form == "sarif":
        from bascule.audit.render_sarif import sarif  # noqa: PLC0415 - each form is loaded where it is asked for

        return sarif(audit, rules, version=__version__).encode()
    if form == "junit":
        from bascule.audit.render_junit import junit  # noqa: PLC0415 - as above

        return junit(audit, gate=gate)
    from bascule.audit.render_markdown import page  # noqa: PLC0415 - as above

    return page(audit).encode("utf-8", "backslashreplace")


def show(content: RenderableType | bytes, *, output: Path | None, audit: Audit) -> None:
    """Print the findings, or write them to a file and print the summary."""
    put(content, to=output)
    if output is not None:
        terminal().print(render_terminal.summary(audit))


def put(content: RenderableType | bytes, *, to: Path | None) -> None:
    """Write a document, or what a terminal shows, to a file; to standard output without one.

    Raises:
        InputError: The file cannot be written.
    """
    if to is not None:
        write(to, content if isinstance(content, bytes) else _plain(content))
    elif isinstance(content, bytes):
        sys.stdout.write(content.decode())
        sys.stdout.flush()
    else:
        terminal(out=True).print(content)


def write(path: Path, content: bytes) -> None:
    """Write a file of our own.

    Raises:
        InputError: It cannot be written.
    """
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", where=str(path)) from None


def emit_rules(rules: Sequence[Rule], *, as_json: bool) -> int:
    """List rules."""
    if as_json:
        sys.stdout.write(render_json.render([render_json.listed(one) for one in rules]))
    else:
        terminal(out=True).print(render_terminal.rules_table(tuple(rules)))
    return 0


def explain_rule(rule: Rule, *, as_json: bool) -> int:
    """Tell everything about one rule."""
    if as_json:
        sys.stdout.write(render_json.render(render_json.listed(rule)))
    else:
        terminal(out=True).print(render_terminal.explanation(rule))
    return 0


def _plain(content: RenderableType) -> bytes:
    stream = io.StringIO()
    console = Console(file=stream, width=FILE_COLUMNS, markup=False, emoji=False, highlight=False, color_system=None)
    console.print(content)
    return stream.getvalue().encode("utf-8", "backslashreplace")
