"""`bascule gameday`: drills on a calendar, what came of them, and whether it gets worse."""

from __future__ import annotations

import math
import shlex
import signal
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Annotated, Literal

from cyclopts import App, Parameter
from msgspec import to_builtins

from bascule.cli.output import emit, terminal
from bascule.cli.report_file import read_report
from bascule.cli.system_file import load_checked
from bascule.drill.gameday.calendar import Date, following, upcoming
from bascule.drill.gameday.days import day
from bascule.drill.gameday.due import Decision, Past, decide
from bascule.drill.gameday.history import History
from bascule.drill.gameday.holding import Asked, Looked, check, look, steps
from bascule.drill.gameday.lock import RunningError, alone, is_held
from bascule.drill.gameday.render_page import page
from bascule.drill.gameday.render_text import history_table, plan_table, trend_text
from bascule.drill.gameday.render_words import answer_text, date_text, passes_text, rto_text
from bascule.drill.gameday.suite import Suite, load_suite
from bascule.drill.gameday.trend import Trend
from bascule.drill.gameday.trend import trend as find_trend
from bascule.drill.gameday.watching import watch as stay
from bascule.drill.live import LiveView
from bascule.drill.render_terminal import summary
from bascule.drill.render_words import NEVER, utc_text
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import AbortedError, BasculeError, InputError, MachineError
from bascule.lab.files import write_atomically
from bascule.measure.verdict import EXIT_CODES
from bascule.system.model import System

app = App(name="gameday", help="Drills on a calendar: when, what came of them, and whether it gets worse.")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]
Isolation = Literal["auto", "namespaces", "loopback"]


@app.command(name="plan")
def show_plan(
    file: Path, /, *, count: Annotated[int, Parameter(name=["--count", "-n"])] = 10, as_json: Json = False
) -> int:
    """List the dates to come, and why none is held on some of them. Does nothing else.

    Examples:
        bascule gameday plan gameday.yaml
        bascule gameday plan gameday.yaml --count 52 --json

    Args:
        file: The file of the game day.
        count: So many dates on which one is held.
        as_json: Print one JSON document instead of text.
    """
    if not 1 <= count <= 1000:
        raise InputError(f"{count} dates cannot be listed", hint="choose 1 to 1000")
    suite = load_suite(file)
    check(suite, load_checked(suite.system))
    dates = upcoming(suite.plan, SystemClock().wall_s(), count)
    if not any(not one.against for one in dates):
        raise InputError(
            "no date is left within ten years", where=str(file), hint="look at the hours and the blackouts"
        )
    emit(
        {"zone": suite.zone, "dates": [_date(one) for one in dates]},
        as_json=as_json,
        text=plan_table(dates, suite.zone),
    )
    return 0


@app.command(name="run")
def run_due(
    file: Path,
    /,
    *,
    now: bool = False,
    catch_up: bool = False,
    dry_run: bool = False,
    isolation: Isolation = "auto",
    quiet: bool = False,
    as_json: Json = False,
) -> int:
    """Run the suite once if it is due; for cron, a systemd timer or CI, every few minutes. Never two at once.

    Exit codes: 0 PASS, or not due, or one runs already; 1 FAIL; 2 INVALID, or it could not take place; 3 ABORTED. A
    date that nobody held in time is missed: told once, remembered, and never held late by itself.

    Examples:
        bascule gameday run gameday.yaml
        bascule gameday run gameday.yaml --now
        bascule gameday run gameday.yaml --catch-up
        bascule gameday run gameday.yaml --dry-run

    Args:
        file: The file of the game day.
        now: Run it at once, whatever the calendar says; what spoke against it is told.
        catch_up: If the latest date was missed, hold it now; not in a blackout, nor outside the hours.
        dry_run: Say whether it is due, and what would be done; do nothing.
        isolation: namespaces makes real hosts; loopback cannot cut a network and skips what it cannot do.
        quiet: No live progress.
        as_json: Print one JSON document instead of text.
    """
    suite = load_suite(file)
    system = load_checked(suite.system)
    asked = Asked(at_once=now, catch_up=catch_up, isolation=isolation, command=_command())
    if dry_run:
        return _dry_run(suite, system, asked, as_json=as_json)
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an end by hand
    try:
        with LiveView(enabled=not (quiet or as_json)) as view:
            looked = look(suite, system, asked, SystemClock(), show=view.update, tell=_tell)
    except RunningError as error:
        if now or catch_up:
            raise
        emit({"running": True}, as_json=as_json, text=f"nothing to do: {error.what}")
        return 0
    _say(suite, looked, as_json=as_json)
    return EXIT_CODES[looked.report.outcome] if looked.report else 0


