"""At whom an experiment aims: the primary, and the hosts that stand or fall with it. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.drill.experiments import Experiment
from bascule.engines import registry
from bascule.engines.protocols import Engine, Member, Roled
from bascule.kernel.errors import InputError
from bascule.lab.plan import LabPlan, probe_host
from bascule.system.model import System


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


def roled_component(system: System, engines: dict[str, Engine]) -> str:
    """The component that has a primary: the first in the file.

    Raises:
        InputError: None has one.
    """
    for name in system.components:
        if isinstance(engines[name], Roled):
            return name
    raise _nobody(system)


def _nobody(system: System) -> InputError:
    known = ", ".join(sorted({component.engine for component in system.components.values()}))
    return InputError(
        f"no component has a primary to aim at (engines: {known})", hint="add one with engine: postgresql"
    )


def cycle_s(system: System) -> float:
    """In what rhythm the primary that is aimed at renews its claim.

    Raises:
        InputError: No component has a primary.
    """
    for component in system.components.values():
        engine = registry.engine(component.engine)
        if isinstance(engine, Roled):
            return engine.cycle_s(component)
    raise _nobody(system)


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
