"""The network of a lab: who reaches whom, how late, and what a partition leaves."""

from __future__ import annotations

import itertools
import json
import sys
from collections.abc import Callable

import pytest

from bascule.kernel.errors import LabError
from bascule.lab.client import LabClient
from bascule.lab.protocol import Completed

pytestmark = pytest.mark.real
ONE_WAY_S = 0.010
Make = Callable[..., LabClient]

NORTH_A1, NORTH_A2, NORTH_B, SOUTH_1, SOUTH_2 = (
    "app-north-a-1",
    "app-north-a-2",
    "app-north-b-1",
    "app-south-a-1",
    "app-south-a-2",
)
ALL = (NORTH_A1, NORTH_A2, NORTH_B, SOUTH_1, SOUTH_2, "client")

ECHO = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((sys.argv[1], 7777))
print("ready", flush=True)
while True:
    line.sendto(*line.recvfrom(2048))
"""

PING = """
import json, socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.connect((sys.argv[1], 7777))
line.settimeout(2)
trips = []
for number in range(int(sys.argv[2]) + 1):
    sent = time.monotonic()
    line.send(b"%d" % number)
    line.recv(2048)
    trips.append(time.monotonic() - sent)
print(json.dumps(trips[1:]))
"""

STREAM = """
import socket, sys
size = int(sys.argv[3])
if sys.argv[1] == "serve":
    ear = socket.create_server((sys.argv[2], 7778))
    line, _ = ear.accept()
    got = 0
    while part := line.recv(65536):
        got += len(part)
    print(got, flush=True)
else:
    with socket.create_connection((sys.argv[2], 7778)) as line:
        line.sendall(b"x" * size)