@app.command(name="watch")
def watch_calendar(file: Path, /, *, catch_up: bool = False, isolation: Isolation = "auto") -> int:
    """Stay, and run the suite each time it is due, until Ctrl-C; then nothing is left. Exit code 0.

    The file is read again before each date. Ctrl-C during a game day ends it as it ends a drill (exit code 3).

    Examples:
        bascule gameday watch gameday.yaml

    Args:
        file: The file of the game day.
        catch_up: Hold at once what was missed last, also while nobody watched.
        isolation: namespaces makes real hosts; loopback cannot cut a network and skips what it cannot do.
    """
    stopped = threading.Event()

    def stop(_number: int, _frame: FrameType | None) -> None:
        stopped.set()
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    busy = False

    def once() -> Date | None:
        nonlocal busy
        suite = load_suite(file)
        system = load_checked(suite.system)
        asked = Asked(catch_up=catch_up, isolation=isolation, command=_command())
        busy = True
        try:
            looked = look(suite, system, asked, SystemClock(), show=lambda _: None, tell=_tell)
        except BasculeError:
            busy = False
            raise
        if looked.report is not None:
            _say(suite, looked, as_json=False)
        if stopped.is_set():
            raise AbortedError("stopped during a game day")
        busy = False
        return following(suite.plan, SystemClock().wall_s())

    load_checked(load_suite(file).system)
    try:
        stay(once, SystemClock(), threading.Event().wait, _tell)
    except KeyboardInterrupt:
        if busy:
            raise
    return 0


@app.command
def history(file: Path, /, *, as_json: Json = False) -> int:
    """List every game day: when, each verdict and RTO, by which version, on what machine; and the dates missed.

    Examples:
        bascule gameday history gameday.yaml
        bascule gameday history gameday.yaml --json

    Args:
        file: The file of the game day.
        as_json: Print one JSON document instead of text.
    """
    suite = load_suite(file)
    # Asked first: one that ends in between counts as running a little longer, never as interrupted.
    running = is_held(suite.history)
    with History(suite.history) as opened:
        days, missed = opened.days(), opened.missed()
    emit(
        {"history": str(suite.history), "days": _plain(days), "running": running, "missed_s": missed},
        as_json=as_json,
        text=history_table(days, running=running) if days else "no game day was held yet",
    )
    if missed and not as_json:
        shown = ", ".join(utc_text(one)[:16] for one in missed[-10:])
        emit(None, as_json=False, text=f"missed: {len(missed)} (the latest: {shown} UTC)")
    return 0


@app.command
def trend(
    file: Path,
    /,
    *,
    experiment: Annotated[tuple[str, ...], Parameter(name=["--experiment", "-e"], consume_multiple=True)] = (),
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    as_json: Json = False,
) -> int:
    """Show each experiment's verdicts and RTO over all game days, and say whether they get worse by more than luck.

    Exit codes: 0 nothing is worse beyond luck; 1 something is; 2 so few game days can tell nothing.

    Examples:
        bascule gameday trend gameday.yaml
        bascule gameday trend gameday.yaml --output trend.html
        bascule gameday trend gameday.yaml --experiment host-loss --json

    Args:
        file: The file of the game day.
        experiment: Only these; may be repeated.
        output: Write a page with charts there, too: one file, offline.
        as_json: Print one JSON document instead of text.
    """
    suite = load_suite(file)
    with History(suite.history) as opened:
        days = opened.days()
    found = find_trend(days, experiment)
    unknown = [one.experiment for one in found.series if not one.points]
    if unknown:
        known = ", ".join(one.experiment for one in find_trend(days).series) or "none"
        raise InputError(f"no game day has run {unknown[0]!r}", where=str(suite.history), hint=f"there are {known}")
    if output is not None:
        if not days:
            raise InputError(
                "no game day was held yet", where=str(suite.history), hint="bascule gameday run FILE --now"
            )
        _write(output, page(found, days, file.name))
    emit(_trend_document(found), as_json=as_json, text=trend_text(found))
    return found.exit_code


