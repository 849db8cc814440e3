"""`bascule chaos`: inject one fault by hand, see what is still injected, undo it, or stop everything at once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter

from bascule.chaos.journal import Contents, Entry, Journal, pending
from bascule.chaos.recovery import Recovered, recover
from bascule.cli.output import emit
from bascule.drill.halting import find_running
from bascule.drill.halting import halt as halt_all
from bascule.drill.watchdog import attach
from bascule.kernel.errors import InputError

app = App(
    name="chaos", help="Inject one fault by hand; stop everything; undo what an ended drill may have left behind."
)
app.command("bascule.cli.inject:inject", name="inject")
app.command("bascule.cli.chaos_toolkit:export", name="export")
app.command("bascule.cli.chaos_import:import_experiment", name="import")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


@app.command
def status(run_dir: Path, /, *, as_json: Json = False) -> int:
    """Say which faults of a drill are not undone yet; exit code 1 if there are any.

    Examples:
        bascule chaos status bascule-runs/taskmanagerpro-20260314-101500
        bascule chaos status bascule-runs/taskmanagerpro-20260314-101500 --json

    Args:
        run_dir: The drill's directory, as its --output said, or below bascule-runs/.
        as_json: Print one JSON document instead of text.
    """
    return _tell(run_dir, _journal(run_dir).read(), as_json=as_json)


@app.command(name="recover")
def undo(run_dir: Path, /, *, dry_run: bool = False, as_json: Json = False) -> int:
    """Undo every fault that a drill left injected; once more does no harm. Exit code 0 when nothing is left.

    A drill's own watchdog does the same when the drill dies. This is for when the watchdog died too.

    Examples:
        bascule chaos recover bascule-runs/taskmanagerpro-20260314-101500
        bascule chaos recover bascule-runs/taskmanagerpro-20260314-101500 --dry-run

    Args:
        run_dir: The drill's directory, as its --output said, or below bascule-runs/.
        dry_run: Say what would be undone, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    journal = _journal(run_dir)
    if dry_run:
        return _tell(run_dir, journal.read(), as_json=as_json)
    results = recover(journal, attach)
    lines = [f"{_name(one)}: {one.how}{f': {one.error}' if one.error else ''}" for one in results]
    emit(
        {"directory": str(run_dir), "recovered": [_result(one) for one in results]},
        as_json=as_json,
        text="\n".join(lines) or f"{run_dir}: nothing is injected",
    )
    return 1 if any(one.error for one in results) else 0


@app.command
def halt(*run_dirs: Path, dry_run: bool = False, as_json: Json = False) -> int:
    """Stop everything that breaks things now: end it, and undo at once what it injected. Takes at most two seconds.

    It finds every drill, and every fault injected by hand, of this user on this machine. Exit code 0 when nothing is
    left; 1 when something was not undone in time: its watchdog goes on trying.

    Examples:
        bascule chaos halt
        bascule chaos halt --dry-run
        bascule chaos halt bascule-runs/process-slow-20260314-101500

    Args:
        run_dirs: Only these runs. Default: all.
        dry_run: Say what would be halted, and do nothing.
        as_json: Print one JSON document instead of text.
    """
    running = find_running(run_dirs)
    if dry_run:
        lines = [f"{one.journal}: {one.command or 'dead; its watchdog is undoing'}" for one in running]
        emit({"running": running}, as_json=as_json, text="\n".join(lines) or "nothing runs")
        return 0
    halted = halt_all(running)
    lines = []
    for one in halted:
        lines += [f"{one.journal}: {'told to end' if one.left else 'ended'}"]
        lines += [f"  undone: {each}" for each in one.undone] + [f"  LEFT: {each}" for each in one.left]
    emit({"halted": halted}, as_json=as_json, text="\n".join(lines) or "nothing runs")
    return 1 if any(one.left for one in halted) else 0


def _journal(run_dir: Path) -> Journal:
    """The journal of a drill; one that never injected anything has written none.

    Raises:
        InputError: No drill ran there.
    """
    journal = Journal(run_dir / "journal.jsonl")
    if not journal.path.exists() and not journal.path.with_suffix(".watchdog.log").exists():
        raise InputError("no drill ran here", where=str(run_dir), hint="name the directory of a run: bascule-runs/...")
    return journal


def _tell(run_dir: Path, contents: Contents, *, as_json: bool) -> int:
    left = pending(contents.entries)
    problems = [str(problem) for problem in contents.problems]
    lines = [f"{_steps(entry)}: {entry.state}; undone by {entry.fault.UNDONE_BY}" for entry in left]
    emit(
        {"directory": str(run_dir), "pending": [_entry(entry) for entry in left], "problems": problems},
        as_json=as_json,
        text="\n".join([*lines, *problems]) or f"{run_dir}: nothing is injected",
    )
    return 1 if left or problems else 0


def _steps(entry: Entry) -> str:
    return f"{entry.fault.kind()}: {'; '.join(entry.fault.steps())}"


def _entry(entry: Entry) -> dict[str, object]:
    return {
        "id": entry.id,
        "fault": entry.fault.kind(),
        "aim": entry.fault,
        "state": entry.state,
        "platform": entry.platform,
        "undone_by": entry.fault.UNDONE_BY,
    }


def _name(one: Recovered) -> str:
    return f"{one.fault.kind()} ({'; '.join(one.fault.steps())})" if one.fault else "a line of the journal"


def _result(one: Recovered) -> dict[str, object]:
    return {"fault": one.fault and one.fault.kind(), "aim": one.fault, "how": one.how, "error": one.error}
