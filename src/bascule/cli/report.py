"""`bascule report`: what earlier drills say together."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from bascule.cli.calibrate import calibrate
from bascule.cli.output import emit, print_json
from bascule.cli.report_file import read_report
from bascule.cli.report_trace import annotate, trace
from bascule.drill import comparison as comparing
from bascule.drill.chaos_toolkit import journal as journalling
from bascule.drill.render_comparison import answer_text, comparison_text
from bascule.drill.report import Report
from bascule.kernel.errors import InputError, MachineError
from bascule.lab.files import write_atomically

app = App(
    name="report",
    help="What earlier drills say: compare two, gather several, write one as a journal, a trace or annotations.",
)

app.command(calibrate)
app.command(trace)
app.command(annotate, name="annotations")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


@app.command
def compare(first: Path, second: Path, /, *, anyway: bool = False, as_json: Json = False) -> int:
    """Say for each experiment what changed from the first drill to the second, and whether by more than luck.

    Exit codes: 0 nothing is worse beyond luck; 1 something is; 2 they cannot be compared, or so few trials can never
    tell a difference from luck.

    Examples:
        bascule report compare bascule-runs/shop-before bascule-runs/shop-after
        bascule report compare before/report.json after/report.json --json
        bascule report compare bascule-runs/old bascule-runs/new --anyway

    Args:
        first: The earlier drill: its directory, or its report.json.
        second: The later one.
        anyway: Compare them even if the system, its promises or the load differ; what differs is said.
        as_json: Print one JSON document instead of text.
    """
    before, after = read_report(first), read_report(second)
    if comparing.is_same_run(before, after):
        raise InputError("both are the report of one drill", where=str(second), hint="give two drills")
    differ = comparing.obstacles(before, after)
    if differ and not anyway:
        raise InputError(
            f"these drills are not of one thing: {'; '.join(differ)}",
            where=f"{first}, {second}",
            hint="--anyway compares them nevertheless",
        )
    found = comparing.compare(before, after)
    if not found.changes:
        raise InputError(
            "the drills have no experiment in common that both judged",
            where=f"{first}, {second}",
            hint=f"the first has {_names(before)}, the second has {_names(after)}",
        )
    document = {"comparison": found, "answer": answer_text(found), "differ": differ, "exit_code": found.exit_code}
    emit(document, as_json=as_json, text=comparison_text(found, differ))
    return found.exit_code


@app.command
def journal(
    run: Path, /, *, output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None, as_json: Json = False
) -> int:
    """Write a saved drill as a journal of Chaos Toolkit, for tools that read those.

    FAIL is a deviation; INVALID one of status failed; ABORTED has the status aborted.

    Examples:
        bascule report journal bascule-runs/shop-20260314-101500 --output journal.json
        bascule report journal report.json

    Args:
        run: The drill's directory, or its report.json.
        output: The file. Default: standard output.
        as_json: Say what was written as one JSON document.
    """
    document = journalling.journal(read_report(run))
    if output is None:
        print_json(document)
        return 0
    try:
        write_atomically(output, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n")
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(output)) from error
    status = "deviated" if document["deviated"] else document["status"]
    emit({"output": str(output), "status": status}, as_json=as_json, text=f"{output}: {status}")
    return 0


def _names(report: Report) -> str:
    return ", ".join(comparing.experiments_of(report)) or "none"
