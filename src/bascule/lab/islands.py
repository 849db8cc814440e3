"""Which hosts still reach each other when partitions lie over one another, and what each router must do. Pure.

Hosts that no partition told apart form an island; island 0 is what lies outside of every partition. Inside a zone an
island has a bridge of its own. Between zones, a router looks packets up by where they come from: island 0 sees
everybody but the islands' hosts; an island's packets see the island's hosts alone. All else vanishes.

An address that moves may stand on several islands at once. On each, whoever answers for it is found by asking on that
island's own bridge; and where packets from it come from is known by the bridge through which they leave its zone: the
first router lets them go to their own island alone, and those behind it take them as they come.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from bascule.lab.plan import LabPlan

MAINLAND = 0
DARK_TABLE = 900
ARRIVED_TABLE = 899


def islands(hosts: Iterable[str], cuts: Sequence[frozenset[str]]) -> dict[str, int]:
    """The island of each host: two hosts share one exactly when each cut has both or neither of them."""
    numbers: dict[tuple[bool, ...], int] = {(False,) * len(cuts): MAINLAND}
    found: dict[str, int] = {}
    for host in hosts:
        sides = tuple(host in cut for cut in cuts)
        found[host] = numbers.setdefault(sides, len(numbers))
    return found


def table_of(island: int) -> int:
    """Number of the routing table for packets that come from this island (not from the mainland)."""
    return DARK_TABLE + island


class Dark(Struct, frozen=True):
    """Packets for this target, looked up in this table, vanish."""

    target: str
    table: int


class From(Struct, frozen=True):
    """Packets from this address are looked up in this table."""

    source: str
    table: int


class Near(Struct, frozen=True):
    """Packets for this address go to the bridge that the island has in this zone."""

    address: str
    zone: str
    island: int


class Far(Struct, frozen=True):
    """Packets for this address go over the WAN to this region."""

    address: str
    region: str
    island: int


class Leaving(Struct, frozen=True):
    """Packets from this address that leave the zone through the bridge of this island are looked up in its table."""

    source: str
    zone: str
    island: int


class Arrived(Struct, frozen=True):
    """Packets from the address that moves, come over the WAN for this address, go to the island's bridge in the zone.

    The router of the region from which they come has let them go, so they belong to this island.
    """

    address: str
    zone: str
    island: int


Entry = Dark | From | Near | Far | Leaving | Arrived


def entries(plan: LabPlan, region: str, where: Mapping[str, int]) -> frozenset[Entry]:
    """Everything that the router of `region` must know beyond its plain routes, so that the islands are apart."""
    found: set[Entry] = set()
    for host in plan.hosts:
        island = where[host.name]
        if island == MAINLAND:
            continue
        found.add(Dark(f"{host.address}/32", DARK_TABLE))
        found.add(Dark("0.0.0.0/0", table_of(island)))
        found.add(From(host.address, table_of(island)))
        if host.region == region:
            found.add(Near(host.address, host.zone, island))
        else:
            found.add(Far(host.address, host.region, island))
    return frozenset(found | _vip_entries(plan, region, where))


def _vip_entries(plan: LabPlan, region: str, where: Mapping[str, int]) -> set[Entry]:
    """What the router must know of the address that moves: on each island that is in its zone, it is another one."""
    if plan.vip is None:
        return set()
    vip, zone = plan.vip.address, plan.vip.zone
    home = next(each.region for each in plan.zones if each.name == zone)
    inside = {where[host.name] for host in plan.hosts if host.zone == zone} - {MAINLAND}
    if region == home:
        return {kind(vip, zone, island) for island in inside for kind in (Near, Leaving)}
    found: set[Entry] = set()
    for host in plan.hosts:
        island = where[host.name]
        if host.region == region and island in inside:
            found |= {Far(vip, home, island), Arrived(host.address, host.zone, island)}
    return found
