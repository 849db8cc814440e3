"""The faults of a strike: a kind, its parameters, and whom it hits, as faults that can be injected. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from bascule.chaos.faults import AnyFault, Fault, MainProcessKill, Partition
from bascule.chaos.faults.catalogue import named
from bascule.drill.scenarios.schedule import Strike
from bascule.drill.scenarios.whom import Hit, Roles, beside, hosts_named
from bascule.kernel.errors import InputError
from bascule.lab.plan import LabPlan

HOSTS_BY_WORD = ("peers",)
"""Parameters that name hosts; a timeline may name them by component, zone or region."""
GIVEN_BY_TARGET = ("member", "host", "hosts", "command")
"""Parameters that follow from whom a fault hits."""


def faults(
    strike: Strike, hit: Hit, plan: LabPlan, roles: Roles, command: Callable[[str], str]
) -> tuple[AnyFault, ...]:
    """The faults that this strike injects: one for each member, or one for all hosts, as its kind wants it.

    Args:
        strike: From the schedule.
        hit: Whom it hits.
        plan: Of the lab.
        roles: Who is what now.
        command: The kernel's name for the main process of a component's members.

    Raises:
        InputError: A parameter does not fit, or a host that is named does not exist.
    """
    kind = named(strike.fault)
    settings = {name: _hosts(name, value, plan, roles) for name, value in strike.settings.items()}
    fields = kind.__struct_fields__
    if not {"member", "host", "hosts"} & set(fields):
        hint = "by hand: bascule chaos inject ... --on proxy:SOCKET"
        raise InputError(f"{strike.fault} hits neither members nor hosts of a lab", hint=hint)
    if "host" in fields:
        return tuple(_made(kind, {"host": host, **settings}) for host in hit.hosts)
    if "member" not in fields:
        inside = (*hit.hosts, *beside(hit, plan)) if kind is Partition else hit.hosts
        return (_made(kind, {"hosts": inside, **settings}),)
    return tuple(
        _made(
            kind,
            {
                "member": member.name,
                **({"command": command(member.component)} if kind is MainProcessKill else {}),
                **settings,
            },
        )
        for member in hit.members
    )


def cuts_power(kind: type[Fault]) -> bool:
    """Whether whole hosts go, and the clients on them."""
    return "host" in kind.NEEDS


def _hosts(name: str, value: object, plan: LabPlan, roles: Roles) -> object:
    if name not in HOSTS_BY_WORD:
        return value
    words = [value] if isinstance(value, str) else value
    if not isinstance(words, list | tuple):
        raise InputError(f"{name} is no list of hosts", hint="write it like [database, paris-a]")
    return hosts_named((str(word) for word in words), plan, roles)


def _made(kind: type[Fault], fields: Mapping[str, object]) -> AnyFault:
    try:
        fault: AnyFault = msgspec.convert({"fault": kind.kind(), **fields}, AnyFault, strict=False)
    except msgspec.ValidationError as error:
        raise InputError(f"{kind.kind()}: {error}", hint=f"bascule fault show {kind.kind()}") from error
    return fault
