"""`bascule report calibrate`: what drills measured, as a file for predictions."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bascule.cli.output import emit
from bascule.cli.report_file import read_report
from bascule.drill import comparison as comparing
from bascule.drill.calibrating import gather
from bascule.kernel.errors import InputError, MachineError
from bascule.lab.files import write_atomically
from bascule.measure.calibration import Calibrated, encode

MOST_RUNS = 500


def calibrate(
    *runs: Path,
    output: Annotated[Path, Parameter(name=["--output", "-o"])],
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Gather what drills measured, for predictions: every judged time, and how many trials told nothing.

    Times of different systems, engines, experiments, versions or machines are never mixed: each has an entry of its
    own, with the bounds of its quantiles that so many trials support.

    Examples:
        bascule report calibrate bascule-runs/shop-* -o calibration.json
        bascule report calibrate monday/report.json tuesday/report.json -o calibration.json --json

    Args:
        runs: The drills: their directories, or their report.json.
        output: The file; one that is there is replaced.
        as_json: Print what was gathered as one JSON document.
    """
    if not 1 <= len(runs) <= MOST_RUNS:
        raise InputError(f"{len(runs)} drills cannot be gathered", hint=f"give 1 to {MOST_RUNS}")
    reports = [read_report(run) for run in runs]
    for (first, one), (second, other) in combinations(zip(runs, reports, strict=True), 2):
        if comparing.is_same_run(one, other):
            raise InputError("two of them are the report of one drill", where=f"{first}, {second}", hint="give it once")
    calibration = gather(reports)
    if not calibration.measured:
        raise InputError("no trial with a fault was run in any of them", hint="give drills that broke something")
    try:
        write_atomically(output, encode(calibration))
    except OSError as error:
        raise MachineError(f"it cannot be written: {error.strerror}", where=str(output)) from error
    lines = [*map(_line, calibration.measured), f"{output}: {len(calibration.measured)} entries of {len(runs)} drills"]
    emit({"output": str(output), "calibration": calibration}, as_json=as_json, text="\n".join(lines))
    return 0


def _line(entry: Calibrated) -> str:
    rto = entry.times["rto"]
    bounds = ", ".join(f"{name} at most {seconds:.1f} s" for name, seconds in rto.bounds.items())
    never = f", {rto.never} never" if rto.never else ""
    unclear = f", {entry.undetermined} undetermined" if entry.undetermined else ""
    told = f"RTO {len(rto.samples)} times{never}: {bounds or 'too few for any bound'}"
    return f"{entry.system} {entry.experiment}: {entry.judged} judged{unclear}; {told}"
