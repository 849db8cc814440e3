"""`bascule engines`: which real programs there are, which version, where from."""

from __future__ import annotations

from typing import Annotated

from cyclopts import Parameter
from rich.table import Table

from bascule.cli.output import emit
from bascule.engines import binaries, registry
from bascule.engines.protocols import Engine


def _engine_row(name: str, engine: Engine) -> dict[str, object]:
    return {"name": name, "summary": engine.summary, "programs": list(engine.programs())}


def _program_row(sighting: binaries.Sighting) -> dict[str, object]:
    program = sighting.program
    row: dict[str, object] = {"name": sighting.name, "found": program is not None, "optional": sighting.optional}
    if program is None:
        return {**row, "problem": sighting.problem, "install": sighting.hint}
    return {**row, "version": program.version, "source": program.source, "path": " ".join(program.argv)}


def _table(sightings: tuple[binaries.Sighting, ...]) -> Table:
    table = Table(box=None, pad_edge=False)
    for title in ("program", "version", "from", "where"):
        table.add_column(title, overflow="fold")
    for each in sightings:
        if each.program is not None:
            table.add_row(each.name, each.program.version, each.program.source, " ".join(each.program.argv))
        else:
            word = "missing, optional" if each.optional else "MISSING"
            table.add_row(each.name, "-", word, f"{each.problem}; {each.hint}")
    return table


def engines(*, as_json: Annotated[bool, Parameter(name="--json")] = False) -> int:
    """List the engines' programs: found or missing, version, where from; exit code 2 if one that is needed is missing.

    BASCULE_<PROGRAM> in the environment names a program of one's own: BASCULE_HAPROXY=/opt/haproxy/sbin/haproxy.

    Args:
        as_json: Print one JSON object instead of text.
    """
    sightings = binaries.look()
    value = {
        "engines": [_engine_row(name, registry.engine(name)) for name in registry.names()],
        "programs": [_program_row(each) for each in sightings],
    }
    emit(value, as_json=as_json, text=_table(sightings))
    return 2 if any(each.program is None and not each.optional for each in sightings) else 0
