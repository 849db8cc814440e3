"""What a drill will do, decided before it does anything. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from difflib import get_close_matches

from msgspec import Struct
from msgspec.structs import replace

from bascule.chaos.faults.catalogue import named
from bascule.chaos.platform import Control
from bascule.drill.experiments import CATALOGUE, DEFAULT, Experiment
from bascule.drill.scenarios import grades, schedule
from bascule.drill.scenarios.schedule import Count, Strike
from bascule.drill.scenarios.wording import limits, told
from bascule.kernel.dice import Dice
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Rate
from bascule.measure.instants import Stability
from bascule.system.model import System, Workload
from bascule.system.scenario import Load

PATIENCE = 1.25
"""So many promised recovery times are waited: a system that keeps its promise late is no one that never does."""


class Timing(Struct, frozen=True, kw_only=True):
    """How long each phase of a trial takes, in seconds.

    Attributes:
        control_s: Load without a fault, to show that the system and the load are clean.
        steady_s: Clean load that must precede the fault in each trial.
        phase_s: The fault comes at a random moment within this span, so that it hits every phase of the lease's cycle.
        hold_s: The fault is undone after this time; None: when the clients are served again, or after `patience_s`.
        least_s: An undetermined fault stays at least this long, for its effect to be seen.
        stable_s: Clients count as served again after this long without a bad operation.
        patience_s: Waiting for service, and then for redundancy, ends after this long.
        after_s: Watching goes on this long after the last repair.
    """

    control_s: float = 5.0
    steady_s: float = 2.0
    phase_s: float = 1.5
    hold_s: float | None = None
    least_s: float = 5.0
    stable_s: float = 2.0
    patience_s: float = 90.0
    after_s: float = 2.0


def timing(system: System, *, cycle_s: float, hold_s: float | None = None) -> Timing:
    """The phases that fit this system: long enough for its rate, its promises and the cycle of its leases.

    Args:
        system: A checked system.
        cycle_s: In what rhythm the primary renews its lease; the random phase covers whole cycles.
        hold_s: Undo the fault after this time.
    """
    stability = Stability()
    stable_s = max(stability.seconds, stability.consecutive / system.workload.rate.per_s)
    longest_s = max((promise.rto.seconds for promise in system.objectives.disruptions.values()), default=0.0)
    least = Timing()
    return Timing(
        phase_s=math.ceil(least.phase_s / cycle_s) * cycle_s,
        hold_s=hold_s,
        stable_s=stable_s,
        patience_s=max(least.patience_s, longest_s * PATIENCE + stable_s + 2 * system.workload.deadline.seconds),
        after_s=max(least.after_s, stable_s),
    )


class Run(Struct, frozen=True, kw_only=True):
    """One trial to come: which experiment, which time of it, and how long after the steady state the fault comes.

    Attributes:
        strikes: Of a timeline, in the order of their time.
        graded: The experiment whose grade this is; empty for one without grades.
    """

    experiment: Experiment
    number: int
    phase_s: float
    strikes: tuple[Strike, ...] = ()
    graded: str = ""


def choose(
    names: tuple[str, ...], *, everything: bool, known: Mapping[str, Experiment] = CATALOGUE
) -> tuple[Experiment, ...]:
    """The experiments that were named; the default one if none was; everything is every one of a single fault.

    Raises:
        InputError: No experiment has that name.
    """
    if everything:
        return tuple(CATALOGUE.values())
    for name in names:
        if name not in known:
            close = get_close_matches(name, known, 1)
            hint = f"did you mean {close[0]!r}?" if close else f"there are {', '.join(known)}"
            raise InputError(f"no experiment is called {name!r}", hint=hint)
    return tuple(known[name] for name in dict.fromkeys(names or (DEFAULT,)))


def runs(
    experiments: tuple[Experiment, ...],
    trials: int,
    timing: Timing,
    dice: Dice,
    count: Count = lambda _: 1,
) -> tuple[Run, ...]:
    """Every trial in its order, each with its own random phase; of a timeline, also with all that luck chooses in it.

    Args:
        experiments: What is run.
        trials: How often each.
        timing: Of the system.
        dice: Where luck comes from.
        count: How many members are meant, for what hits one after the other.

    Raises:
        InputError: `trials` is not in 1 to 1000.
    """
    if not 1 <= trials <= 1000:
        raise InputError(f"{trials} trials cannot be run", hint="choose 1 to 1000")
    return tuple(
        Run(
            experiment=graded,
            number=number,
            phase_s=dice.uniform(0.0, timing.phase_s),
            strikes=_strikes(graded, count, dice),
            graded=experiment.name if graded is not experiment else "",
        )
        for experiment in experiments
        for graded in _grades(experiment)
        for number in range(1, trials + 1)
    )


def _grades(experiment: Experiment) -> tuple[Experiment, ...]:
    """The experiment at each of its grades, named after it: `slow@zone`; itself where it has none."""
    if experiment.scenario is None or not experiment.scenario.grades:
        return (experiment,)
    return tuple(
        replace(experiment, name=f"{experiment.name}@{grade}", title=f"{experiment.title} ({grade})", scenario=scenario)
        for grade, scenario in grades.graded(experiment.scenario)
    )


def _strikes(experiment: Experiment, count: Count, dice: Dice) -> tuple[Strike, ...]:
    return () if experiment.scenario is None else schedule.strikes(experiment.scenario, count, dice)


def needs(todo: Iterable[Run]) -> frozenset[Control]:
    """Of what the timelines of these runs must have control: a lab that is brought up for them is made so."""
    return frozenset(control for run in todo for strike in run.strikes for control in named(strike.fault).NEEDS)


def fitted(timing: Timing, run: Run, workload: Workload) -> Timing:
    """The phases of one run: a timeline has a steady state, a load, an objective and a time of its own."""
    scenario = run.experiment.scenario
    if scenario is None:
        return timing
    own = loaded(workload, scenario.load)
    stable_s = max(timing.stable_s, Stability().consecutive / own.rate.per_s)
    rto_s = scenario.objectives.rto.seconds if scenario.objectives else 0.0
    least_s = rto_s * PATIENCE + stable_s + 2 * own.deadline.seconds
    return replace(
        timing,
        steady_s=scenario.steady.lasts.seconds,
        hold_s=None,
        stable_s=stable_s,
        patience_s=max(timing.patience_s, least_s),
        after_s=max(timing.after_s, stable_s),
    )


def loaded(workload: Workload, load: Load) -> Workload:
    """The workload with what an experiment changes about it."""
    return replace(
        workload,
        rate=load.rate or Rate(workload.rate.per_s * load.times),
        deadline=load.deadline or workload.deadline,
        retries=workload.retries if load.retries < 0 else load.retries,
    )


def describe(system: System, todo: tuple[Run, ...], timing: Timing) -> tuple[str, ...]:
    """What a drill would do, step by step, for a dry run."""
    members = sum(sum(component.replicas.values()) for component in system.components.values())
    steps = [
        f"Start {members} members of {system.system} in {len(system.zones)} zones here; wait until they serve.",
        f"Offer {system.workload.rate} through {system.workload.through}; {timing.control_s:g} s of control.",
    ]
    for run in todo:
        until = (
            f"for {timing.hold_s:g} s"
            if timing.hold_s is not None
            else f"until clients are served again for {timing.stable_s:g} s (at most {timing.patience_s:g} s)"
        )
        held_to = _held_to(system, run.experiment)
        if run.strikes:
            steady_s = fitted(timing, run, system.workload).steady_s
            head = f"{run.experiment.name} (trial {run.number}): {steady_s:g} s of steady load, "
            steps.append(f"{head}{run.phase_s:.2f} s of random phase, then its timeline.")
            steps += [f"{limits(run.experiment.scenario)}."] if run.experiment.scenario else []
            steps += [f"{told(strike)}." for strike in run.strikes]
            steps.append(f"Undo all; wait for full redundancy. Held to: {held_to}.")
            continue
        steps.append(
            f"{run.experiment.name} (trial {run.number}): {timing.steady_s:g} s of steady load, "
            f"{run.phase_s:.2f} s of random phase, then {run.experiment.about}; {until}; "
            f"undo; wait for full redundancy; watch {timing.after_s:g} s more. Held to: {held_to}."
        )
    steps.append("Read everything back, judge, write report.html, report.json and junit.xml; end all that was started.")
    return tuple(steps)


def _held_to(system: System, experiment: Experiment) -> str:
    own = experiment.scenario.objectives if experiment.scenario else None
    promise = own or system.objectives.disruptions.get(experiment.scope)
    expected = experiment.scenario.expect.outcome if experiment.scenario else "PASS"
    told = f"RTO {promise.rto}, RPO {promise.rpo}" if promise else "no promise for this scope"
    return told if expected == "PASS" else f"{told}; expected to {expected}"