@app.command
def add(file: Path, /, *runs: Path, as_json: Json = False) -> int:
    """Take earlier drills of the same system into the history; once more does no harm.

    Examples:
        bascule gameday add gameday.yaml bascule-runs/shop-20260314-101500
        bascule gameday add gameday.yaml bascule-runs/shop-*

    Args:
        file: The file of the game day.
        runs: The directories of drills, or their report.json.
        as_json: Print one JSON document instead of text.
    """
    if not runs:
        raise InputError("no run was given", hint="bascule gameday add FILE bascule-runs/...")
    suite = load_suite(file)
    system = load_checked(suite.system)
    reports = [(one.parent if one.is_file() else one, read_report(one)) for one in runs]
    for directory, report in reports:
        if report.system != system.system:
            what = f"a run of {report.system!r}, not of {system.system!r}"
            raise InputError(what, where=str(directory), hint="one history is of one system")
    with alone(suite.history), History(suite.history, make=True) as opened:
        opened.settle()
        added = [opened.add(day(report, str(directory.resolve()))) for directory, report in reports]
    said = [f"{one}: {'added' if new else 'was there'}" for (one, _), new in zip(reports, added, strict=True)]
    emit({"added": sum(added), "were_there": len(added) - sum(added)}, as_json=as_json, text="\n".join(said))
    return 0


def _dry_run(suite: Suite, system: System, asked: Asked, *, as_json: bool) -> int:
    past = Past()
    if suite.history.exists():
        with History(suite.history) as opened:
            past = opened.past()
    now_s = SystemClock().wall_s()
    found = decide(suite.plan, past, now_s, late_s=suite.late_s, catch_up=asked.catch_up)
    would = asked.at_once or found.due is not None
    todo = steps(suite, system)
    lines = [_not_due(found)] if not would else [f"{number:>3}. {step}" for number, step in enumerate(todo, 1)]
    lines = [*(f"missed: {date_text(one)}" for one in found.missed), *lines]
    document = {**_decision(found), "would_run": would, "steps": todo if would else []}
    emit(document, as_json=as_json, text="\n".join(lines))
    return 0


def _say(suite: Suite, looked: Looked, *, as_json: bool) -> None:
    held = looked.held
    if as_json:
        died = [one.directory for one in looked.died]
        emit({**_decision(looked.decision), "held": _plain(held), "interrupted": died}, as_json=True, text="")
    elif looked.report is None or held is None:
        emit(None, as_json=False, text=_not_due(looked.decision))
    else:
        terminal(out=True).print(summary(looked.report))
        emit(None, as_json=False, text=f"Reports: {held.directory}\nbascule gameday trend {suite.file} shows the trend")


def _not_due(found: Decision) -> str:
    until = f"not due until {date_text(found.next)}" if found.next else "not due: no date is left within ten years"
    if found.late is None:
        return until
    why = f"not caught up with now: {'; '.join(found.against)}" if found.against else "--catch-up holds it now"
    return f"{until}; {date_text(found.late)} was missed ({why})"


def _decision(found: Decision) -> dict[str, object]:
    return {
        "due": _date(found.due),
        "missed": [_date(one) for one in found.missed],
        "late": _date(found.late),
        "against": found.against,
        "next": _date(found.next),
    }


def _date(one: Date | None) -> dict[str, object] | None:
    if one is None:
        return None
    wall = one.wall.isoformat(timespec="minutes")
    return {"at_s": one.at_s, "wall": wall, "held": not one.against, "against": one.against, "moved": one.moved}


def _trend_document(found: Trend) -> dict[str, object]:
    words = {one.experiment: {"rto": rto_text(one), "passes": passes_text(one)} for one in found.series}
    return {"trend": _plain(found), "words": words, "answer": answer_text(found), "exit_code": found.exit_code}


def _plain(value: object) -> object:
    """As JSON has it; what is infinite is `never`, as in a report, and nothing else is."""
    built = to_builtins(value)
    if isinstance(built, dict):
        return {key: _plain(each) for key, each in built.items()}
    if isinstance(built, list | tuple):
        return [_plain(each) for each in built]
    return NEVER if isinstance(built, float) and math.isinf(built) else built


def _write(path: Path, text: str) -> None:
    try:
        write_atomically(path, text.encode())
    except OSError as error:
        what = f"the page could not be written: {error.strerror or error}"
        raise MachineError(what, where=str(path), hint="free the disk, or name another file") from error


def _command() -> str:
    return shlex.join(["bascule", *sys.argv[1:]])


def _tell(line: str) -> None:
    terminal().print(line, soft_wrap=True)
