"""`bascule predict`: how available a system can be, where it breaks, and what would help most."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bascule.cli.output import emit, print_json, terminal
from bascule.kernel.errors import InputError, MachineError
from bascule.kernel.quantities import Duration

MONTHS = 100_000
MOST_MONTHS = 10_000_000
FIRST_SEED = 1


def predict(
    file: Path | None = None,
    /,
    *,
    report: Annotated[tuple[Path, ...], Parameter(name="--from")] = (),
    html: Path | None = None,
    months: int = MONTHS,
    seed: int = FIRST_SEED,
    limit: str = "10s",
    top: int = 10,
    engine: str = "own",
    openpsa: Path | None = None,
    gate: str = "",
    services: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Say how available a system can be: nines, what breaks it, what would help most, and from which figures.

    Exit code 0 when the expected availability is at least the promised one, 1 when it is not, 2 when only bounds are
    known and the promise lies between them.

    Examples:
        bascule predict bascule.yaml
        bascule predict bascule.yaml --html prediction.html
        bascule predict bascule.yaml --from bascule-runs/2026-11-27T08-00-00/report.json
        bascule predict bascule.yaml --months 1000000 --json
        bascule predict --openpsa tree.xml --gate top
        bascule predict --services

    Args:
        file: The system file.
        report: Reports of drills, or files of `bascule report calibrate`: what they measured counts before what is
            assumed.
        html: Write one HTML file with the block diagram, the downtime distribution and the chart of changes.
        months: How many windows of the objective are simulated; 0 for none.
        seed: Where the dice of the simulation start: the same seed gives the same months.
        limit: How long each question may take: solving, changes, simulation.
        top: How many minimal cut sets and changes are listed.
        engine: What solves the structure: own, or oxidd where bascule[oxidd] is installed.
        openpsa: Solve a fault tree in Open-PSA MEF XML instead of a system.
        gate: The top gate of that tree; needed when it has several.
        services: List the catalogue of cloud services, with their published figures.
        as_json: Print one JSON document instead of text.
    """
    from bascule.cli import predicting  # noqa: PLC0415 - numpy and the charts are loaded by this command alone

    asked = predicting.asked(_limit(limit), _months(months), seed, top, engine)
    if services:
        return predicting.show_services(as_json=as_json)
    if openpsa is not None:
        return predicting.show_fault_tree(openpsa, gate, asked, as_json=as_json)
    if file is None:
        raise InputError("no system file was given", where="bascule predict", hint="bascule predict bascule.yaml")
    with predicting.progress(asked) as watched:
        told = predicting.of_system(file, report, watched)
    if html is not None:
        _write(html, predicting.html(told))
    if as_json:
        sys.stdout.write(predicting.json(told).decode() + "\n")
    else:
        terminal(out=True).print(predicting.text(told))
    if html is not None and not as_json:
        terminal().print(f"{html} is written")
    return {True: 0, False: 1, None: 2}[told.meets]
