"""At whom an experiment aims: the primary or the entry, and the hosts that stand or fall with it. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.drill.experiments import Experiment
from bascule.engines import entry, registry
from bascule.engines.protocols import Member, Roled
from bascule.kernel.errors import InputError
from bascule.lab.plan import LabPlan, probe_host
from bascule.system.model import System

ROUTE_CYCLE_S = 1.0
"""In what rhythm clients that know all members look at one again that they had left."""


class Target(Struct, frozen=True, kw_only=True):
    """What an experiment hits.

    Attributes:
        member: The member that is aimed at.
        name: What is hit, for people: a member, a host, a zone or a region.
        hosts: Every host that is hit; for a partition, every host on its inner side.
        members: Every member that is hit.
    """

    member: Member
    name: str
    hosts: tuple[str, ...]
    members: frozenset[str]


class Aim(Struct, frozen=True, kw_only=True):
    """The component that is aimed at, and whether one of its members is in charge.

    Attributes:
        component: Its name.
        has_holder: One is: the primary, or whoever has the entry's address. Where nobody is, the first one is hit.
        is_entry: It is the entry, and not what lies behind.
    """

    component: str
    has_holder: bool = True
    is_entry: bool = False


def _roled(system: System) -> str:
    """The component that has a primary: the first in the file; empty when none has."""
    named = (name for name, each in system.components.items() if isinstance(registry.engine(each.engine), Roled))
    return next(named, "")


def aim(experiment: Experiment | None, system: System) -> Aim:
    """At which component an experiment aims; without one, at the one that has a primary, or else at the entry.

    Raises:
        InputError: It aims at a primary, and none has one.
    """
    roled = _roled(system)
    if experiment is None and not roled:
        return Aim(component=system.workload.through, has_holder=system.vip is not None, is_entry=True)
    if experiment is not None and experiment.aims == "entry":
        return Aim(component=system.workload.through, has_holder=system.vip is not None, is_entry=True)
    if not roled:
        raise _nobody(system)
    return Aim(component=roled)


def _nobody(system: System) -> InputError:
    known = ", ".join(sorted({component.engine for component in system.components.values()}))
    return InputError(
        f"no component has a primary to aim at (engines: {known})",
        hint="add one with engine: postgresql, or aim at the entry: -e entry-kill",
    )


def refusal(experiment: Experiment, system: System) -> str:
    """Why this system cannot have the experiment; empty when it can."""
    if experiment.scenario is not None:
        return ""  # its own rules say
    if experiment.aims == "primary":
        return "" if _roled(system) else _nobody(system).what
    through = system.workload.through
    if isinstance(registry.engine(system.components[through].engine), Roled):
        return f"clients go straight to {through}, whose primary the other experiments aim at"
    if sum(system.components[through].replicas.values()) < 2:
        return f"{through} has one member: clients have nobody else to go to"
    if experiment.kind == "switchover" and system.vip is None:
        return f"clients know all members of {through}: there is no address to move"
    return ""


def possible(experiments: Iterable[Experiment], system: System) -> tuple[Experiment, ...]:
    """Those that this system can have."""
    return tuple(each for each in experiments if not refusal(each, system))


def check(experiments: Iterable[Experiment], system: System) -> None:
    """See that the system can have each of these experiments.

    Raises:
        InputError: It cannot; the message says why.
    """
    for each in experiments:
        if each.aims == "primary" and not _roled(system):
            raise _nobody(system)
        if why := refusal(each, system):
            raise InputError(f"{each.name} cannot be run: {why}", hint="bascule drill --list")


def cycle_s(system: System, experiments: Iterable[Experiment]) -> float:
    """In what rhythm those who are aimed at renew their claims: the slowest."""
    cycles = [_cycle_s(system, aim(each, system)) for each in experiments]
    return max(cycles, default=ROUTE_CYCLE_S)


def _cycle_s(system: System, at: Aim) -> float:
    if at.is_entry:
        provider = entry.provider_of(system)
        return ROUTE_CYCLE_S if provider is None else provider.cycle_s(system)
    component = system.components[at.component]
    engine = registry.engine(component.engine)
    return engine.cycle_s(component) if isinstance(engine, Roled) else ROUTE_CYCLE_S


def choose(experiment: Experiment, member: Member, plan: LabPlan) -> Target:
    """What this experiment hits if it aims at this member."""
    match experiment.kind:
        case "zone-loss":
            hosts, name = [host for host in plan.hosts if host.zone == member.zone], member.zone
        case "region-loss":
            hosts, name = [host for host in plan.hosts if host.region == member.region], member.region
        case "partition":
            inside = {member.name, probe_host(member.zone)}
            hosts, name = [host for host in plan.hosts if host.name in inside], member.name
        case _:
            hosts, name = [host for host in plan.hosts if host.name == member.name], member.name
    names = tuple(host.name for host in hosts)
    return Target(
        member=member, name=name, hosts=names, members=frozenset(m.name for m in plan.members if m.name in names)
    )