"""


def flows(lab: LabClient, source: str, target: str, limit_s: float = 3.0) -> bool:
    """Whether datagrams get through now; one address question that was lost may still be repeated each second."""
    return any(lab.reachable(source, target) for _ in range(int(limit_s / 0.1)))


def round_trips_s(lab: LabClient, source: str, target: str, count: int) -> list[float]:
    address = lab.plan.host(target).address
    lab.spawn(target, f"echo-{target}", [sys.executable, "-c", ECHO, address])
    while b"ready" not in lab.run(target, ["cat", str(lab.directory / "logs" / f"echo-{target}.log")]).stdout:
        pass
    done = lab.run(source, [sys.executable, "-c", PING, address, str(count)])
    assert done.exit_code == 0, done.stderr
    trips: list[float] = json.loads(done.stdout)
    return trips


def test_every_host_reaches_every_other_across_zones_regions_and_from_outside(make: Make) -> None:
    lab = make()
    for source, target in itertools.permutations(ALL, 2):
        assert lab.reachable(source, target), f"{source} -> {target}"


def test_a_round_trip_takes_the_links_delay_twice_and_hardly_more(make: Make) -> None:
    trips_s = sorted(round_trips_s(make(), NORTH_A1, SOUTH_1, 50))
    assert trips_s[0] >= 2 * ONE_WAY_S, "a frame left before its time"
    assert trips_s[25] < 0.030, "half of the pings took much longer than the link's delay"


def test_sites_without_a_link_are_not_delayed(make: Make) -> None:
    assert min(round_trips_s(make(), "client", SOUTH_1, 20)) < 2 * ONE_WAY_S


def test_bulk_data_crosses_the_wan_whole(make: Make) -> None:
    lab = make()
    size = 8 * 2**20
    address = lab.plan.host(SOUTH_1).address
    output = lab.directory / "got"
    lab.spawn(SOUTH_1, "sink", [sys.executable, "-c", STREAM, "serve", address, "0"], output=output)

    def send() -> Completed:
        return lab.run(NORTH_A1, [sys.executable, "-c", STREAM, "send", address, str(size)])

    while send().exit_code:
        pass  # the sink does not listen yet
    assert lab.wait("sink", 20) == 0
    assert int(output.read_text()) == size


def test_a_one_way_cut_stops_one_direction_alone(make: Make) -> None:
    lab = make()
    lab.set_link("north", "south", cut=True)
    assert not lab.reachable(NORTH_A1, SOUTH_1)
    assert lab.reachable(SOUTH_1, NORTH_A1)
    lab.set_link("north", "south", delay_s=ONE_WAY_S)
    assert lab.reachable(NORTH_A1, SOUTH_1)


def test_total_loss_on_a_link_loses_everything(make: Make) -> None:
    lab = make()
    lab.set_link("south", "north", loss=1.0)
    assert not lab.reachable(SOUTH_1, NORTH_A1)
    lab.set_link("south", "north")
    assert lab.reachable(SOUTH_1, NORTH_A1)


@pytest.mark.parametrize(
    "island",
    [(NORTH_A1,), (NORTH_A1, NORTH_A2), (NORTH_A1, NORTH_B), (NORTH_A1, NORTH_B, SOUTH_2), (SOUTH_1, "client")],
    ids=["one host", "a zone", "two zones", "two regions", "a host and the client"],
)
def test_a_partition_cuts_both_ways_and_leaves_each_side_whole(make: Make, island: tuple[str, ...]) -> None:
    lab = make()
    assert lab.reachable(NORTH_A1, SOUTH_1)
    lab.partition(island)
    for source, target in itertools.permutations(ALL, 2):
        same_side = (source in island) == (target in island)
        assert lab.reachable(source, target) == same_side, f"{source} -> {target}"
    lab.partition(island)
    lab.heal()
    for source, target in itertools.permutations(ALL, 2):
        assert flows(lab, source, target), f"{source} -> {target} after the heal"
    lab.heal()


def test_two_partitions_make_three_islands_and_one_heal_joins_them(make: Make) -> None:
    lab = make()
    lab.partition((NORTH_A1, NORTH_A2))
    lab.partition((NORTH_A2, NORTH_B))
    assert [lab.reachable(NORTH_A1, other) for other in (NORTH_A2, NORTH_B, SOUTH_1)] == [False] * 3
    assert [lab.reachable(NORTH_A2, other) for other in (NORTH_B, SOUTH_1, "client")] == [False] * 3
    assert lab.reachable(SOUTH_1, "client")
    assert len({host.island for host in lab.status().hosts}) == 4
    lab.heal()
    for source, target in itertools.permutations(ALL, 2):
        assert flows(lab, source, target), f"{source} -> {target} after the heal"
    assert {host.island for host in lab.status().hosts} == {0}


def test_a_partition_is_silent_even_where_no_address_was_ever_asked_for(make: Make) -> None:
    lab = make()
    lab.partition((NORTH_A1,))
    done = lab.run(NORTH_A1, [sys.executable, "-c", PING, lab.plan.host(SOUTH_1).address, "1"])
    assert b"TimeoutError" in done.stderr, "nobody answers, nobody refuses"


def test_a_host_without_power_is_gone_and_comes_back(make: Make) -> None:
    lab = make()
    lab.power_off((NORTH_A1, SOUTH_1))
    assert not lab.reachable(NORTH_A2, NORTH_A1)
    assert not lab.reachable(NORTH_A1, SOUTH_1)
    assert lab.reachable(NORTH_A2, SOUTH_2)
    assert [host.name for host in lab.status().hosts if not host.powered] == [NORTH_A1, SOUTH_1]
    with pytest.raises(LabError, match="has no power"):
        lab.run(NORTH_A1, ["true"])
    lab.power_on((NORTH_A1, SOUTH_1))
    assert flows(lab, NORTH_A2, NORTH_A1)
    assert flows(lab, NORTH_A1, SOUTH_1)


def test_a_dead_wan_is_said_and_never_passed_over(make: Make) -> None:
    lab = make()
    lab.signal("wan", 9)
    lab.wait("wan", 5)
    with pytest.raises(LabError, match="WAN between the lab's regions died"):
        lab.reachable(NORTH_A1, SOUTH_1)
    with pytest.raises(LabError, match="WAN"):
        lab.status()
    lab.heal()


def test_hosts_and_sites_that_do_not_exist_are_named(make: Make) -> None:
    lab = make()
    with pytest.raises(LabError, match="no host is called 'nowhere'"):
        lab.partition(("nowhere",))
    with pytest.raises(LabError, match="there is no site 'mars'"):
        lab.set_link("north", "mars", cut=True)


def test_a_network_fault_on_loopback_is_refused_not_pretended(make: Make) -> None:
    lab = make("loopback")
    assert not lab.refusal("process")
    assert "loopback" in lab.refusal("host")
    assert "loopback" in lab.refusal("network")
    with pytest.raises(LabError, match="loopback"):
        lab.partition((NORTH_A1,))
    with pytest.raises(LabError, match="loopback"):
        lab.power_off((NORTH_A1,))
    lab.heal()
    assert lab.reachable(NORTH_A1, SOUTH_1)
