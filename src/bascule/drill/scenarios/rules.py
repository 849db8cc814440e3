"""What must hold of an experiment before it is run: found by going through its whole timeline on paper."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import islice

from msgspec import Struct
from msgspec.structs import replace

from bascule.chaos.faults.catalogue import named, parameters
from bascule.drill.scenarios import grades, radius, whom
from bascule.drill.scenarios.aiming import GIVEN_BY_TARGET, faults
from bascule.drill.scenarios.schedule import Count, Strike, strikes, turns
from bascule.drill.scenarios.whom import Hit, Roles
from bascule.engines import registry
from bascule.engines.protocols import Roled
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate
from bascule.lab.plan import LabPlan, layout
from bascule.measure.measures import HELD
from bascule.system.model import System
from bascule.system.problems import Finding, did_you_mean, quoted
from bascule.system.rules import MAX_RECOVERY
from bascule.system.scenario import Choice, Scenario, Steady, Step

LONGEST = Duration(3600.0)
MOST_STRIKES = 200
MOST_RATE = Rate(20_000.0)
LONGEST_WINDOW = Duration(40.0)


class _Paper(Struct, frozen=True, kw_only=True):
    """A system that stands on paper alone."""

    system: System
    plan: LabPlan
    roles: Roles

    def command(self, component: str) -> str:
        """The kernel's name for the main process of a component's members."""
        engine = registry.engine(self.system.components[component].engine)
        return engine.main_command if isinstance(engine, Roled) else ""


def check(system: System, experiments: Mapping[str, Scenario]) -> Iterator[Finding]:
    """Everything that is wrong with these experiments for this system.

    Args:
        system: A checked system; one that could not be read whole says less.
        experiments: Its own, or those of a file beside it.
    """
    for name, scenario in experiments.items():
        at = f"experiments.{name}"
        yield from _limits(at, scenario, system)
        yield from _timeline(at, scenario, system)


def refusal(system: System, scenario: Scenario) -> str:
    """Why this system cannot have an experiment that was written for any system; empty when it can."""
    found = next(check(system, {"it": scenario}), None)
    return "" if found is None else found.what


def roles_on_paper(system: System, plan: LabPlan) -> Roles:
    """Who is what while nothing runs: the first member of each kind."""
    roled = roled_component(system)
    first = {member.component: member.name for member in reversed(plan.members)}
    through = system.workload.through
    return Roles(
        component=roled,
        primary=first.get(roled, ""),
        entry=first.get(through, ""),
        through=through,
        dependencies=dependencies(system),
    )


def dependencies(system: System) -> tuple[str, ...]:
    """The components that others need only to be whole."""
    components = system.components.values()
    needs = [(other, need) for each in components for other, need in each.needs.items() if other in system.components]
    hard = {other for other, need in needs if need.kind == "hard"}
    return tuple(dict.fromkeys(other for other, need in needs if need.kind == "soft" and other not in hard))


def counter(system: System) -> Count:
    """Counts who is meant in this system."""
    plan = layout(system)
    roles = roles_on_paper(system, plan)
    return lambda on: len(whom.meant(on, plan, roles))


def roled_component(system: System) -> str:
    """The component that has a primary: the first in the file; empty when none has."""
    for name, each in system.components.items():
        if each.engine in registry.names() and isinstance(registry.engine(each.engine), Roled):
            return name
    return ""


def _limits(at: str, scenario: Scenario, system: System) -> Iterator[Finding]:
    yield from _goals(at, scenario)
    yield from _steady(at, scenario.steady)
    load = scenario.load
    rate = load.rate or Rate(system.workload.rate.per_s * load.times)
    if not 0 < rate.per_s <= MOST_RATE.per_s:
        where = "rate" if load.rate else "times"
        yield Finding(f"{at}.load.{where}", f"{rate} cannot be offered", f"more than 0/s, at most {MOST_RATE}")
    if load.deadline is not None and not 0 < load.deadline.seconds <= 60:
        yield Finding(f"{at}.load.deadline", f"{load.deadline} is no deadline", "up to 60s, like 1s")
    if not 1 <= scenario.stop.over.seconds <= LONGEST_WINDOW.seconds:
        yield Finding(f"{at}.stop.over", f"{scenario.stop.over} cannot be watched", f"1s to {LONGEST_WINDOW}")
    if scenario.blast.share.fraction <= 0:
        yield Finding(f"{at}.blast.share", "nothing could be hit", "write it like 50%")
    for name, probe in (("steady", scenario.steady.probe), ("stop", scenario.stop.probe)):
        if probe is not None and not 0 < probe.timeout.seconds <= 60:
            yield Finding(f"{at}.{name}.probe.timeout", f"{probe.timeout} is no time limit", "up to 60s, like 5s")
        if probe is not None and probe.every.seconds < 0.1:
            yield Finding(f"{at}.{name}.probe.every", f"{probe.every} is too often", "at least 100ms")
    if sum(step.starts_clock for step in scenario.timeline) > 1:
        yield Finding(f"{at}.timeline", "several steps start the clock", "give one of them starts_clock: true")


def _steady(at: str, steady: Steady) -> Iterator[Finding]:
    if steady.lasts.seconds <= 0:
        yield Finding(f"{at}.steady.for", "nothing would show that all was well before", "write it like 2s")
    if steady.lasts > LONGEST:
        yield Finding(f"{at}.steady.for", f"{steady.lasts} is too long", f"at most {LONGEST}")


def _goals(at: str, scenario: Scenario) -> Iterator[Finding]:
    """What it is held to, what is expected of it, and how far it goes."""
    own, expect = scenario.objectives, scenario.expect
    for name, value in (("rto", own.rto), ("rpo", own.rpo)) if own else ():
        if value > MAX_RECOVERY:
            yield Finding(f"{at}.objectives.{name}", f"{value} is too long", f"up to {MAX_RECOVERY}")
    if expect.misses and expect.outcome == "PASS":
        yield Finding(f"{at}.expect.misses", "what misses an objective does not PASS", "give it outcome: FAIL")
    for name in expect.misses:
        if name not in HELD:
            yield Finding(f"{at}.expect.misses", f"no objective is called {quoted(name)}", did_you_mean(name, HELD))
    if len(set(scenario.grades)) < len(scenario.grades):
        yield Finding(f"{at}.grades", "a grade stands there twice", "each grade is run once; see --trials")


def _timeline(at: str, scenario: Scenario, system: System) -> Iterator[Finding]:
    count = counter(system)
    if sum(turns(step, count) * _pieces(step) for step in scenario.timeline) > MOST_STRIKES:
        yield Finding(f"{at}.timeline", "it has too many strikes", f"at most {MOST_STRIKES}")
        return
    plan, sound = layout(system), True
    for number, step in enumerate(scenario.timeline):
        here = f"{at}.timeline[{number}]"
        wrong = [*_step(here, step, count)]
        wrong += [] if wrong else [*_on_paper(here, step, scenario, system, plan)]
        yield from wrong
        sound = sound and not wrong
    if sound:
        found = (one for _, graded in grades.graded(scenario) for one in _together(at, graded, system, plan))
        yield from islice(found, 1)
    yield from _one_partition_at_a_time(at, scenario, count)


def _pieces(step: Step) -> int:
    return step.ramp.steps if step.ramp else 1


def _step(at: str, step: Step, count: Count) -> Iterator[Finding]:
    if bool(step.fault) == bool(step.one_of):
        what = "it names a fault and several to choose from" if step.fault else "it names no fault"
        yield Finding(at, what, "give it `fault`, or `one_of`")
    if step.lasts is not None and step.lasts.seconds <= 0:
        yield Finding(f"{at}.for", "it would be undone at once", "write it like 10s")
    end_s = step.at.seconds + (step.lasts.seconds if step.lasts else 0.0)
    if step.repeat is not None:
        end_s += turns(step, count) * step.repeat.every.seconds
        if step.lasts is None or step.lasts > step.repeat.every:
            yield Finding(
                f"{at}.repeat", "the next would come before the last is undone", "give `for`, at most `every`"
            )
        if not step.repeat.times and not step.on.rolling:
            yield Finding(
                f"{at}.repeat", "how often it shall be repeated is not said", "give times, or on: {rolling: true}"
            )
    if end_s > LONGEST.seconds:
        yield Finding(at, f"the timeline takes {end_s:.0f} s", f"at most {LONGEST}")
    if step.ramp is not None and step.lasts is None:
        yield Finding(f"{at}.ramp", "it has no time to grow in", "give `for`, like 20s")
    if step.ramp is not None and step.one_of:
        yield Finding(f"{at}.ramp", "luck chooses the fault, and so nobody knows its parameters", "give it one `fault`")


def _on_paper(at: str, step: Step, scenario: Scenario, system: System, plan: LabPlan) -> Iterator[Finding]:
    """Aim each fault as if it came now, at every grade."""
    roles = roles_on_paper(system, plan)
    choices = step.one_of or (Choice(fault=step.fault, on=step.on, settings=step.settings),)
    for number, choice in enumerate(choices):
        here = f"{at}.one_of[{number}]" if step.one_of else at
        found = _choice(here, choice, step, _Paper(system=system, plan=plan, roles=roles))
        if found is not None:
            yield found
            return
        for grade, one in grades.graded(replace(scenario, timeline=(replace(step, on=choice.on, one_of=()),))):
            hit = whom.choose(one.timeline[0].on, 0, plan, roles)
            up = {member.name for member in plan.members}
            names = [member.name for member in hit.members]
            if why := radius.refusal(scenario.blast, names, (), plan.members, up):
                yield Finding(f"{here}.on", f"{why}{f' (at grade {grade})' if grade else ''}", "see `blast`")
                return


def _together(at: str, scenario: Scenario, system: System, plan: LabPlan) -> Iterator[Finding]:
    """See that what acts at once stays within the blast radius, as far as paper can tell."""
    roles, up = roles_on_paper(system, plan), {member.name for member in plan.members}
    planned = strikes(scenario, counter(system), SeededDice(0))
    for place, strike in enumerate(planned):
        active = [one for one in planned[:place] if not _over(one, strike.at_s)]
        struck = {member.name for one in active for member in whom.choose(one.on, one.turn, plan, roles).members}
        hit = [member.name for member in whom.choose(strike.on, strike.turn, plan, roles).members]
        if why := radius.refusal(scenario.blast, hit, struck, plan.members, up):
            told = f"at {strike.at_s:g} s, with what acts then, {why}"
            yield Finding(f"{at}.timeline", told, "see `blast`, `at` and `for`")
            return


def _over(strike: Strike, now_s: float) -> bool:
    return strike.until_s is not None and strike.until_s <= now_s


def _choice(at: str, choice: Choice, step: Step, paper: _Paper) -> Finding | None:
    try:
        kind = named(choice.fault)
    except InputError as error:
        return Finding(f"{at}.fault", error.what, error.hint)
    there = {one.name: one.type for one in parameters(kind) if one.name not in GIVEN_BY_TARGET}
    ramp = {step.ramp.parameter: step.ramp.to} if step.ramp else {}
    for name in {**choice.settings, **ramp}:
        if name not in there:
            hint = f"it has {', '.join(there) or 'none'}; whom it hits is said by `on`"
            return Finding(
                f"{at}.{'ramp' if name in ramp else 'with'}", f"{choice.fault} has no parameter {name!r}", hint
            )
    try:
        hit = _hit(choice, paper)
        for value in (ramp, {step.ramp.parameter: step.ramp.start} if step.ramp else {}):
            strike = Strike(at_s=0.0, fault=choice.fault, on=choice.on, settings={**choice.settings, **value})
            faults(strike, hit, paper.plan, paper.roles, paper.command)
    except InputError as error:
        return Finding(at, error.what, error.hint)
    return None


def _hit(choice: Choice, paper: _Paper) -> Hit:
    known = {
        "component": tuple(paper.system.components),
        "zone": paper.system.zones,
        "region": tuple(paper.system.regions),
        "member": tuple(member.name for member in paper.plan.members),
    }
    for what, there in known.items():
        word = getattr(choice.on, what)
        if word and word not in there:
            raise InputError(f"unknown {what} {quoted(word)}", hint=did_you_mean(word, there))
    if choice.on.who in {"primary", "standbys"} and not paper.roles.component:
        raise InputError("no component has a primary", hint="aim at the entry, or at members of a component")
    return whom.choose(choice.on, 0, paper.plan, paper.roles)


def _one_partition_at_a_time(at: str, scenario: Scenario, count: Count) -> Iterator[Finding]:
    """Healing heals all that is cut, so that two partitions cannot overlap."""
    spans: list[tuple[float, float]] = []
    for number, step in enumerate(scenario.timeline):
        if "partition" not in {step.fault, *(one.fault for one in step.one_of)}:
            continue
        for turn in range(turns(step, count)):
            start_s = step.at.seconds + (turn * step.repeat.every.seconds if step.repeat else 0.0)
            end_s = start_s + step.lasts.seconds if step.lasts else float("inf")
            if any(start_s < end and begin < end_s for begin, end in spans):
                yield Finding(
                    f"{at}.timeline[{number}]", "two partitions overlap", "healing one heals both: use network-cut"
                )
                return
            spans.append((start_s, end_s))
