"""`bascule fault`: every fault that there is, documented from its own code."""

from __future__ import annotations

import inspect
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Column, Table

from bascule.chaos.faults import KINDS, Fault
from bascule.chaos.faults.catalogue import named, parameters
from bascule.cli.output import emit

app = App(name="fault", help="Every fault: what it does, how it is seen to act, and how it is undone.")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


@app.command(name="list")
def list_faults(*, as_json: Json = False) -> int:
    """List every kind of fault: what it needs, what it does, how it is seen to act, and how it is undone.

    Examples:
        bascule fault list
        bascule fault list --json

    Args:
        as_json: Print one JSON document instead of text.
    """
    table = Table(Column("fault", no_wrap=True), "needs control of", "what it does", "witnessed when", "undone by")
    for kind in KINDS:
        table.add_row(kind.kind(), ", ".join(sorted(kind.NEEDS)), kind.DOES, kind.SEEN_BY, kind.UNDONE_BY)
    emit([_told(kind) for kind in KINDS], as_json=as_json, text=table)
    return 0


@app.command
def show(name: str, /, *, as_json: Json = False) -> int:
    """Show one kind of fault, with its parameters.

    Examples:
        bascule fault show process-slow
        bascule fault show partition --json

    Args:
        name: As in the list.
        as_json: Print one JSON document instead of text.
    """
    kind = named(name)
    table = Table(show_header=False, box=None)
    table.add_row("fault", kind.kind())
    table.add_row("", inspect.getdoc(kind) or "")
    table.add_row("needs control of", ", ".join(sorted(kind.NEEDS)))
    table.add_row("what it does", kind.DOES)
    table.add_row("witnessed when", kind.SEEN_BY)
    table.add_row("undone by", kind.UNDONE_BY)
    for each in parameters(kind):
        default = "must be given" if each.default is None else f"default {each.default}"
        table.add_row("parameter", f"{each.name}: {each.type}; {default}")
    emit(_told(kind), as_json=as_json, text=table)
    return 0


def _told(kind: type[Fault]) -> dict[str, object]:
    return {
        "fault": kind.kind(),
        "about": inspect.getdoc(kind) or "",
        "needs": sorted(kind.NEEDS),
        "does": kind.DOES,
        "seen_by": kind.SEEN_BY,
        "undone_by": kind.UNDONE_BY,
        "parameters": parameters(kind),
    }
