"""`bascule audit --checklist`: the field's checklist, judged by rules, the prediction and drill reports."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from msgspec import to_builtins
from rich.console import RenderableType

from bascule.audit.checklist import judge
from bascule.audit.checklist.render import headline, markdown, terminal
from bascule.audit.checklist.words import Checklist, Drilled, Evidence
from bascule.audit.estate import Estate
from bascule.audit.finding import SEVERITIES, Severity
from bascule.audit.render_json import render
from bascule.audit.result import Audit
from bascule.cli import output
from bascule.cli.audit_output import Format, put
from bascule.cli.report_file import read_report
from bascule.kernel.errors import InputError


def show(
    estate: Estate, found: Audit, reports: Sequence[Path], form: Format, *, to: Path | None, gate: Severity | None
) -> int:
    """Judge the checklist, print it or write it to a file, and say whether a point failed at the gate.

    Args:
        estate: What was read.
        found: What all rules say about it.
        reports: Reports of drills, or their directories.
        form: text, json or markdown.
        to: The file to write; None for standard output.
        gate: A failed point counts as high; None: no point is at the gate.

    Raises:
        InputError: A report cannot be read, is of another system, or the form is none of a checklist.
    """
    if form not in {"text", "json", "markdown"}:
        raise InputError(f"a checklist is not told as {form}", where="--format", hint="text, json or markdown")
    names = {one.name for one in (*found.findings, *found.suppressed, *found.known)}
    checklist = judge(Evidence(estate=estate, found=names, drills=tuple(_drilled(estate, reports))))
    put(_content(checklist, form), to=to)
    if to is not None:
        output.terminal().print(headline(checklist))
    fails = gate is not None and SEVERITIES.index("high") <= SEVERITIES.index(gate)
    return 1 if fails and checklist.failed else 0


def _content(checklist: Checklist, form: Format) -> RenderableType | bytes:
    if form == "json":
        return render(to_builtins(checklist)).encode()
    return markdown(checklist).encode() if form == "markdown" else terminal(checklist)


def _drilled(estate: Estate, reports: Sequence[Path]) -> list[Drilled]:
    """Every trial with a fault that these reports have."""
    found: list[Drilled] = []
    now_s = time.time()
    system = estate.system.system if estate.system is not None else None
    for file in reports:
        report = read_report(file)
        system = report.system if system is None else system
        if report.system != system:
            what = f"this drill is of {report.system}, not of {system}"
            raise InputError(what, where=str(file), hint="give reports of drills of one system")
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
