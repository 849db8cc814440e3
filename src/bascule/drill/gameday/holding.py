"""Holds a game day: alone, remembered before it begins and after it ended, and with old directories cleared away."""

from __future__ import annotations

import secrets
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from msgspec import Struct

from bascule import __version__
from bascule.chaos.journal import Journal
from bascule.drill import plan as planning
from bascule.drill.gameday.calendar import against
from bascule.drill.gameday.days import Day, day, digest
from bascule.drill.gameday.due import Decision, decide, seen_until_s
from bascule.drill.gameday.history import History
from bascule.drill.gameday.lock import alone
from bascule.drill.gameday.suite import Suite
from bascule.drill.live import LiveState
from bascule.drill.preparation import prepare
from bascule.drill.report import Report
from bascule.drill.run import Options, run
from bascule.drill.scenarios import catalogue
from bascule.kernel.clock import Clock
from bascule.kernel.errors import BasculeError, MachineError
from bascule.system.model import System

Show = Callable[[LiveState], None]
Drill = Callable[[Options, Show], Report]
Tell = Callable[[str], None]


class Looked(Struct, frozen=True, kw_only=True):
    """What came of looking whether a game day is due.

    Attributes:
        held: The game day, if one was held.
        died: Earlier ones that nobody ended: found only now.
        although: What spoke against one that was held by hand.
    """

    decision: Decision
    held: Day | None = None
    report: Report | None = None
    died: tuple[Day, ...] = ()
    although: tuple[str, ...] = ()


class Asked(Struct, frozen=True, kw_only=True):
    """How a game day was asked for.

    Attributes:
        at_once: Hold it now, whatever the calendar says.
        catch_up: Hold now what was missed last.
    """

    at_once: bool = False
    catch_up: bool = False
    isolation: str = "auto"
    command: str = ""


def look(
    suite: Suite, system: System, asked: Asked, clock: Clock, *, show: Show, tell: Tell, drill: Drill = run
) -> Looked:
    """Hold a game day if one is due; what was missed is told and remembered, once.

    Args:
        suite: The suite.
        system: The system of the suite, read and checked.
        asked: How it was asked for.
        clock: Its wall clock decides what is due.
        show: Takes the progress of the drill.
        tell: Takes one line each of what is worth knowing, before and after the drill.
        drill: Runs the trials.

    Raises:
        BasculeError: Another one runs, the history cannot be used, or the drill could not take place.
    """
    check(suite, system)
    with alone(suite.history), History(suite.history, make=True) as history:
        died = tuple(history.settle())
        for one in died:
            tell(f"an earlier game day was interrupted: see `bascule chaos status {one.directory}`")
        now_s = clock.wall_s()
        past = history.past()
        decision = decide(suite.plan, past, now_s, late_s=suite.late_s, catch_up=asked.catch_up)
        history.look(seen_until_s(past, now_s), tuple(each.at_s for each in decision.missed))
        for each in decision.missed:
            tell(f"missed: {each.wall:%Y-%m-%d %H:%M} {suite.zone}; --catch-up holds the latest one that was missed")
        if decision.due is None and not asked.at_once:
            return Looked(decision=decision, died=died)
        although = against(suite.plan, now_s) if asked.at_once else ()
        for why in although:
            tell(f"held by hand although: {why}")
        planned_s = decision.due.at_s if decision.due else None
        directory, written = _free(suite, system, now_s), digest(suite.system.read_bytes())
        options = _options(suite, system, asked, directory, secrets.randbelow(2**31))
        number = history.begin(now_s, str(directory.resolve()), planned_s=planned_s, version=__version__)
        report = _drilled(history, number, clock, lambda: drill(options, show))
        found = day(report, str(directory.resolve()), planned_s=planned_s, system=written)
        held = _remembered(suite, history, number, found)
        for line in clear_away(suite, history):
            tell(line)
        return Looked(decision=decision, held=held, report=report, died=died, although=although)


def check(suite: Suite, system: System) -> None:
    """See that the suite can be run on its system.

    Raises:
        InputError: There is no such experiment, or the system cannot have it.
    """
    _options(suite, system, Asked(), suite.runs, 0)


def steps(suite: Suite, system: System) -> tuple[str, ...]:
    """What a game day would do, step by step."""
    options = _options(suite, system, Asked(), suite.runs, 0)
    return planning.describe(system, options.runs, options.timing)


def _options(suite: Suite, system: System, asked: Asked, directory: Path, seed: int) -> Options:
    chosen = planning.choose(suite.experiments, everything=False, known=catalogue.experiments(system))
    runs, timing = prepare(system, chosen, trials=suite.trials, seed=seed)
    return Options(
        system=system,
        source=suite.system,
        runs=runs,
        timing=timing,
        seed=seed,
        directory=directory,
        isolation=asked.isolation,
        command=asked.command,
    )


def _drilled(history: History, number: int, clock: Clock, drill: Callable[[], Report]) -> Report:
    """The report of a drill; if it leaves none, the history says why."""
    try:
        return drill()
    except BaseException as error:
        by_hand = isinstance(error, KeyboardInterrupt)
        what = "stopped by hand" if by_hand else str(error) or type(error).__name__
        history.end(number, "interrupted" if by_hand else "failed", what, clock.wall_s())
        raise


def _remembered(suite: Suite, history: History, number: int, held: Day) -> Day:
    try:
        history.finish(number, held)
    except BasculeError as error:
        hint = f"the report is there: once that is mended, `bascule gameday add {suite.file} {held.directory}` adds it"
        raise MachineError(error.what, where=error.where, hint=hint) from error
    return held


def _free(suite: Suite, system: System, now_s: float) -> Path:
    """A directory that is not there yet: two game days may begin in one second, or the clock may go back."""
    directory = suite.runs / f"{system.system}-{time.strftime('%Y%m%d-%H%M%SZ', time.gmtime(now_s))}"
    number, free = 1, directory
    while free.exists():
        number += 1
        free = directory.with_name(f"{directory.name}-{number}")
    return free


def clear_away(suite: Suite, history: History) -> list[str]:
    """Remove the directories of all runs but the last `keep`; one in which a fault is not undone stays.

    Only directories that the history knows, directly below the suite's own, are touched.

    Returns:
        What could not be removed, a line each.
    """
    own = suite.runs.resolve()
    there = [Path(one.directory) for one in history.days() if one.state != "running" and one.directory]
    there = [path for path in dict.fromkeys(there) if path.parent == own and path.is_dir() and not path.is_symlink()]
    said = []
    for path in there[: -suite.keep]:
        try:
            contents = Journal(path / "journal.jsonl").read()
            if contents.problems or _is_pending(path):
                said.append(f"{path} stays: a fault in it is not undone; see `bascule chaos recover`")
                continue
            shutil.rmtree(path)
        except (OSError, BasculeError) as error:
            said.append(f"{path} could not be removed: {error}")
    return said


def _is_pending(path: Path) -> bool:
    return bool(Journal(path / "journal.jsonl").pending())
