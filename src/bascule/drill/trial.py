"""One trial, from steady load to the last repair: what is done when."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from itertools import takewhile
from pathlib import Path
from typing import Protocol

from msgspec import Struct
from msgspec.structs import replace

from bascule.drill import timeline
from bascule.drill.clients import Clients
from bascule.drill.course import Act, Course, Times
from bascule.drill.facts import TrialBegan, TrialJudged
from bascule.drill.observer import Snapshot
from bascule.drill.plan import Run, loaded
from bascule.drill.report import Trial
from bascule.drill.stage import Stage
from bascule.drill.targets import Target
from bascule.engines.protocols import Member
from bascule.kernel.errors import AbortedError
from bascule.measure.judge import judge, judge_control
from bascule.measure.plan import Plan
from bascule.measure.promises import Promises, promises
from bascule.measure.records import Record
from bascule.measure.verdict import Verdict
from bascule.system.model import System
from bascule.system.scenario import Load

WARM_UP_S = 0.3
TOLD_S = 0.3


class Landed(Struct, frozen=True, kw_only=True):
    """Whether and when a blow landed.

    Attributes:
        t0_s: In CLOCK_MONOTONIC seconds; None if it was not witnessed.
        evidence: What was looked at.
        lasting: It acts until it is undone; a planned change does not.
        lets_act: It still acts, until the clients are served again; a timeline whose faults have ended does not.
        hold_s: How long a timeline was meant to take; None for what acts until the clients are served again.
        injected_s: When the first fault began to be injected; None: when the blow was dealt.
        missed: Why a strike of a timeline was not made or not seen.
        powered_off: Hosts that lost their power, where that is known only now.
    """

    t0_s: float | None
    evidence: tuple[str, ...]
    lasting: bool = True
    lets_act: bool = True
    hold_s: float | None = None
    injected_s: float | None = None
    missed: str = ""
    powered_off: tuple[str, ...] = ()


class Blow(Protocol):
    """Something done to the system: a fault from `chaos`, a timeline of them, or a planned switchover."""

    def strike(self) -> Landed:
        """Do it, and witness it."""
        ...

    def undo(self) -> None:
        """Undo it, verified. Nothing to undo is fine."""
        ...

    def acts(self) -> tuple[Act, ...]:
        """What was done when, where it is more than one fault; of one that was stopped, as far as it came."""
        ...

    def after(self) -> str:
        """What is not well after the last repair, by a probe of its own; empty when all is."""
        ...


class Setting(Struct, frozen=True, kw_only=True):
    """What sets one trial apart from the others of its drill.

    Attributes:
        directory: Of this trial, for records.
        number_base: First unique number of its clients; above all numbers of earlier trials.
        seed: Of the mix of operations.
    """

    directory: Path
    number_base: int
    seed: int


def watch(clients: Clients) -> Callable[[], Sequence[tuple[int, int]]]:
    """A call that reads the clients' new records and gives (good, bad) for each of the last 40 whole seconds."""

    def rates() -> Sequence[tuple[int, int]]:
        for client in clients.all:
            client.poll()
        now = int(time.monotonic())
        counts = {second: [0, 0] for second in range(now - 40, now)}
        for record in reversed(clients.outside.records):
            if record.done_s < now - 42:
                break
            if int(record.due_s) in counts:
                counts[int(record.due_s)][record.outcome != "good"] += 1
        return [(good, bad) for good, bad in counts.values()]

    return rates


def served_since(records: Sequence[Record], plan: Plan, from_s: float, seconds: float, now_s: float) -> bool:
    """Whether every operation that was due in a span of `seconds` until a moment ago was good, and none since was bad.

    The span ends where answers may be awaited by now: 0.3 s ago, which is time enough for a system at ease and for its
    record; or else a whole deadline ago. An operation that hangs has no record yet, and so no span with it is good.

    Args:
        records: Of the outside client, in the order in which their fate was known.
        plan: Of that client.
        from_s: Nothing before this counts.
        seconds: How long it must have been served.
        now_s: The present.
    """
    offered = plan.rate_per_s * seconds
    for slack_s in (min(TOLD_S, plan.deadline_s), plan.deadline_s + TOLD_S):
        since_s, until_s = now_s - slack_s - seconds, now_s - slack_s
        if since_s < from_s:
            continue
        recent = _told_since(records, since_s)
        due = sum(since_s <= one.due_s < until_s for one in recent)
        if due > 0 and due >= offered - 1 and all(one.outcome == "good" for one in recent):
            return True
    return False


