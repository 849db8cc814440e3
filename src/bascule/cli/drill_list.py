"""`bascule drill --list`: every experiment that there is, or that a system can have, and the stories."""

from __future__ import annotations

from msgspec import to_builtins
from rich.table import Table

from bascule.cli.output import print_json, terminal
from bascule.drill import targets
from bascule.drill.experiments import CATALOGUE
from bascule.drill.scenarios import catalogue
from bascule.drill.stories import shelf
from bascule.system.model import System


def show(system: System | None, *, as_json: bool) -> int:
    """Every experiment; of a system, with the reason why it cannot have one."""
    if system is None:
        known = {**CATALOGUE, **catalogue.shipped()}
        refused = dict.fromkeys(known, "")
    else:
        known = catalogue.experiments(system)
        refused = {name: targets.refusal(one, system) or catalogue.refusal(one, system) for name, one in known.items()}
    if as_json:
        told = [{**to_builtins(one), "refused": refused[name]} for name, one in known.items()]
        print_json([*told, *({**to_builtins(one), "story": True} for one in shelf.stories().values())])
        return 0
    table = Table("experiment", "tests the promise for", "what it does")
    for name, one in known.items():
        why = f" (not here: {refused[name]})" if refused[name] else ""
        table.add_row(name, one.scope, f"{one.about}{why}")
    terminal(out=True).print(table)
    if system is None:
        terminal(out=True).print(_stories())
    return 0


def _stories() -> Table:
    table = Table("story", "expected", "what happened")
    table.add_column("published", overflow="fold")
    for name, one in shelf.stories().items():
        table.add_row(name, one.expected, one.about, one.source)
    return table
