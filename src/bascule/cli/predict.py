"""`bascule predict`: how available a system can be, where it breaks, and what would help most."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bascule.cli.output import terminal
from bascule.kernel.errors import InputError, MachineError
from bascule.kernel.quantities import Duration

MONTHS = 100_000
MOST_MONTHS = 10_000_000
MOST_LISTED = 10_000
MOST_LIMIT_S = 3600.0
FIRST_SEED = 1
EXIT_CODES = {True: 0, False: 1, None: 2}


@dataclass(frozen=True, slots=True)
class Question:
    """How a prediction is to be made: checked, and not yet with a clock."""

    limit_s: float
    months: int
    seed: int
    top: int
    engine: Literal["own", "oxidd"]


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
    engine: Literal["own", "oxidd"] = "own",
    openpsa: Path | None = None,
    gate: str = "",
    mission_time: float | None = None,
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
        mission_time: What <system-mission-time/> is in that tree, in the unit of its rates, usually hours.
        services: List the catalogue of cloud services, with their published figures.
        as_json: Print one JSON document instead of text.
    """
    from bascule.cli import predicting  # noqa: PLC0415 - numpy and the charts are loaded by this command alone

    question = Question(limit_s=_limit(limit), months=_months(months), seed=_seed(seed), top=_top(top), engine=engine)
    if services:
        return predicting.show_services(as_json=as_json)
    if openpsa is not None:
        from bascule.cli import predict_tree  # noqa: PLC0415 - only for foreign trees

        return predict_tree.show(openpsa, gate, question, mission_time=mission_time, as_json=as_json)
    if file is None:
        raise InputError("no system file was given", where="bascule predict", hint="bascule predict bascule.yaml")
    system, told = predicting.of_system(file, report, question, quiet=as_json)
    if html is not None:
        _write(html, predicting.page(told, system))
    if as_json:
        sys.stdout.write(predicting.document(told).decode())
    else:
        terminal(out=True).print(predicting.text(told, top))
    if html is not None:
        terminal().print(f"{html} is written", style="dim")
    return EXIT_CODES[told.meets]


def _limit(text: str) -> float:
    limit = Duration.parse(text)
    if not 0 < limit.seconds <= MOST_LIMIT_S:
        raise InputError(f"{limit} is no time limit", where="--limit", hint="up to 1h, like 10s")
    return limit.seconds


def _months(months: int) -> int:
    if not 0 <= months <= MOST_MONTHS:
        raise InputError(f"{months} months cannot be simulated", where="--months", hint=f"0 to {MOST_MONTHS}")
    return months


def _seed(seed: int) -> int:
    if not 0 <= seed < 2**63:
        raise InputError(f"{seed} is no seed", where="--seed", hint="0 or more")
    return seed


def _top(top: int) -> int:
    if not 0 <= top <= MOST_LISTED:
        raise InputError(f"{top} cannot be listed", where="--top", hint=f"0 to {MOST_LISTED}")
    return top


def _write(path: Path, text: str) -> None:
    from bascule.lab.files import write_atomically  # noqa: PLC0415 - only where a page is asked for

    try:
        write_atomically(path, text.encode())
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(path)) from error
