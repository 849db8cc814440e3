"""`bascule audit --checklist`: the field's checklist, judged by rules, the prediction and drill reports."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins

from bascule.audit.checklist import judge
from bascule.audit.checklist.render import markdown, terminal
from bascule.audit.checklist.words import Drilled, Evidence
from bascule.audit.estate import Estate
from bascule.audit.render_json import render
from bascule.audit.result import Audit
from bascule.cli import output
from bascule.cli.audit_output import Format
from bascule.cli.report_file import read_report
from bascule.kernel.errors import InputError


def show(estate: Estate, found: Audit, reports: Sequence[Path], form: Format) -> int:
    """Judge the checklist and print it.

    Raises:
        InputError: A report cannot be read, is of another system, or the form is none of a checklist.
    """
    if form not in {"text", "json", "markdown"}:
        raise InputError(f"a checklist is not told as {form}", where="--format", hint="text, json or markdown")
    names = {one.name for one in found.findings} | {one.name for one in found.known}
    checklist = judge(Evidence(estate=estate, found=names, drills=tuple(_drilled(estate, reports))))
    if form == "json":
        sys.stdout.write(render(to_builtins(checklist)))
    elif form == "markdown":
        sys.stdout.write(markdown(checklist))
    else:
        output.terminal(out=True).print(terminal(checklist))
    return 0


def _drilled(estate: Estate, reports: Sequence[Path]) -> list[Drilled]:
    """Every trial with a fault that these reports have."""
    found: list[Drilled] = []
    now_s = time.time()
    for file in reports:
        report = read_report(file)
        if estate.system is not None and report.system != estate.system.system:
            what = f"this drill is of {report.system}, not of {estate.system.system}"
            raise InputError(what, where=str(file), hint="give reports of drills of this system")
        found += [
            Drilled(
                experiment=trial.experiment,
                scope=trial.scope,
                outcome=trial.verdict.outcome,
                age_s=max(0.0, now_s - trial.started_wall_s),
            )
            for trial in report.trials
            if trial.experiment != "control" and not trial.skipped
        ]
    return found
