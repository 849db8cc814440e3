"""Carries a timeline out: each strike at its time, aimed at whoever is meant then, within its blast radius."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from bascule.chaos.faults import AnyFault
from bascule.chaos.faults.catalogue import named
from bascule.chaos.injection import Injection, Struck
from bascule.drill.course import Act
from bascule.drill.plan import Run, loaded
from bascule.drill.scenarios import limits, radius, whom
from bascule.drill.scenarios.aiming import cuts_power, faults
from bascule.drill.scenarios.rules import dependencies
from bascule.drill.scenarios.schedule import Strike, is_timed, length_s
from bascule.drill.scenarios.whom import Hit, Roles
from bascule.drill.stage import Stage
from bascule.drill.targets import Target
from bascule.drill.trial import Landed
from bascule.engines.protocols import Member, Roled
from bascule.kernel.errors import BasculeError, FaultError, InputError, LabError
from bascule.lab.lab import Lab
from bascule.system.scenario import Scenario

MOST_EVIDENCE = 12
ANSWER_MARGIN_S = 20.0


class _Active(Struct, frozen=True, kw_only=True):
    """A strike that was made, and is not undone."""

    strike: Strike
    hit: Hit
    injections: tuple[Injection, ...]
    since_s: float

    def due_s(self, begin_s: float) -> float:
        """When it is undone: at its time of the timeline, and not before it acted for as long as it shall."""
        until_s = _until_s(self)
        return max(begin_s + until_s, self.since_s + until_s - self.strike.at_s)


class _MissedError(FaultError):
    """A strike could not be made, or was not seen: the evidence cannot carry a verdict."""


def roles(stage: Stage) -> Roles:
    """Who is what now, as the last snapshot saw it."""
    latest, through = stage.observer.latest(), stage.lab.system.workload.through
    component = _roled(stage.lab)
    vip = stage.lab.system.vip is not None
    return Roles(
        component=component,
        primary=latest.primary(component) if component else "",
        entry=latest.primary(through) if vip else latest.first(through),
        through=through,
        dependencies=dependencies(stage.lab.system),
    )


def _roled(lab: Lab) -> str:
    return next((name for name, engine in lab.engines.items() if isinstance(engine, Roled)), "")


def target(run: Run, in_charge: Member, stage: Stage) -> Target:
    """What the first strike would hit now, for the picture."""
    try:
        hit = whom.choose(run.strikes[0].on, run.strikes[0].turn, stage.lab.plan, roles(stage))
    except InputError:
        hit = Hit(members=(in_charge,), hosts=(in_charge.name,))
    return Target(
        member=in_charge,
        name=hit.name,
        hosts=(),
        members=frozenset(member.name for member in hit.members),
    )


class Performance:
    """One run of a timeline: a blow that takes its time.

    Args:
        stage: Where.
        run: With its strikes.
        scenario: What the strikes came from, with its limits.
        injection: Makes the injection of a fault, under the journal.
    """

    def __init__(self, stage: Stage, run: Run, scenario: Scenario, injection: Callable[[AnyFault], Injection]) -> None:
        self._stage = stage
        self._run = run
        self._scenario = scenario
        self._injection = injection
        self._active: list[_Active] = []
        self._evidence: list[str] = []
        self._acts: list[Act] = []
        self._powered_off: dict[str, None] = {}
        self._ever_hit: set[str] = set()
        self._t0_s: float | None = None
        self._injected_s: float | None = None
        target_share = stage.lab.system.objectives.availability.target.fraction
        self._limits = limits.Limits(scenario.stop, target_share, self._rates, stage.lab.world)

    def _rates(self) -> Sequence[tuple[int, int]]:
        return self._stage.rates()  # each trial has others

    def strike(self) -> Landed:
        """Carry the whole timeline out: return once its last strike was made and its last timed undo is done."""
        if why := self._asked("the steady state before any fault"):
            return self._landed(f"before any fault, {why}")
        begin_s, pending = time.monotonic(), list(self._run.strikes)
        workload = loaded(self._stage.lab.system.workload, self._scenario.load)
        # What is under way when the first fault comes was due a little before it.
        self._limits.begin(begin_s - workload.deadline.seconds)
        self._stage.must_stop = self._limits.reason
        missed = ""
        try:
            while pending or any(one.strike.until_s is not None for one in self._active):
                due = min((one for one in self._active if one.strike.until_s is not None), key=_until_s, default=None)
                if due is not None and (not pending or _until_s(due) <= pending[0].at_s):
                    self._wait(due.due_s(begin_s), f"{due.strike.fault} acts")
                    self._undo(due)
                else:
                    self._wait(begin_s + pending[0].at_s, f"until {pending[0].fault}")
                    self._make(pending.pop(0))
        except (_MissedError, LabError) as error:
            missed = str(error)
        return self._landed(missed)

    def undo(self) -> None:
        """Undo what still acts, the last first; all of it is tried.

        Raises:
            FaultError: Something could not be undone; the journal keeps it pending.
            LabError: The platform failed at it; the same.
            OSError: The journal cannot be written; the same.
        """
        self._stage.must_stop = lambda: ""
        self._limits.close()
        failures: list[Exception] = []
        for active in reversed(self._active.copy()):
            try:
                self._undo(active)
            except (BasculeError, OSError) as error:
                failures.append(error)
        if failures:
            raise failures[0]

    def after(self) -> str:
        """What the steady-state probe says that is not well, after all; empty when it answers well or there is none."""
        why = self._asked("the steady state after the last repair")
        return f"after the last repair, {why}" if why else ""

    def acts(self) -> tuple[Act, ...]:
        """What was done until now, also when it was stopped in the middle."""
        return tuple(self._acts)

    def _asked(self, phase: str) -> str:
        """What the steady-state probe says that is not well; the watchdog hears of the drill meanwhile."""
        probe, stage = self._scenario.steady.probe, self._stage
        if probe is None:
            return ""
        limit_s = probe.timeout.seconds + ANSWER_MARGIN_S
        return limits.answer(probe, stage.lab.world, lambda done: stage.wait(phase, done, limit_s))

    def _wait(self, until_s: float, phase: str) -> None:
        self._stage.look(f"the timeline: {phase}")  # also where its time has come already: nothing is done unseen
        self._stage.pass_time(f"the timeline: {phase}", max(0.0, until_s - time.monotonic()))

    def _make(self, strike: Strike) -> None:
        """Make one strike: aim, see that it stays within the radius, inject, witness.

        Raises:
            _MissedError: It was not made, or was not seen.
        """
        lab, now = self._stage.lab, roles(self._stage)
        try:
            hit = whom.choose(strike.on, strike.turn, lab.plan, now)
            wanted = faults(strike, hit, lab.plan, now, self._command)
        except InputError as error:
            raise _MissedError(f"{strike.fault}: {error.what}") from error
        if why := self._beyond(hit):
            raise _MissedError(f"{strike.fault} on {hit.name} was not made: {why}")
        injections = tuple(self._injection(fault) for fault in wanted)
        self._active.append(_Active(strike=strike, hit=hit, injections=injections, since_s=time.monotonic()))
        if cuts_power(named(strike.fault)):
            self._powered_off.update(dict.fromkeys(hit.hosts))
        self._injected_s = time.monotonic() if self._injected_s is None else self._injected_s
        self._ever_hit.update(member.name for member in hit.members)
        struck: list[Struck] = []
        for injection in injections:
            if struck:
                self._stage.look(f"the timeline: {strike.fault}")
            struck.append(injection.strike())
        first_s = min(one.at_s for one in struck)
        self._active[-1] = replace(self._active[-1], since_s=first_s)
        self._acts.append(Act(at_s=first_s, kind="fault", text=f"{strike.fault} on {hit.name}"))
        self._evidence += [f"{strike.fault}: {'; '.join(one.witness.evidence)}" for one in struck]
        if not all(one.witness.seen for one in struck):
            raise _MissedError(f"{strike.fault} on {hit.name} was not witnessed")
        if strike.starts_clock:
            self._t0_s = first_s

    def _beyond(self, hit: Hit) -> str:
        """Why this would hit too much at once."""
        names = [member.name for member in hit.members]
        # One that was hit a moment ago, and is no more, looks healthy until somebody looks again.
        is_stale = not self._scenario.blast.last and bool(self._ever_hit - set(names))
        seen = (self._stage.snapshot() if is_stale else self._stage.observer.latest()).seen
        up = {name for members in seen.values() for name, one in members.items() if one.up}
        struck = {member.name for active in self._active for member in active.hit.members}
        return radius.refusal(self._scenario.blast, names, struck, self._stage.lab.plan.members, up)

    def _undo(self, active: _Active) -> None:
        failures: list[Exception] = []
        for injection in reversed(active.injections):
            try:
                injection.undo()
            except (BasculeError, OSError) as error:
                failures.append(error)
        if failures:
            raise failures[0]
        self._active.remove(active)
        text = f"{active.strike.fault} on {active.hit.name} was undone"
        self._acts.append(Act(at_s=time.monotonic(), kind="heal", text=text))

    def _command(self, component: str) -> str:
        engine = self._stage.lab.engines[component]
        return engine.main_command if isinstance(engine, Roled) else ""

    def _landed(self, missed: str) -> Landed:
        evidence = self._evidence[:MOST_EVIDENCE]
        if len(self._evidence) > MOST_EVIDENCE:
            evidence.append(f"and {len(self._evidence) - MOST_EVIDENCE} more")
        timed = is_timed(self._run.strikes)
        return Landed(
            t0_s=None if missed else self._t0_s,
            evidence=tuple(evidence),
            missed=missed,
            injected_s=self._injected_s,
            lets_act=not timed,
            hold_s=length_s(self._run.strikes) if timed else None,
            powered_off=tuple(self._powered_off),
        )


def _until_s(active: _Active) -> float:
    return float("inf") if active.strike.until_s is None else active.strike.until_s
