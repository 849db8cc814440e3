"""Rules about hosts that share a virtual router: what they must say alike, and what they must not. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.keepalived.configuration import Statement
from bascule.audit.keepalived.routers import Instance, routers
from bascule.audit.rule import rule

_PASSWORD_LENGTH = 8  # what VRRP has room for; keepalived cuts off the rest


@rule(
    "BSC-KAL-001",
    "router-id-used-twice",
    severity="high",
    technology="keepalived",
    breaks=("availability",),
    why="Two virtual routers with one id on one network take each other's adverts for their own: addresses go missing.",
    fix="Give each virtual router of a network an id of its own, from 1 to 255.",
    source="RFC 5798, 5.2.3; keepalived.conf(5), virtual_router_id",
)
def router_id_twice(estate: Estate) -> Iterator[Found]:
    """Instances of one host, or of one network, with one id and different addresses."""
    seen: dict[tuple[int, str, str], Instance] = {}
    for one in estate.index(routers).instances:
        if one.router is None or not one.interface or not one.addresses or one.is_unicast:
            continue
        # Other hosts of other networks may use the id as well: there, the network has to be the same.
        for where in (one.file, _network(one)):
            key = (one.router, one.interface, where)
            other = seen.setdefault(key, one) if where else one
            if other is one or other.addresses & one.addresses or _family(other) != _family(one):
                continue
            what = f"virtual_router_id {one.router} on {one.interface} is that of {other.subject} too"
            related = ((other.at("virtual_router_id"), "used here"),)
            yield Found(place=one.at("virtual_router_id"), what=what, subject=one.subject, related=related)
            break


def _network(one: Instance) -> str:
    """The /24 of its addresses; empty where they have none, or several."""
    found = {address.rpartition(".")[0] for address in one.addresses}
    return next(iter(found)) if len(found) == 1 and next(iter(found)).count(".") == 2 else ""


def _family(one: Instance) -> bool:
    return any(":" in address for address in one.addresses)


@rule(
    "BSC-KAL-002",
    "equal-priorities",
    severity="medium",
    technology="keepalived",
    breaks=("availability", "rto"),
    why="When both hosts start or lose sight of each other, both hold the address until the higher IP address wins.",
    fix="Give each host another priority.",
    source="RFC 5798, 6.4.3; keepalived.conf(5), priority",
)
def equal_priorities(estate: Estate) -> Iterator[Found]:
    """Hosts of one virtual router that are equally good."""
    for group in estate.index(routers).groups:
        seen: dict[int, Instance] = {}
        for one in group:
            level = one.priority
            other = seen.setdefault(level, one) if level is not None else one
            if other.file != one.file:
                what = f"priority {level} is that of {other.file} too"
                related = ((other.at("priority"), "the same priority"),)
                yield Found(place=one.at("priority"), what=what, subject=one.subject, related=related)


@rule(
    "BSC-KAL-004",
    "weight-never-moves-the-address",
    severity="high",
    technology="keepalived",
    breaks=("availability", "rto"),
    why="The check fails and lowers the priority, but not below the backup's: the address stays where nothing works.",
    fix="Make the weight larger than the difference of the priorities, or leave it out: then a failure gives it up.",
    source="keepalived.conf(5), vrrp_script, weight",
)
def weight_never_moves(estate: Estate) -> Iterator[Found]:
    """Weights that change a priority without changing who is first."""
    for group in estate.index(routers).groups:
        levels = [(_working(one), one) for one in group]
        known = [(level, one) for level, one in levels if level is not None]
        if len(known) < 2 or len(known) < len(levels):
            continue
        known.sort(key=lambda each: -each[0])
        (top, first), (next_best, second) = known[0], known[1]
        for entry, weight in first.weights():
            if weight and top - abs(weight) >= next_best and first.file != second.file:
                what = (
                    f"when {entry.name} fails, the priority falls from {top} to {top - abs(weight)},"
                    f" and {second.file} has {next_best}"
                )
                related = ((second.at("priority"), "the next best"),)
                yield Found(place=entry.place, what=what, subject=first.subject, related=related)


def _working(one: Instance) -> int | None:
    """The priority while everything that is tracked works."""
    level = one.priority
    return None if level is None else level + sum(weight for _, weight in one.weights() if weight > 0)


@rule(
    "BSC-KAL-009",
    "peer-not-told",
    severity="critical",
    technology="keepalived",
    breaks=("availability", "rpo"),
    why="A host that is sent no adverts believes that nobody holds the address, and takes it too: two hosts have it.",
    fix="List every other host's `unicast_src_ip` in `unicast_peer`, on all hosts.",
    source="keepalived.conf(5), unicast_peer",
)
def peer_not_told(estate: Estate) -> Iterator[Found]:
    """Hosts that do not send their adverts to one of the others."""
    for group in estate.index(routers).groups:
        unicast = [one for one in group if one.is_unicast]
        others = [one for one in group if not one.is_unicast]
        if unicast and others:
            what = f"{unicast[0].file} sends to its peers alone, and {others[0].file} to a multicast group"
            related = ((others[0].block.place, "no unicast_peer here"),)
            place = unicast[0].at("unicast_peer")
            yield Found(place=place, what=what, subject=unicast[0].subject, related=related)
        sources = {ip: one for one in unicast if (ip := one.block.value("unicast_src_ip"))}
        for one in unicast:
            told = {peer.name for peer in one.block.inside("unicast_peer")}
            missing = [ip for ip, other in sources.items() if other.file != one.file and ip not in told]
            if missing:
                what = f"{one.subject} does not send its adverts to {', '.join(missing[:5])}"
                yield Found(place=one.at("unicast_peer"), what=what, subject=one.subject)


@rule(
    "BSC-KAL-010",
    "two-start-as-master",
    severity="low",
    technology="keepalived",
    breaks=("availability",),
    why="What starts as MASTER listens for one advert alone, or none in old versions: it may take an address in use.",
    fix="Write `state BACKUP` on all hosts but one, or on all.",
    source="keepalived.conf(5), vrrp_instance, state",
)
def two_masters(estate: Estate) -> Iterator[Found]:
    """Virtual routers that begin with two holders."""
    for group in estate.index(routers).groups:
        masters = [one for one in group if one.state == "MASTER"]
        for one in masters[1:]:
            if one.file != masters[0].file:
                what = f"{one.subject} starts as MASTER, and so does that of {masters[0].file}"
                related = ((masters[0].at("state"), "MASTER too"),)
                yield Found(place=one.at("state"), what=what, subject=one.subject, related=related)


@rule(
    "BSC-KAL-011",
    "passwords-differ",
    severity="critical",
    technology="keepalived",
    breaks=("availability", "rpo"),
    why="Each host drops the other's adverts as forged, and believes that it is alone: two hosts hold the address.",
    fix="Write the same `auth_type` and `auth_pass` on all hosts, or no authentication on any.",
    source="keepalived.conf(5), vrrp_instance, authentication",
)
def passwords_differ(estate: Estate) -> Iterator[Found]:
    """Hosts of one virtual router that do not believe each other."""
    for group in estate.index(routers).groups:
        first = group[0]
        for one in group[1:]:
            if "3" in {one.version, first.version} or _proof(one) == _proof(first) or one.file == first.file:
                continue
            what = f"{one.subject} proves itself in another way than that of {first.file}"
            related = ((first.at("authentication"), "compared with this"),)
            yield Found(place=one.at("authentication"), what=what, subject=one.subject, related=related)


def _proof(one: Instance) -> tuple[str, str]:
    block: Statement | None = one.block.one("authentication")
    if block is None:
        return ("", "")
    return (block.value("auth_type") or "", (block.value("auth_pass") or "")[:_PASSWORD_LENGTH])


@rule(
    "BSC-KAL-012",
    "addresses-differ",
    severity="high",
    technology="keepalived",
    breaks=("availability",),
    why="After a failover an address is missing, as the other host does not know it; hosts drop adverts that differ.",
    fix="Write the same `virtual_ipaddress` on all hosts.",
    source="keepalived.conf(5), virtual_ipaddress: it must be the same on all hosts",
)
def addresses_differ(estate: Estate) -> Iterator[Found]:
    """Hosts of one virtual router with other addresses."""
    for group in estate.index(routers).groups:
        for one in group[1:]:
            apart = sorted(one.addresses ^ group[0].addresses)
            if apart and one.file != group[0].file:
                what = f"{', '.join(apart[:5])} is not an address of both {group[0].file} and {one.file}"
                related = ((group[0].at("virtual_ipaddress"), "compared with this"),)
                yield Found(place=one.at("virtual_ipaddress"), what=what, subject=one.subject, related=related)


@rule(
    "BSC-KAL-013",
    "adverts-differ",
    severity="critical",
    technology="keepalived",
    breaks=("availability", "rpo"),
    why="VRRP 2 drops adverts of another interval: each host believes that it is alone, and both hold the address.",
    fix="Write the same `advert_int` on all hosts.",
    source="RFC 3768, 7.1; keepalived.conf(5), advert_int",
)
def adverts_differ(estate: Estate) -> Iterator[Found]:
    """Hosts of one virtual router that count otherwise."""
    for group in estate.index(routers).groups:
        first = group[0]
        for one in group[1:]:
            if "3" in {one.version, first.version} or None in {one.advert_s, first.advert_s}:
                continue
            if one.advert_s != first.advert_s and one.file != first.file:
                what = f"an advert_int of {one.advert_s:g} s, and of {first.advert_s:g} s in {first.file}"
                related = ((first.at("advert_int"), "compared with this"),)
                yield Found(place=one.at("advert_int"), what=what, subject=one.subject, related=related)


@rule(
    "BSC-KAL-015",
    "nopreempt-ignores-weights",
    severity="high",
    technology="keepalived",
    breaks=("availability", "rto"),
    why="A backup with nopreempt does not take the address from a holder whose priority has fallen: it stays.",
    fix="Leave the weight out, so that a failed check gives the address up, or take nopreempt out.",
    source="keepalived.conf(5), nopreempt and vrrp_script, weight; RFC 5798, 6.4.2, Preempt_Mode",
)
def nopreempt_ignores_weights(estate: Estate) -> Iterator[Found]:
    """Instances whose checks lower a priority that nobody looks at."""
    for one in estate.index(routers).instances:
        if not one.block.all("nopreempt") or one.state != "BACKUP":
            continue
        for entry, weight in one.weights():
            if weight:
                what = f"{entry.name} changes the priority by {weight}, which no backup with nopreempt acts on"
                yield Found(place=entry.place, what=what, subject=one.subject)


RULES = (
    router_id_twice, equal_priorities, weight_never_moves, peer_not_told, two_masters, passwords_differ,
    addresses_differ, adverts_differ, nopreempt_ignores_weights,
)  # fmt: skip
