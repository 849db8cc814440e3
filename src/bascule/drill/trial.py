"""One trial, from steady load to the last repair: what is done when, and the evidence that it leaves."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from bascule.drill import targets, timeline
from bascule.drill.clients import Clients
from bascule.drill.events import TimedEvent, noticed_s
from bascule.drill.explain import explain
from bascule.drill.observer import Snapshot, nodes
from bascule.drill.picture import marks
from bascule.drill.plan import Run
from bascule.drill.report import Trial
from bascule.drill.stage import Stage
from bascule.drill.targets import Target
from bascule.kernel.errors import AbortedError
from bascule.measure.bins import bins
from bascule.measure.evidence import Evidence
from bascule.measure.judge import judge, judge_control
from bascule.measure.promises import claims_idempotence, promises
from bascule.measure.records import Record
from bascule.measure.verdict import Verdict

BIN_S = 0.25


class Landed(Struct, frozen=True, kw_only=True):
    """Whether and when a blow landed: t0 in CLOCK_MONOTONIC seconds, None if it was not witnessed; and the evidence.

    `lasting`: it acts until it is undone; a planned change does not.
    """

    t0_s: float | None
    evidence: tuple[str, ...]
    lasting: bool = True


class Blow(Protocol):
    """Something done to the system: a fault from `chaos`, or a planned switchover."""

    def strike(self) -> Landed:
        """Do it, and witness it."""
        ...

    def undo(self) -> None:
        """Undo it, verified. Nothing to undo is fine."""
        ...


class Times(Struct, kw_only=True):
    """The moments of a trial as they come, in CLOCK_MONOTONIC seconds."""

    started_s: float
    injected_s: float | None = None
    t0_s: float | None = None
    evidence: tuple[str, ...] = ()
    undone_s: float | None = None
    healed_s: float | None = None
    t5_s: float | None = None
    ended_s: float = 0.0


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


def served_since(records: Sequence[Record], from_s: float, seconds: float, now_s: float) -> bool:
    """Whether every operation that was due in the last `seconds` and is decided was good, and the last was due just now.

    Args:
        records: Of the outside client, in the order in which their fate was known.
        from_s: Nothing before this counts.
        seconds: How long it must have been served.
        now_s: The present.
    """
    since_s = now_s - seconds
    if since_s < from_s:
        return False
    recent = [record for record in records[-5000:] if record.due_s >= since_s or record.done_s >= since_s]
    return bool(recent) and all(record.outcome == "good" for record in recent)


def control(stage: Stage, directory: Path, *, number_base: int, seed: int) -> Trial:
    """The control trial: load without a fault. Clean, or nothing that follows may be judged."""
    snapshot = stage.wait_whole("waiting until all members are whole")
    started_wall_s = time.time()
    primary = stage.lab.member(snapshot.primary(stage.component))
    clients = Clients(stage.lab, directory, stage.component, primary, number_base=number_base, seed=seed)
    stage.rates = watch(clients)
    with clients:
        moments = Times(started_s=time.monotonic() + 0.5)
        stage.pass_time("control trial: load without a fault", stage.timing.control_s + 0.5)
        moments.ended_s = time.monotonic()
    present = clients.present(primary)
    clients.forget()
    verdict = judge_control(_evidence(stage, clients, moments, present, (), None), promises(stage.lab.system))
    return Trial(
        experiment="control",
        title="No fault",
        scope="",
        verdict=verdict,
        started_wall_s=started_wall_s,
        before=nodes(stage.lab, snapshot),
        after=nodes(stage.lab, stage.snapshot()),
        **_drawn(clients, moments),
    )


def trial(
    stage: Stage,
    run: Run,
    directory: Path,
    make_blow: Callable[[Stage, Run, Target], Blow],
    *,
    control_clean: bool,
    number_base: int,
    seed: int,
    aim: str = "",
) -> Trial:
    """Run one experiment once, and judge it.

    Raises:
        AbortedError: It was stopped; the fault is undone, and the lab still stands.
    """
    before = stage.wait_whole("waiting until all members are whole")
    started_wall_s = time.time()
    primary = stage.lab.member(before.primary(stage.component))
    target = targets.choose(run.experiment, stage.lab.member(aim) if aim else primary, stage.lab.plan)
    blow = make_blow(stage, run, target)
    clients = Clients(stage.lab, directory, stage.component, primary, number_base=number_base, seed=seed)
    stage.rates = watch(clients)
    aborted = ""
    moments = Times(started_s=time.monotonic())
    try:
        with clients:
            moments.started_s = time.monotonic() + 0.2
            _phases(stage, run, clients, blow, moments)
    except (AbortedError, KeyboardInterrupt) as error:
        aborted = str(error) or "stopped by hand"
        moments.ended_s = moments.ended_s or time.monotonic()
    after = stage.snapshot()
    now = after.primary(stage.component)
    present = clients.present(stage.lab.member(now) if now and not aborted else None)
    clients.forget()
    events = timeline.read(stage.lab, moments.started_s, moments.ended_s)
    evidence = _evidence(stage, clients, moments, present, events, control_clean, aborted=aborted)
    verdict = judge(evidence, promises(stage.lab.system, run.experiment.scope))
    return _report(stage, run, target, verdict, clients, moments, events, before, after, started_wall_s)


def _phases(stage: Stage, run: Run, clients: Clients, blow: Blow, moments: Times) -> None:
    """Steady load, the blow at its random phase, recovery, undoing, redundancy, and a last look."""
    timing = stage.timing
    stage.pass_time("steady load before the fault", timing.steady_s)
    stage.pass_time("waiting for the random phase", run.phase_s)
    try:
        moments.injected_s = time.monotonic()
        landed = blow.strike()
        moments.t0_s, moments.evidence = landed.t0_s, landed.evidence
        if landed.lasting:
            _let_it_act(stage, clients, moments)
    finally:
        blow.undo()
        moments.undone_s = time.monotonic()
    if landed.lasting:
        moments.healed_s = moments.undone_s
    stage.wait("waiting for full redundancy", lambda: _whole_since(stage, moments), timing.patience_s)
    served = _served(stage, clients, moments.undone_s)
    stage.wait("watching on after the repair", served, timing.patience_s)
    stage.pass_time("watching on after the repair", timing.after_s)
    moments.ended_s = time.monotonic()


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
    return lambda: served_since(clients.outside.records, since_s, stage.timing.stable_s, time.monotonic())


def _whole_since(stage: Stage, moments: Times) -> bool:
    latest = stage.observer.latest()
    if moments.undone_s is None or latest.at_s < moments.undone_s or not stage.observer.is_whole(latest):
        return False
    moments.t5_s = latest.at_s
    return True


def _evidence(
    stage: Stage,
    clients: Clients,
    moments: Times,
    present: dict[str, dict[int, int] | None],
    events: Sequence[TimedEvent],
    control_clean: bool | None,
    *,
    aborted: str = "",
) -> Evidence:
    workload = stage.lab.system.workload
    deadline_s = workload.deadline.seconds
    t2_s = None if moments.injected_s is None else noticed_s(events, stage.component, moments.injected_s)
    return Evidence(
        rate_per_s=workload.rate.per_s,
        deadline_s=deadline_s,
        records={client.plan.client: client.records for client in clients.all},
        present=present,
        started_s=moments.started_s,
        ended_s=moments.ended_s,
        injected_s=moments.injected_s,
        t0_s=moments.t0_s,
        t2_s=t2_s,
        t5_s=moments.t5_s,
        healed_s=moments.healed_s,
        lag_max_s=clients.outside.status().lag_max_s,
        control_clean=control_clean,
        cut_off=tuple(client.plan.client for client in clients.all if client.cut_off),
        aborted=aborted,
        idempotent=claims_idempotence(workload),
    )


def _drawn(clients: Clients, moments: Times) -> dict[str, Any]:
    """What the picture of every trial needs, as fields of `Trial`."""
    outside = clients.outside.records
    ended_s = max(moments.ended_s, moments.started_s)
    seen = [record for client in clients.all for record in client.records]
    return {
        "started_s": moments.started_s,
        "duration_s": ended_s - moments.started_s,
        "bin_s": BIN_S,
        "bins": bins(outside, moments.started_s, ended_s, BIN_S),
        "offered": dict(Counter(client.plan.client for client in clients.all for _ in client.records)) if seen else {},
    }


def _report(
    stage: Stage,
    run: Run,
    target: Target,
    verdict: Verdict,
    clients: Clients,
    moments: Times,
    events: Sequence[TimedEvent],
    before: Snapshot,
    after: Snapshot,
    started_wall_s: float,
) -> Trial:
    action = run.experiment.action.format(target=target.name)
    instants = verdict.instants
    told = tuple(f"The witness saw: {seen}." for seen in moments.evidence)
    if instants is not None:
        told += explain(
            events,
            instants,
            component=stage.component,
            old_primary=before.primary(stage.component),
            new_primary=after.primary(stage.component),
            action=action,
        )
    return Trial(
        experiment=run.experiment.name,
        title=run.experiment.title,
        scope=run.experiment.scope,
        verdict=verdict,
        target=target.name,
        explanation=told,
        started_wall_s=started_wall_s,
        marks=marks(instants, events, moments.started_s, action),
        before=nodes(stage.lab, before, target.members),
        after=nodes(stage.lab, after),
        **_drawn(clients, moments),
    )
