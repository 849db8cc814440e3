"""Which hosts a lab has, and where each stands: one host a member, a client outside, a probe in each zone. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.engines.protocols import Member
from bascule.system.model import Link, System

OUTSIDE = "outside"
CLIENT_HOST = "client"
NAMESPACE_PREFIX = "10.88"
VIP_NUMBER = 8
"""The last number of the address that moves. Hosts begin with 10."""


class Host(Struct, frozen=True, kw_only=True):
    """A host: its name, the zone and region in which it stands, and its one address."""

    name: str
    zone: str
    region: str
    address: str


class Zone(Struct, frozen=True, kw_only=True):
    """A zone: one broadcast domain. `subnet` is its `a.b.c` of a /24; the router has `.1`."""

    name: str
    region: str
    subnet: str


class Vip(Struct, frozen=True, kw_only=True):
    """The one address by which clients find the system, the zone in which it is, and the hosts among which it moves."""

    address: str
    zone: str
    hosts: tuple[str, ...]


class LabPlan(Struct, frozen=True, kw_only=True):
    """The whole layout. The clients outside stand in zone and region `outside`. `vip`: None where they know members."""

    system: str
    zones: tuple[Zone, ...]
    hosts: tuple[Host, ...]
    members: tuple[Member, ...]
    links: tuple[Link, ...]
    vip: Vip | None = None

    def host(self, name: str) -> Host:
        """The host of this name.

        Raises:
            KeyError: There is none.
        """
        for host in self.hosts:
            if host.name == name:
                return host
        raise KeyError(name)


def probe_host(zone: str) -> str:
    """Name of the host of a zone from which drills watch that zone's members from inside."""
    return f"probe-{zone}"


def layout(system: System, prefix: str = NAMESPACE_PREFIX) -> LabPlan:
    """Give every member a host and an address: `PREFIX.ZONE.HOST`.

    Args:
        system: A checked system.
        prefix: First two numbers of every address: `10.88` in network namespaces of our own, `127.N` on loopback.
    """
    zones = [
        Zone(name=zone, region=region, subnet=f"{prefix}.{number}")
        for number, (region, zone) in enumerate(((system.region_of(zone), zone) for zone in system.zones), 1)
    ]
    zones.append(Zone(name=OUTSIDE, region=OUTSIDE, subnet=f"{prefix}.250"))
    by_name = {zone.name: zone for zone in zones}
    taken = dict.fromkeys(by_name, 9)

    def stand(name: str, zone: str) -> Host:
        taken[zone] += 1
        place = by_name[zone]
        return Host(name=name, zone=zone, region=place.region, address=f"{place.subnet}.{taken[zone]}")

    hosts: list[Host] = []
    members: list[Member] = []
    for component, described in system.components.items():
        for zone, count in described.replicas.items():
            for index in range(1, count + 1):
                host = stand(f"{component}-{zone}-{index}", zone)
                hosts.append(host)
                members.append(
                    Member(
                        component=component,
                        name=host.name,
                        address=host.address,
                        zone=zone,
                        region=host.region,
                        index=index,
                    )
                )
    hosts.extend(stand(probe_host(zone), zone) for zone in system.zones)
    hosts.append(stand(CLIENT_HOST, OUTSIDE))
    return LabPlan(
        system=system.system,
        zones=tuple(zones),
        hosts=tuple(hosts),
        members=tuple(members),
        links=system.links,
        vip=_vip(system, members),
    )


def _vip(system: System, members: list[Member]) -> Vip | None:
    """`PREFIX.ZONE.8`, in the zone of the component that is found by it."""
    among = [member for member in members if member.component == system.workload.through]
    if system.vip is None or not among:
        return None
    subnet = among[0].address.rpartition(".")[0]
    return Vip(address=f"{subnet}.{VIP_NUMBER}", zone=among[0].zone, hosts=tuple(member.name for member in among))