def _told_since(records: Sequence[Record], since_s: float) -> list[Record]:
    return list(takewhile(lambda one: one.done_s >= since_s, reversed(records)))


def _begin(stage: Stage, setting: Setting, before: Snapshot, load: Load | None = None) -> Course:
    """Make the clients of a trial that begins with this snapshot."""
    in_charge = stage.lab.member(before.in_charge(stage.aim))
    clients = Clients(
        stage.lab,
        setting.directory,
        stage.aim,
        in_charge,
        number_base=setting.number_base,
        seed=setting.seed,
        workload=loaded(stage.lab.system.workload, load or Load()),
    )
    stage.rates = watch(clients)
    stage.disk.settle()
    stage.bus.publish(TrialBegan(at_s=time.monotonic(), experiment=stage.title, primary=in_charge.name))
    return Course(
        lab=stage.lab,
        aim=stage.aim,
        clients=clients,
        moments=Times(started_s=time.monotonic()),
        before=before,
        after=before,
        started_wall_s=time.time(),
    )


def _observe(course: Course) -> None:
    """Let the timeline begin after the warm-up, at one moment on both clocks: other tools place it by the wall's."""
    course.moments.started_s = time.monotonic() + WARM_UP_S
    course.started_wall_s = time.time() + WARM_UP_S


def _end(stage: Stage, course: Course) -> None:
    """See how the system is now, and read back what is stored."""
    course.after = stage.snapshot()
    in_charge = course.after.in_charge(stage.aim)
    readable = in_charge and not course.aborted
    course.present = course.clients.present(stage.lab.member(in_charge) if readable else None)
    course.clients.forget()
    course.events = timeline.read(stage.lab, course.moments.started_s, course.moments.ended_s)
    course.holdings = stage.observer.holdings(course.moments.started_s, course.moments.ended_s)
    course.stalls = stage.disk.stalls(course.moments.started_s, course.moments.ended_s)


def control(stage: Stage, setting: Setting) -> Trial:
    """The control trial: load without a fault. Clean, or nothing that follows may be judged."""
    course = _begin(stage, setting, stage.wait_serving())
    with course.clients:
        stage.wait_calm()
        _observe(course)
        stage.pass_time("control trial: load without a fault", stage.timing.control_s + WARM_UP_S)
        course.moments.ended_s = time.monotonic()
    _end(stage, course)
    verdict = judge_control(course.evidence(), promises(stage.lab.system))
    stage.bus.publish(TrialJudged(at_s=time.monotonic(), experiment=stage.title, outcome=verdict.outcome))
    return course.control_report(verdict)


def trial(
    stage: Stage,
    run: Run,
    setting: Setting,
    make_blow: Callable[[Stage, Run, Target], Blow],
    choose: Callable[[Stage, Run, Member], Target],
    *,
    control_clean: bool,
    aim: str = "",
) -> Trial:
    """Run one experiment once, and judge it; stopped in the middle, it is undone and reported as ABORTED.

    Args:
        stage: Where.
        run: What.
        setting: What sets it apart.
        make_blow: Makes what is done to the system.
        choose: What it hits when somebody is in charge.
        control_clean: Whether the control trial was clean.
        aim: Aim at this member instead of the primary.

    Raises:
        LabError: The system was not whole at its begin.
        FaultError: The fault could not be undone; the journal keeps it pending.
    """
    scenario = run.experiment.scenario
    course = _begin(stage, setting, stage.wait_whole(), scenario.load if scenario else None)
    course.control_clean = control_clean
    course.hold_s = stage.timing.hold_s
    in_charge = course.before.in_charge(stage.aim)
    target = choose(stage, run, stage.lab.member(aim or in_charge))
    course.powered_off = target.hosts if run.experiment.cuts_power else ()
    blow = make_blow(stage, run, target)
    try:
        with course.clients:
            stage.wait_calm()
            _observe(course)
            _phases(stage, run, course, blow)
    except (AbortedError, KeyboardInterrupt) as error:
        course.aborted = str(error) or "stopped by hand"
        course.moments.ended_s = course.moments.ended_s or time.monotonic()
    _end(stage, course)
    verdict = judge(course.evidence(), _promises(stage.lab.system, run))
    verdict = besides(verdict, course.moments)
    stage.bus.publish(TrialJudged(at_s=time.monotonic(), experiment=stage.title, outcome=verdict.outcome))
    return course.report(run, target, verdict)


