"""The lab's network: hosts and routers as network namespaces, zones as bridges, and how they are cut and joined again.

A region is one router namespace. Each of its zones is a bridge there, which bears the zone's `.1`; a host is a
namespace behind a veth whose outer end is a port of that bridge. Regions meet over the WAN: each router has a leg
whose outer end lies in the world's own namespace, where the WAN switch reads and writes frames. Nothing has a name in
the file system: namespaces live as long as a process or a descriptor of the supervisor holds them.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bascule.lab import ethtool, netlink, syscalls
from bascule.lab.islands import (
    ARRIVED_TABLE,
    DARK_TABLE,
    MAINLAND,
    Arrived,
    Dark,
    Entry,
    Far,
    From,
    Leaving,
    Near,
    entries,
    islands,
    table_of,
)
from bascule.lab.netlink import End, Netlink, Request
from bascule.lab.plan import Host, LabPlan

WAN_NETWORK = 255
_ARRIVED_RULE, _ISLAND_RULE, _DARK_RULE = 90, 100, 200
_WAN_LEG, _ETH0 = 2, 2
_PORTS, _TAPS, _TAPPED = 1_000_000, 2_000_000, 3_000_000
_ALL_FRAMES = 3
_IGNORE_OUTGOING = 23
_SOL_PACKET = 263
_VNET_HEADER = 15
_ROUTER_SETTINGS = {
    "ipv4/ip_forward": "1",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/send_redirects": "0",
    "ipv4/conf/default/send_redirects": "0",
}
_HOST_SETTINGS = {"ipv4/ip_unprivileged_port_start": "0", "ipv4/ping_group_range": "{group} {group}"}
_ENTRY_SETTINGS = {"ipv4/ip_nonlocal_bind": "1"}  # who can be found by an address that moves listens there before
_DEAF = {"ipv4/conf/{name}/arp_ignore": "8"}  # what the wire of a tap carries is not meant for the router
_SETTINGS = {"ipv6/conf/default/disable_ipv6": "1"}


def wan_mac(site: int) -> str:
    """The MAC address of a site's WAN leg: the switch finds the target of a frame in its last byte."""
    return f"02:ba:03:00:00:{site:02x}"


def _mac(kind: int, number: int) -> str:
    return f"02:ba:{kind:02x}:00:{number >> 8:02x}:{number & 255:02x}"


