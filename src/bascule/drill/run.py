"""A whole drill: the lab, the watchdog, the control trial, every trial, the report; and nothing left behind."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct

from bascule import __version__
from bascule.drill import machine, page_script, targets, trial
from bascule.drill.blows import Blows, aimed
from bascule.drill.chronicle import Chronicle
from bascule.drill.claiming import Until
from bascule.drill.disk import DiskWatch
from bascule.drill.live import LiveState
from bascule.drill.observer import Observer
from bascule.drill.plan import Run, Timing, fitted, needs
from bascule.drill.render_files import write_reports
from bascule.drill.report import Report, Trial
from bascule.drill.stage import Stage
from bascule.drill.summary import objectives, outcome, statistics, worst
from bascule.drill.trial import Setting
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import AbortedError, BasculeError, InputError, MachineError
from bascule.kernel.facts import Bus
from bascule.lab import abilities
from bascule.lab.files import forget
from bascule.lab.lab import Lab
from bascule.measure.judge import is_clean
from bascule.measure.verdict import Outcome, Verdict
from bascule.system.model import System

Show = Callable[[LiveState], None]
NUMBERS_PER_TRIAL = 10_000_000
FIRST_SECOND = 1_760_000_000
FACTS = "facts.jsonl"
STOPPED = "stopped by hand"


class Options(Struct, frozen=True, kw_only=True):
    """What a drill is told.

    Attributes:
        source: The system file.
        directory: For reports, records and logs.
        lab: Directory of a lab that is up and stays up; None makes one and ends it.
        aim: Aim at this member instead of the primary.
        keep_data: Keep the members' data directories.
        command: How it was called, for the report.
        until: The claim that ends the drill before the last of its runs; None runs them all.
    """

    system: System
    source: Path
    runs: tuple[Run, ...]
    timing: Timing
    seed: int
    directory: Path
    lab: Path | None = None
    isolation: str = "auto"
    aim: str = ""
    keep_data: bool = False
    command: str = ""
    until: Until | None = None


def run(options: Options, show: Show) -> Report:
    """Run every trial and write the reports; whatever happens, faults are undone and an own lab is ended.

    Raises:
        BasculeError: The drill could not take place at all; nothing was judged, and nothing runs any more.
    """
    _make(options.directory)
    started_wall_s, started_s = time.time(), time.monotonic()
    bus = Bus()
    with DiskWatch(options.lab or options.directory, bus, SystemClock()) as disk, _lab(options, show) as lab:
        threading.Thread(target=page_script.prepare, name="page-script", daemon=True).start()
        chronicle = Chronicle(options.directory / FACTS, time.monotonic())
        bus.subscribe(chronicle.hear)
        with Blows(lab, options.directory, bus) as blows, Observer(lab, bus) as observer:
            stage = Stage(
                lab=lab,
                observer=observer,
                disk=disk,
                aim=targets.aim(None, options.system),
                directory=options.directory,
                timing=options.timing,
                heartbeat=blows.renew,
                show=show,
                bus=bus,
                chronicle=chronicle,
            )
            trials = _trials(stage, options, blows)
        report = Report(
            system=options.system.system,
            outcome=worst(trials),
            machine=machine.describe(lab),
            objectives=objectives(options.system),
            trials=trials,
            statistics=statistics(trials),
            command=options.command,
            seed=options.seed,
            started_wall_s=started_wall_s,
            duration_s=time.monotonic() - started_s,
            version=__version__,
            claimed=options.until.claimed(trials) if options.until is not None else None,
        )
    write_reports(report, options.directory)
    return report


def _make(directory: Path) -> None:
    try:
        directory.mkdir(parents=True, exist_ok=True)
        if (directory / FACTS).exists():
            raise InputError(
                "the directory holds an earlier run", where=str(directory), hint="choose another with --output"
            )
    except OSError as error:
        raise MachineError(
            f"the directory cannot be made: {error.strerror}", where=str(directory), hint="choose another with --output"
        ) from error


@contextmanager
def _lab(options: Options, show: Show) -> Iterator[Lab]:
    """The lab that was given, or one of our own that ends with the drill."""
    if options.lab is not None:
        lab = Lab.attach(options.lab)
        try:
            lab.adopt(options.system)
            yield lab
        finally:
            lab.close()
        return
    started_s = time.monotonic()

    def progress(text: str) -> None:
        show(LiveState(phase="bringing the system up", progress=text, elapsed_s=time.monotonic() - started_s))

    directory = options.directory / "lab"
    lab = Lab.up(
        options.system,
        directory,
        source=options.source,
        isolation=options.isolation,
        progress=progress,
        until="serving",
        wanted=abilities.needed(needs(options.runs)),
    )
    try:
        yield lab
    finally:
        lab.down()
        forget(directory)
        if not options.keep_data:
            shutil.rmtree(directory / "members", ignore_errors=True)


def _trials(stage: Stage, options: Options, blows: Blows) -> tuple[Trial, ...]:
    """The control trial, then every trial. What stops one ends the drill, and is reported with the others."""
    total = len(options.runs) + 1
    # Numbers grow with the clock, and a trial takes more than a second: no number is ever written twice. They stay
    # below 2^53 until 2054, since many a JSON reader takes every number for a double.
    base = (int(time.time()) - FIRST_SECOND) * NUMBERS_PER_TRIAL
    stage.title, stage.position = "control", (1, total)
    settings = [Setting(directory=options.directory / "control", number_base=base, seed=options.seed)]
    try:
        done = [trial.control(stage, settings[0])]
    except (AbortedError, KeyboardInterrupt) as error:
        return (_untold("control", "No fault", "", "ABORTED", str(error) or STOPPED),)
    clean = is_clean(done[0].verdict)
    failed: set[str] = set()
    for position, each in enumerate(options.runs, 2):
        stage.title, stage.position = each.experiment.name, (position, total)
        if options.until is not None:
            stage.title = f"{each.experiment.name}, {options.until.standing(done)}"
        stage.aim = targets.aim(each.experiment, options.system)
        stage.timing = fitted(options.timing, each, options.system.workload)
        skipped = "an earlier grade was not passed" if each.graded in failed else blows.refusal(each)
        if skipped:
            done.append(_untold(*_names(each), "INVALID", skipped, skipped=skipped))
            failed |= {each.graded} - {""}
            if options.until is not None:
                break  # its other trials would be skipped alike
            continue
        setting = Setting(
            directory=options.directory / f"{each.experiment.name.replace('%', '')}-{each.number}",
            number_base=base + position * NUMBERS_PER_TRIAL,
            seed=options.seed + position,
        )
        try:
            done.append(trial.trial(stage, each, setting, blows.make, aimed, control_clean=clean, aim=options.aim))
        except (BasculeError, OSError, KeyboardInterrupt) as error:
            done.append(_untold(*_names(each), "ABORTED", str(error) or STOPPED))
        if done[-1].verdict.outcome == "ABORTED" or (options.until is not None and options.until.is_settled(done)):
            break
        if not _goes_on(done[-1]):
            failed |= {each.graded} - {""}
    return tuple(done)


def _goes_on(trial: Trial) -> bool:
    """Whether a series may go on to its next grade: never beyond a failure, though it was expected."""
    return trial.verdict.outcome == "PASS" and outcome(trial) == "PASS"


def _names(run: Run) -> tuple[str, str, str]:
    return run.experiment.name, run.experiment.title, run.experiment.scope


def _untold(experiment: str, title: str, scope: str, ending: Outcome, reason: str, *, skipped: str = "") -> Trial:
    """The report of a trial that left no evidence."""
    return Trial(
        experiment=experiment,
        title=title,
        scope=scope,
        verdict=Verdict(outcome=ending, reasons=(reason,)),
        skipped=skipped,
    )
