"""Which hosts still reach each other when partitions lie over one another, and what each router must do. Pure.

Hosts that no partition told apart form an island; island 0 is what lies outside of every partition. Inside a zone an
island has a bridge of its own. Between zones, a router looks packets up by where they come from: island 0 sees
everybody but the islands' hosts; an island's packets see the island's hosts alone. All else vanishes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct

from bascule.lab.plan import LabPlan

MAINLAND = 0
DARK_TABLE = 900


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


Entry = Dark | From | Near | Far


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
    return frozenset(found)
