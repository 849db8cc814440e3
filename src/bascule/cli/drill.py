"""`bascule drill`: break a running system on purpose and judge what its clients saw."""

from __future__ import annotations

import secrets
import shlex
import signal
import sys
import time
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from bascule.cli import drill_list
from bascule.cli.output import print_json, terminal
from bascule.cli.system_file import load_checked, with_experiments
from bascule.drill import claiming, targets
from bascule.drill import plan as planning
from bascule.drill.experiments import Experiment
from bascule.drill.live import LiveView
from bascule.drill.preparation import prepare
from bascule.drill.render_terminal import summary
from bascule.drill.report import Report
from bascule.drill.run import Options, run
from bascule.drill.scenarios import catalogue
from bascule.drill.stories import shelf
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.system.model import System

RUNS = Path("bascule-runs")


def drill(
    file: Path | None = None,
    /,
    *,
    experiment: Annotated[tuple[str, ...], Parameter(name=["--experiment", "-e"], consume_multiple=True)] = (),
    everything: Annotated[bool, Parameter(name="--all")] = False,
    story: Annotated[str, Parameter(name="--story")] = "",
    experiments: Annotated[Path | None, Parameter(name="--experiments")] = None,
    trials: Annotated[int | None, Parameter(name=["--trials", "-n"])] = None,
    until: str | None = None,
    hold: Annotated[str, Parameter(name="--for")] = "",
    aim: str = "",
    lab: Annotated[Path | None, Parameter(name="--lab")] = None,
    isolation: Literal["auto", "namespaces", "loopback"] = "auto",
    output: Annotated[Path | None, Parameter(name=["--output", "-o"])] = None,
    seed: int | None = None,
    keep_data: bool = False,
    dry_run: bool = False,
    quiet: bool = False,
    list_experiments: Annotated[bool, Parameter(name="--list")] = False,
    as_json: Annotated[bool, Parameter(name="--json")] = False,
) -> int:
    """Bring the system up, offer load, inject a fault, and judge from the client's side whether its promises held.

    Exit codes: 0 PASS; 1 FAIL; 2 INVALID (the evidence does not suffice, or the input cannot be used); 3 ABORTED.
    With --until, the worse of that and of the claim: 0 shown; 1 refuted; 2 not shown.

    Examples:
        bascule drill examples/taskmanagerpro/bascule.yaml
        bascule drill my.yaml --experiment host-loss --experiment partition
        bascule drill my.yaml --all --output /tmp/run
        bascule drill my.yaml --experiment entry-partition
        bascule drill my.yaml --trials 10 --seed 7
        bascule drill my.yaml --until "rto p95 <= 30s"
        bascule drill --story github-2018
        bascule drill my.yaml --experiments chaos.yaml -e slow-database --dry-run
        bascule drill my.yaml --experiment primary-freeze --for 2s
        bascule lab up my.yaml && bascule drill my.yaml --lab .bascule/my

    Args:
        file: The system file.
        experiment: What to break; may be repeated. Default: primary-kill. See --list.
        everything: Every experiment of one fault that this system can have, and all of its own, one after the other.
        story: A published failure, re-enacted on a small system of its own: `github-2018`, ... See --list.
        experiments: A file with further `experiments:`, as in a system file.
        trials: How often each experiment is run; once by default. With --until, how often at most.
        until: Run one experiment until a claim is shown or refuted: `rto p95 <= 30s`, `rpo_writes p90 <= 0`.
        hold: Undo the fault after this time (`2s`). Default: when the clients are served again.
        aim: Aim at this member instead of the primary. If it is not the primary, the trial is INVALID.
        lab: Use the lab that is up in this directory, and leave it up.
        isolation: namespaces makes real hosts; loopback cannot cut a network and skips what it cannot do.
        output: Where reports, records and logs go. Default: bascule-runs/SYSTEM-TIME
        seed: Repeats the random phases of an earlier run.
        keep_data: Keep the data directories of the members; logs and records are kept anyhow.
        dry_run: Print what would be done, and do nothing.
        quiet: No live progress.
        list_experiments: List the experiments; with FILE, those of this system.
        as_json: Print the report as one JSON object.
    """
    if story:
        if file is not None or experiment or everything or experiments is not None:
            raise InputError("a story has a system and an experiment of its own", hint=f"bascule drill --story {story}")
        file, experiment = Path(shelf.story(story).path), (story,)
    if list_experiments:
        return drill_list.show(None if file is None else _system(file, experiments), as_json=as_json)
    if file is None:
        raise InputError("no system file was given", hint="bascule drill FILE, or bascule init for a new one")
    system = _system(file, experiments)
    chosen = _chosen(system, experiment, everything=everything)
    if hold and any(each.scenario is not None for each in chosen):
        raise InputError("a timeline has its own times", hint="leave --for out, or change `for` in the file")
    seed = secrets.randbelow(2**31) if seed is None else seed
    claim = claiming.until(until, trials, chosen)
    times = claim.design.limit if claim is not None else 1 if trials is None else trials
    hold_s = Duration.parse(hold).seconds if hold else None
    runs, timing = prepare(system, chosen, trials=times, seed=seed, hold_s=hold_s)
    directory = output or RUNS / f"{system.system}-{time.strftime('%Y%m%d-%H%M%S')}"
    options = Options(
        system=system,
        source=file,
        runs=runs,
        timing=timing,
        seed=seed,
        directory=directory,
        lab=lab,
        isolation=isolation,
        aim=aim,
        keep_data=keep_data,
        command=shlex.join(["bascule", *sys.argv[1:]]),
        until=claim,
    )
    if dry_run:
        return _dry_run(options, as_json=as_json)
    with LiveView(enabled=not (quiet or as_json)) as view:
        signal.signal(signal.SIGTERM, signal.default_int_handler)  # a polite end is an end by hand
        report = run(options, view.update)
    _tell(report, directory, as_json=as_json)
    return claiming.exit_code(report.outcome, report.claimed)


def _tell(report: Report, directory: Path, *, as_json: bool) -> None:
    if as_json:
        sys.stdout.buffer.write((directory / "report.json").read_bytes())
        return
    console = terminal(out=True)
    console.print(summary(report))
    console.print(f"Reports: {directory / 'report.html'} · report.json · junit.xml", style="dim", highlight=False)


def _system(file: Path, experiments: Path | None) -> System:
    """The system, with the experiments of a file beside it, if one is given."""
    system = load_checked(file)
    return system if experiments is None else with_experiments(system, experiments)


def _chosen(system: System, names: tuple[str, ...], *, everything: bool) -> tuple[Experiment, ...]:
    """The experiments that were asked for."""
    chosen = planning.choose(names, everything=everything, known=catalogue.experiments(system))
    if everything:
        chosen = (*targets.possible(chosen, system), *catalogue.own(system))
    return chosen


def _dry_run(options: Options, *, as_json: bool) -> int:
    steps = planning.describe(options.system, options.runs, options.timing)
    if options.until is not None:
        steps = (options.until.takes(), *steps)
    if as_json:
        print_json({"steps": steps, "seed": options.seed})
    else:
        for number, step in enumerate(steps, 1):
            terminal(out=True).print(f"{number:>3}. {step}", highlight=False)
    return 0
