"""Whom a strike hits: members chosen by what they are now, where they stand, and how many of them. Pure."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from msgspec import Struct

from bascule.engines.protocols import Member
from bascule.kernel.errors import InputError
from bascule.lab.plan import CLIENT_HOST, LabPlan, probe_host
from bascule.system.scenario import Whom

_ROLES = ("primary", "standbys", "replicas", "entry", "entries", "dependencies")


class Hit(Struct, frozen=True, kw_only=True):
    """What a strike hits.

    Attributes:
        members: In the plan's order.
        hosts: Theirs; of a whole zone or region, every host there, also those of the drill's own clients.
    """

    members: tuple[Member, ...]
    hosts: tuple[str, ...]

    @property
    def name(self) -> str:
        """For people."""
        return ", ".join(member.name for member in self.members) or ", ".join(self.hosts) or "nobody"


class Roles(Struct, frozen=True, kw_only=True):
    """Who is what at this moment.

    Attributes:
        component: The one that has a primary; empty where none has.
        primary: Its member that is in charge; empty when nobody is.
        entry: The member at which clients arrive.
        through: The component at which clients arrive.
        dependencies: The components that others need only to be whole.
    """

    component: str
    primary: str
    entry: str
    through: str
    dependencies: tuple[str, ...] = ()


def choose(whom: Whom, turn: int, plan: LabPlan, roles: Roles) -> Hit:
    """Whom a strike hits if it comes now.

    Args:
        whom: As the file says.
        turn: Which time of its step it is, for what rolls.
        plan: Of the lab.
        roles: Who is what now.

    Raises:
        InputError: Nobody is meant: no member is that now.
    """
    found = meant(whom, plan, roles)
    if not found:
        raise InputError(f"nobody is {described(whom)} now", hint="see `on` of this step")
    if whom.rolling:
        found = [found[turn % len(found)]]
    elif whom.whole == "member":
        found = found[: _number(whom, len(found))]
    return _widened(whom, found, plan)


def meant(whom: Whom, plan: LabPlan, roles: Roles) -> list[Member]:
    """All who are meant, before it is said how many of them."""
    return [member for member in plan.members if _fits(member, whom, roles)]


def _fits(member: Member, whom: Whom, roles: Roles) -> bool:
    is_who: dict[str, Callable[[], bool]] = {
        "primary": lambda: member.name == roles.primary,
        # While nobody is known to be in charge, nobody is known not to be.
        "standbys": lambda: (
            bool(roles.primary) and member.component == roles.component and member.name != roles.primary
        ),
        "replicas": lambda: member.component == roles.component,
        "entry": lambda: member.name == roles.entry,
        "entries": lambda: member.component == roles.through,
        "dependencies": lambda: member.component in roles.dependencies,
        "members": lambda: True,
    }
    return (
        is_who[whom.who]()
        and whom.component in {"", member.component}
        and whom.zone in {"", member.zone}
        and whom.region in {"", member.region}
        and whom.member in {"", member.name}
    )


def _number(whom: Whom, there: int) -> int:
    """So many of those that are there; at least one."""
    share = math.ceil(there * whom.share.fraction - 1e-9)
    return max(1, min(share, whom.count or there))


def _widened(whom: Whom, found: Sequence[Member], plan: LabPlan) -> Hit:
    if whom.whole == "member":
        return Hit(members=tuple(found), hosts=tuple(member.name for member in found))
    place = found[0].zone if whom.whole == "zone" else found[0].region
    hosts = [host for host in plan.hosts if place == (host.zone if whom.whole == "zone" else host.region)]
    names = {host.name for host in hosts}
    return Hit(
        members=tuple(member for member in plan.members if member.name in names),
        hosts=tuple(host.name for host in hosts),
    )


def described(whom: Whom) -> str:
    """Whom it means, in words."""
    which = {"primary": "the primary", "entry": "the entry", "entries": "members of the entry"}.get(whom.who, whom.who)
    if whom.member:
        which = whom.member
    of = f" of {whom.component}" if whom.component else ""
    where = "".join(f" in {place}" for place in (whom.zone, whom.region) if place)
    many = f"{whom.share} of the " if whom.share.fraction < 1 else f"{whom.count} " if whom.count else ""
    one_by_one = ", one after the other" if whom.rolling else ""
    whole = f"the whole {whom.whole} of " if whom.whole != "member" else ""
    return f"{whole}{many}{which}{of}{where}{one_by_one}"


def beside(hit: Hit, plan: LabPlan) -> tuple[str, ...]:
    """The hosts that a partition cuts off with those that are hit: the drill's client in each of their zones."""
    inside = {probe_host(member.zone) for member in hit.members}
    return tuple(host.name for host in plan.hosts if host.name in inside and host.name not in hit.hosts)


def hosts_named(words: Iterable[str], plan: LabPlan, roles: Roles) -> tuple[str, ...]:
    """The hosts that these words name: a host, component, zone or region, a role as in `on`, or `clients`.

    Raises:
        InputError: A word names nothing.
    """
    found: dict[str, None] = {}
    for word in words:
        named = _named(word, plan, roles)
        if not named:
            known = ", ".join(names(plan)[:12])
            raise InputError(f"{word!r:.60} names no host", hint=f"there are {known}, ...")
        found.update(dict.fromkeys(named))
    return tuple(found)


def names(plan: LabPlan) -> tuple[str, ...]:
    """Every word that names hosts."""
    places = [*(member.component for member in plan.members), *(zone.name for zone in plan.zones)]
    regions = [zone.region for zone in plan.zones]
    hosts = [host.name for host in plan.hosts]
    return tuple(dict.fromkeys((*_ROLES, "clients", *places, *regions, *hosts)))


def _named(word: str, plan: LabPlan, roles: Roles) -> tuple[str, ...]:
    match word:
        case "clients":
            return (CLIENT_HOST,)
        case "primary" | "standbys" | "replicas" | "entry" | "entries" | "dependencies":
            return tuple(member.name for member in meant(Whom(who=word), plan, roles))
    component = {member.name for member in plan.members if member.component == word}
    return tuple(
        host.name for host in plan.hosts if word in {host.name, host.zone, host.region} or host.name in component
    )
