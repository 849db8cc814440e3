"""`bascule chaos inject`: one fault in a lab that is up, by hand."""

from __future__ import annotations

import signal
import time
from pathlib import Path
from typing import Annotated

from cyclopts import Parameter

from bascule.chaos.faults import AnyFault
from bascule.chaos.faults.catalogue import parse
from bascule.chaos.injection import Struck
from bascule.cli.output import emit, terminal
from bascule.drill.by_hand import Held, hold
from bascule.kernel.quantities import Duration

RUNS = Path("bascule-runs")


def inject(
    fault: str,
    /,
    *parameters: str,
    lab: Annotated[Path, Parameter(name="--lab")],
    hold_for: Annotated[str, Parameter(name="--for")] = "",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    dry_run: bool = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Inject one fault into a lab that is up, show that it acts, and undo it after a time or at Ctrl-C.

    It is written into a journal before it acts, and a watchdog process undoes it should this command die.

    Exit codes: 0 it acted and was undone; 2 it was not seen to act, or cannot be done.

    Examples:
        bascule lab up my.yaml
        bascule chaos inject process-slow member=database-paris-a-1 share=0.1 --lab .bascule/my --for 30s
        bascule chaos inject partition hosts=app-1,app-2 --lab .bascule/my
        bascule chaos inject process-kill member=database-paris-a-1 --lab .bascule/my --dry-run

    Args:
        fault: Its name: bascule fault list.
        parameters: As parameter=value: bascule fault show FAULT. Several names are separated by commas.
        lab: Directory of the lab.
        hold_for: Undo it after this time (`30s`). Default: at Ctrl-C.
        output: Where the journal goes. Default: bascule-runs/FAULT-TIME
        dry_run: Print what would be done, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    chosen = parse(fault, parameters)
    hold_s = Duration.parse(hold_for).seconds if hold_for else None
    if dry_run:
        return _plan(chosen, hold_for, as_json=as_json)
    directory = output or RUNS / f"{fault}-{time.strftime('%Y%m%d-%H%M%S')}"
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an end by hand
    held = hold(chosen, lab, directory, hold_s=hold_s, tell=lambda struck: _acts(struck, hold_for))
    emit(held, as_json=as_json, text=_told(held, directory))
    return 0 if held.witnessed else 2


def _plan(fault: AnyFault, hold_for: str, *, as_json: bool) -> int:
    steps = (*fault.steps(), f"wait {hold_for or 'for Ctrl-C'}", f"undo: {fault.UNDONE_BY}")
    told = {"fault": fault, "steps": steps, "seen_by": fault.SEEN_BY}
    emit(told, as_json=as_json, text="\n".join([*steps, f"witnessed when {fault.SEEN_BY}"]))
    return 0


def _acts(struck: Struck, hold_for: str) -> None:
    if struck.witness.seen:
        until = f"for {hold_for}" if hold_for else "until Ctrl-C"
        terminal().print(f"It acts, {until}: {'; '.join(struck.witness.evidence)}", highlight=False)


def _told(held: Held, directory: Path) -> str:
    if held.witnessed:
        return f"It acted for {held.acted_s:.1f} s and is undone; its journal is in {directory}."
    return f"It was not seen to act, and nothing of it is left: {'; '.join(held.evidence)}"