def _promises(system: System, run: Run) -> Promises:
    promised = promises(system, run.experiment.scope)
    own = run.experiment.scenario.objectives if run.experiment.scenario else None
    return promised if own is None else replace(promised, rto_s=own.rto.seconds, rpo_s=own.rpo.seconds)


def besides(verdict: Verdict, moments: Times) -> Verdict:
    """The verdict, with what a timeline and its probe know beside the evidence; not well at the end is no PASS."""
    if moments.missed and verdict.outcome == "INVALID":
        return replace(verdict, reasons=(moments.missed, *verdict.reasons))
    if not moments.afterwards or verdict.outcome not in {"PASS", "FAIL"}:
        return verdict
    reasons = (*(verdict.reasons if verdict.outcome == "FAIL" else ()), moments.afterwards)
    return replace(verdict, outcome="FAIL", reasons=reasons)


def _phases(stage: Stage, run: Run, course: Course, blow: Blow) -> None:
    """Steady load, the blow at its random phase, recovery, undoing, redundancy, and a last look."""
    timing, clients, moments = stage.timing, course.clients, course.moments
    stage.pass_time("steady load before the fault", timing.steady_s)
    stage.pass_time("waiting for the random phase", run.phase_s)
    try:
        moments.injected_s = time.monotonic()
        landed = blow.strike()
        moments.t0_s, moments.evidence = landed.t0_s, landed.evidence
        moments.injected_s = landed.injected_s or moments.injected_s
        moments.missed = landed.missed
        course.hold_s = course.hold_s if landed.hold_s is None else landed.hold_s
        course.powered_off = course.powered_off or landed.powered_off
        if landed.lasting and landed.lets_act:
            _let_it_act(stage, clients, moments)
    finally:
        try:
            blow.undo()
        finally:
            moments.acts = blow.acts()
        moments.undone_s = time.monotonic()
    if landed.lasting:
        moments.healed_s = moments.undone_s
    stage.wait("waiting for full redundancy", lambda: _whole_since(stage, moments), timing.patience_s)
    served = _served(stage, clients, moments.undone_s)
    stage.wait("watching on after the repair", served, timing.patience_s)
    stage.pass_time("watching on after the repair", timing.after_s)
    moments.ended_s = time.monotonic()
    moments.afterwards = blow.after()


def _let_it_act(stage: Stage, clients: Clients, moments: Times) -> None:
    """Until its time is over; or until the clients are served again; not at all if it does not act."""
    timing = stage.timing
    if moments.t0_s is None:
        return
    if timing.hold_s is not None:
        stage.pass_time("the fault acts", max(0.0, moments.t0_s + timing.hold_s - time.monotonic()))
        return
    stage.pass_time("the fault acts", timing.least_s)
    stage.wait("waiting until clients are served", _served(stage, clients, moments.t0_s), timing.patience_s)


def _served(stage: Stage, clients: Clients, since_s: float) -> Callable[[], bool]:
    outside = clients.outside
    return lambda: served_since(outside.records, outside.plan, since_s, stage.timing.stable_s, time.monotonic())


def _whole_since(stage: Stage, moments: Times) -> bool:
    latest = stage.observer.latest()
    if moments.undone_s is None or latest.at_s < moments.undone_s or not stage.observer.is_whole(latest):
        return False
    moments.t5_s = latest.answered_s
    return True
