"""An address that moves is found wherever somebody answers for it, on each side of a partition another one."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.lab import isolation, world
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST, Host, LabPlan, Vip, Zone

pytestmark = pytest.mark.real

VIP = "10.88.1.8"
ANSWER = """
import socket, sys
listener = socket.create_server(("0.0.0.0", 9000))
while True:
    line, peer = listener.accept()
    line.sendall(sys.argv[1].encode())
    line.close()
"""
ASK = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 9000), 1.0, (sys.argv[2], 0) if len(sys.argv) > 2 else None) as line:
        print(line.recv(100).decode())
except OSError:
    print("nobody")
"""
TAKE = f"""
import socket
from pyroute2 import IPRoute
with IPRoute() as line:
    index = line.link_lookup(ifname="eth0")[0]
    line.addr("replace", index=index, address="{VIP}", prefixlen=24)
    mac = bytes.fromhex(line.get_links(index)[0].get_attr("IFLA_ADDRESS").replace(":", ""))
vip = socket.inet_aton("{VIP}")
arp = bytes.fromhex("0001080006040001") + mac + vip + bytes(6) + vip
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as raw:
    raw.bind(("eth0", 0))
    raw.send(b"\\xff" * 6 + mac + b"\\x08\\x06" + arp)
"""


def plan() -> LabPlan:
    zones = (
        Zone(name="a", region="north", subnet="10.88.1"),
        Zone(name="b", region="north", subnet="10.88.2"),
        Zone(name="c", region="south", subnet="10.88.3"),
        Zone(name="outside", region="outside", subnet="10.88.250"),
    )
    places = {"a1": zones[0], "a2": zones[0], "a3": zones[0], "b1": zones[1], "c1": zones[2], CLIENT_HOST: zones[3]}
    hosts = tuple(
        Host(name=name, zone=zone.name, region=zone.region, address=f"{zone.subnet}.{10 + number}")
        for number, (name, zone) in enumerate(places.items())
    )
    vip = Vip(address=VIP, zone="a", hosts=("a1", "a2"))
    return LabPlan(system="vip", zones=zones, hosts=hosts, members=(), links=(), vip=vip)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabClient]:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")
    client = world.create(tmp_path / "lab", plan(), isolation="namespaces")
    for host in ("a1", "a2", "b1", CLIENT_HOST):
        (tmp_path / host).mkdir()
        client.launch(host, f"answer-{host}", Launch(argv=(sys.executable, "-c", ANSWER, host)), tmp_path / host)
    yield client
    client.down()


def take(lab: LabClient, host: str) -> None:
    done = lab.run(host, (sys.executable, "-c", TAKE), capabilities=("net_admin", "net_raw"))
    assert done.exit_code == 0, done.stderr.decode()


def ask(lab: LabClient, host: str, *words: str) -> str:
    """Who answers this host."""
    return lab.run(host, (sys.executable, "-c", ASK, *(words or (VIP,)))).stdout.decode().strip()


def holders(lab: LabClient) -> list[str]:
    return [each.host for each in lab.holding() if each.holds]


def test_it_is_found_from_everywhere(lab: LabClient) -> None:
    assert holders(lab) == []
    take(lab, "a1")
    assert holders(lab) == ["a1"]
    assert {ask(lab, host) for host in ("a3", "b1", "c1", CLIENT_HOST)} == {"a1"}


def test_in_a_partition_each_side_finds_its_own_holder_alone(lab: LabClient) -> None:
    take(lab, "a1")
    assert ask(lab, CLIENT_HOST) == "a1"
    lab.partition(("a1", "b1", "c1"))
    assert {host: ask(lab, host) for host in ("a3", CLIENT_HOST, "b1", "c1")} == {
        "a3": "nobody",
        CLIENT_HOST: "nobody",
        "b1": "a1",
        "c1": "a1",
    }
    take(lab, "a2")
    assert holders(lab) == ["a1", "a2"]
    assert {host: ask(lab, host) for host in ("a3", CLIENT_HOST, "b1", "c1")} == {
        "a3": "a2",
        CLIENT_HOST: "a2",
        "b1": "a1",
        "c1": "a1",
    }


def test_what_is_sent_from_it_stays_on_its_side(lab: LabClient) -> None:
    """A connection that was open before the cut has the address as its source."""
    take(lab, "a1")
    client, neighbour = lab.plan.host(CLIENT_HOST).address, lab.plan.host("b1").address
    assert ask(lab, "a1", client, VIP) == CLIENT_HOST
    lab.partition(("a1", "b1"))
    assert ask(lab, "a1", client, VIP) == "nobody"
    assert ask(lab, "a1", neighbour, VIP) == "b1"
    lab.heal()
    assert ask(lab, "a1", client, VIP) == CLIENT_HOST


def test_a_host_that_lost_its_power_comes_back_without_it(lab: LabClient) -> None:
    take(lab, "a1")
    lab.power_off(("a1",))
    assert [(each.host, each.holds, each.whole) for each in lab.holding()] == [
        ("a1", False, False),
        ("a2", False, True),
    ]
    lab.power_on(("a1",))
    assert holders(lab) == []
    assert ask(lab, CLIENT_HOST, lab.plan.host("a1").address) == "a1"
    take(lab, "a1")
    assert ask(lab, CLIENT_HOST) == "a1"


def test_a_host_that_gets_its_power_back_in_a_partition_is_on_its_side_of_it(lab: LabClient) -> None:
    lab.partition(("a1", "b1"))
    lab.power_off(("a1",))
    lab.power_on(("a1",))
    address = lab.plan.host("a1").address
    assert ask(lab, CLIENT_HOST, address) == "nobody"
    assert ask(lab, "b1", address) == "a1"
    lab.heal()
    assert ask(lab, CLIENT_HOST, address) == "a1"


def test_power_that_is_on_already_changes_nothing(lab: LabClient) -> None:
    take(lab, "a1")
    lab.power_on(("a1",))
    assert holders(lab) == ["a1"]
    assert ask(lab, CLIENT_HOST) == "a1"