class Fabric:
    """The network of one lab. Invariant: between calls the calling thread stands in the world's own namespace."""

    def __init__(self, plan: LabPlan) -> None:
        self.plan = plan
        self.sites = tuple(dict.fromkeys(zone.region for zone in plan.zones))
        self._prefix = plan.zones[0].subnet.rsplit(".", 1)[0]
        self._zone_number = {zone.name: number for number, zone in enumerate(plan.zones, 1)}
        self._port = {host.name: _PORTS + number for number, host in enumerate(plan.hosts)}
        self._home = _this_namespace()
        self._hosts: dict[str, int] = {}
        self._regions: dict[str, int] = {}
        self._routers: dict[str, Netlink] = {}
        self._tapped: set[str] = set()
        self._island_bridges: set[tuple[str, int]] = set()
        self._cuts: list[frozenset[str]] = []
        self._where: dict[str, int] = islands(self._port, ())
        self._entries: dict[str, frozenset[Entry]] = dict.fromkeys(self.sites, frozenset())

    def build(self) -> None:
        """Make every namespace, bridge, wire, address and route.

        Raises:
            OSError: The kernel refused; the message names what.
        """
        self._configure(_SETTINGS)
        home = Netlink()
        home.execute([netlink.switch(netlink.LOOPBACK_INDEX, up=True)])
        home.close()
        for site in self.sites:
            self._build_router(site)
        for host in self.plan.hosts:
            self._hosts[host.name] = self._new_host(host.name)
        for site in self.sites:
            self._wire_hosts(site)
        for host in self.plan.hosts:
            self._address_host(host.name, host.address)

    def wan_sockets(self) -> dict[str, socket.socket]:
        """A packet socket at the outer end of each site's WAN leg: whoever holds them is the WAN."""
        found: dict[str, socket.socket] = {}
        for number, site in enumerate(self.sites, 1):
            found[site] = _packets(f"w{number}", super_frames=True)
        return found

    def tap(self, host: str) -> tuple[socket.socket, socket.socket]:
        """Open a host's wire: what comes from the host, and what comes for it, waits at two packet sockets.

        Nothing passes until somebody carries it from one to the other.
        """
        self._tapped.add(host)
        try:
            return self._open_wire(self.plan.host(host))
        except BaseException:
            self.untap(host)
            raise

    def _open_wire(self, host: Host) -> tuple[socket.socket, socket.socket]:
        number = self._port[host.name] - _PORTS
        inner, near, far = f"h{number}", f"t{number}", f"u{number}"
        router = self._routers[host.region]
        with self.inside(host.name):
            ethtool.plain_frames("eth0")
        with self._within(self._regions[host.region]):
            ends = End(_TAPS + number, near, _mac(5, number)), End(_TAPPED + number, far, _mac(6, number))
            router.execute([netlink.wire(*ends, up=False)])
            for name in (inner, near, far):
                ethtool.plain_frames(name)
            for name in (inner, far):
                self._configure({path.format(name=name): value for path, value in _DEAF.items()})
            sockets = _packets(inner), _packets(far)
        router.execute(
            [
                netlink.unplug(_PORTS + number),
                netlink.switch(_TAPPED + number, up=True),
                netlink.switch(_TAPS + number, up=True),
                netlink.plug(_TAPS + number, self._bridge(host.zone, self._where[host.name])),
            ]
        )
        return sockets

    def untap(self, host: str) -> None:
        """Make a host's wire whole again; one that is whole is left as it is."""
        if host not in self._tapped:
            return
        self._tapped.discard(host)
        where = self.plan.host(host)
        number = self._port[host] - _PORTS
        self._routers[where.region].execute(
            [
                netlink.unwire(_TAPS + number),
                netlink.plug(self._port[host], self._bridge(where.zone, self._where[host])),
            ]
        )
        with self._within(self._regions[where.region]):
            ethtool.plain_frames(f"h{number}", plain=False)
        with self.inside(host):
            ethtool.plain_frames("eth0", plain=False)

    def _bridge_port(self, host: str) -> int:
        """The interface by which a host hangs on its bridge."""
        port = self._port[host]
        return port - _PORTS + _TAPS if host in self._tapped else port

    @contextmanager
    def _within(self, namespace: int) -> Iterator[None]:
        syscalls.setns(namespace)
        try:
            yield
        finally:
            syscalls.setns(self._home)

    def namespace(self, host: str) -> int:
        """A descriptor of the host's network namespace, for `syscalls.setns`; of the world's own for the empty name."""
        return self._hosts[host] if host else self._home

    @contextmanager
    def inside(self, host: str) -> Iterator[None]:
        """Stand in the host's network for the length of a `with` block: a socket that is made there stays there."""
        with self._within(self._hosts[host]):
            yield

    def island(self, host: str) -> int:
        """The island on which a host is now; 0 unless a partition has it."""
        return self._where[host]

    def partition(self, hosts: frozenset[str]) -> None:
        """Cut every path between these hosts and all others. Frames and packets vanish; inside each side all flows."""
        if hosts not in self._cuts:
            self._settle([*self._cuts, hosts])

    def heal(self) -> None:
        """Undo every partition."""
        self._settle([])

    def unplug(self, hosts: Sequence[str]) -> None:
        """Cut the wires of these hosts."""
        by_region: dict[str, list[Request]] = {}
        for name in hosts:
            request = netlink.switch(self._port[name], up=False)
            by_region.setdefault(self.plan.host(name).region, []).append(request)
        for region, requests in by_region.items():
            self._routers[region].execute(requests)

    def replug(self, hosts: Sequence[str]) -> None:
        """Give these hosts networks as new as after a boot, and wires again. What programs had set there is gone.

        What ran in the old ones must have ended.
        """
        for name in hosts:
            host = self.plan.host(name)
            before, self._hosts[name] = self._hosts[name], self._new_host(name)
            self._routers[host.region].execute([netlink.unwire(self._port[name]), self._wire(host)])
            self._address_host(name, host.address)
            os.close(before)

    def _settle(self, cuts: list[frozenset[str]]) -> None:
        where = islands(self._port, cuts)
        for region in self.sites:
            wanted = entries(self.plan, region, where)
            requests = self._new_bridges(region, where)
            requests += [self._request(entry) for entry in wanted - self._entries[region]]
            requests += [
                netlink.plug(self._bridge_port(host.name), self._bridge(host.zone, where[host.name]))
                for host in self.plan.hosts
                if host.region == region and where[host.name] != self._where[host.name]
            ]
            requests += [self._undo(entry) for entry in self._entries[region] - wanted]
            self._routers[region].execute(requests)
            self._entries[region] = wanted
        self._cuts, self._where = cuts, where

    def _new_bridges(self, region: str, where: dict[str, int]) -> list[Request]:
        requests: list[Request] = []
        for host in self.plan.hosts:
            key = (host.zone, where[host.name])
            if host.region == region and key[1] != MAINLAND and key not in self._island_bridges:
                requests += self._make_bridge(*key)
                self._island_bridges.add(key)
        return requests

    def _bridge(self, zone: str, island: int = MAINLAND) -> int:
        return 1000 * (island + 1) + self._zone_number[zone]

    def _bridge_name(self, zone: str, island: int) -> str:
        number = self._zone_number[zone]
        return f"zone{number}" if island == MAINLAND else f"zone{number}i{island}"

    def _make_bridge(self, zone: str, island: int = MAINLAND) -> list[Request]:
        number = self._zone_number[zone]
        index = self._bridge(zone, island)
        # Every island has the same gateway at the same MAC address: hosts need not learn it anew.
        name = self._bridge_name(zone, island)
        length = 24 if island == MAINLAND else 32
        gateway = f"{self.plan.zones[number - 1].subnet}.1"
        return [netlink.bridge(index, name, _mac(0, number)), netlink.address(index, gateway, length)]

    def _request(self, entry: Entry) -> Request:
        match entry:
            case Dark(target, table):
                return netlink.blackhole(target, table=table)
            case From(source, table):
                return netlink.rule(_ISLAND_RULE, table, source=source)
            case Leaving(source, zone, island):
                name = self._bridge_name(zone, island)
                return netlink.rule(_ISLAND_RULE, table_of(island), source=source, through=name)
            case Near(address, zone, island):
                return netlink.route(f"{address}/32", self._bridge(zone, island), table=table_of(island))
            case Arrived(address, zone, island):
                return netlink.route(f"{address}/32", self._bridge(zone, island), table=ARRIVED_TABLE)
            case Far(address, region, island):
                return netlink.route(f"{address}/32", _WAN_LEG, via=self._wan_address(region), table=table_of(island))

    def _undo(self, entry: Entry) -> Request:
        match entry:
            case Dark(target, table):
                return netlink.unroute(target, table=table, silent=True)
            case From(source, table):
                return netlink.rule(_ISLAND_RULE, table, source=source, remove=True)
            case Leaving(source, zone, island):
                name = self._bridge_name(zone, island)
                return netlink.rule(_ISLAND_RULE, table_of(island), source=source, through=name, remove=True)
            case Arrived(address=address):
                return netlink.unroute(f"{address}/32", table=ARRIVED_TABLE, silent=False)
            case Near(address=address, island=island) | Far(address=address, island=island):
                return netlink.unroute(f"{address}/32", table=table_of(island), silent=False)

    def _wan_address(self, site: str) -> str:
        return f"{self._prefix}.{WAN_NETWORK}.{self.sites.index(site) + 1}"

    def _new_host(self, name: str) -> int:
        moves_here = self.plan.vip is not None and name in self.plan.vip.hosts
        return self._new_namespace(_SETTINGS | _HOST_SETTINGS | (_ENTRY_SETTINGS if moves_here else {}))

    def _new_namespace(self, settings: dict[str, str]) -> int:
        syscalls.unshare(syscalls.CLONE_NEWNET)
        try:
            self._configure(settings)
            return _this_namespace()
        finally:
            syscalls.setns(self._home)

    def _configure(self, settings: dict[str, str]) -> None:
        for name, value in settings.items():
            path = Path("/proc/sys/net") / name
            if path.exists():  # a kernel without IPv6 has nothing to switch off
                path.write_text(value.format(group=os.getgid()))

    def _build_router(self, site: str) -> None:
        number = self.sites.index(site) + 1
        self._regions[site] = namespace = self._new_namespace(_SETTINGS | _ROUTER_SETTINGS)
        outer = f"w{number}"
        leg = End(_WAN_LEG, "wan", wan_mac(number))
        syscalls.setns(namespace)
        try:
            self._routers[site] = router = Netlink()
            router.execute([netlink.wire(leg, End(10 + number, outer, _mac(4, number), self._home))])
            router.execute(self._router_requests(site))
        finally:
            syscalls.setns(self._home)
        home = Netlink()
        home.execute([netlink.switch(10 + number, up=True)])
        home.close()

    def _router_requests(self, site: str) -> list[Request]:
        requests = [
            netlink.switch(netlink.LOOPBACK_INDEX, up=True),
            netlink.address(_WAN_LEG, self._wan_address(site), 24),
            netlink.rule(_DARK_RULE, DARK_TABLE),
        ]
        if self.plan.vip is not None:
            requests.append(netlink.rule(_ARRIVED_RULE, ARRIVED_TABLE, source=self.plan.vip.address, through="wan"))
        for number, other in enumerate(self.sites, 1):
            if other != site:
                requests.append(netlink.neighbour(_WAN_LEG, self._wan_address(other), wan_mac(number)))
        for zone in self.plan.zones:
            if zone.region == site:
                requests += self._make_bridge(zone.name)
            else:
                requests.append(netlink.route(f"{zone.subnet}.0/24", _WAN_LEG, via=self._wan_address(zone.region)))
        return requests

    def _wire_hosts(self, site: str) -> None:
        self._routers[site].execute([self._wire(host) for host in self.plan.hosts if host.region == site])

    def _wire(self, host: Host) -> Request:
        """A wire from the host's bridge, on the island where it is now, into its network."""
        port = self._port[host.name]
        number = port - _PORTS
        return netlink.wire(
            End(port, f"h{number}", _mac(2, number)),
            End(_ETH0, "eth0", _mac(1, number), self._hosts[host.name]),
            master=self._bridge(host.zone, self._where[host.name]),
        )

    def _address_host(self, name: str, address: str) -> None:
        with self.inside(name):
            line = Netlink()
        line.execute(
            [
                netlink.switch(netlink.LOOPBACK_INDEX, up=True),
                netlink.address(_ETH0, address, 24),
                netlink.switch(_ETH0, up=True),
                netlink.route("0.0.0.0/0", _ETH0, via=address.rsplit(".", 1)[0] + ".1"),
            ]
        )
        line.close()


def _packets(interface: str, *, super_frames: bool = False) -> socket.socket:
    """A packet socket for whatever comes in at an interface of this namespace, super-frames with their headers."""
    packets = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, 0)
    packets.setsockopt(_SOL_PACKET, _IGNORE_OUTGOING, 1)
    packets.setsockopt(_SOL_PACKET, _VNET_HEADER, int(super_frames))
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 2**20)
    packets.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4 * 2**20)
    packets.bind((interface, _ALL_FRAMES))
    return packets


def _this_namespace() -> int:
    return os.open("/proc/self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
