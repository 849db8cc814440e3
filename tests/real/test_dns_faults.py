"""Names that fail: proved by a program on the host that asks for them, over UDP and TCP, and right again afterwards."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.real.hands import Inject, eventually, injecting

from bascule.engines.protocols import Launch
from bascule.kernel.quantities import Rate, Share
from bascule.lab import abilities, world
from bascule.lab.abilities import Abilities
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = [pytest.mark.real, pytest.mark.timeout(200)]
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "south-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, SOUTH = "app-north-a-1", "app-south-a-1"
MEMBER = """
import os, socket, time
while True:
    try:
        told = sorted({one[4][0] for one in socket.getaddrinfo("app-south-a-1", None, socket.AF_INET)})
    except socket.gaierror as error:
        told = [error.strerror]
    with open("told.new", "w") as file:
        print(*told, file=file)
    os.rename("told.new", "told")
    time.sleep(0.05)
"""
OVER_TCP = """
import sys, dns.message, dns.query
print(dns.query.tcp(dns.message.make_query(sys.argv[1], "A"), "127.0.0.1", timeout=5).answer)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if why := abilities.names_refusal():
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    outside = Path("/etc/resolv.conf").read_bytes() if Path("/etc/resolv.conf").exists() else b""
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), wanted=Abilities(names=True))
    try:
        for name in (NORTH, SOUTH):
            home = directory / "members" / name
            home.mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", MEMBER)), home)
        eventually(lambda: said(client, NORTH) == said(client, SOUTH) == client.address_of(SOUTH))
        yield client
    finally:
        client.down()
    after = Path("/etc/resolv.conf").read_bytes() if Path("/etc/resolv.conf").exists() else b""
    assert after == outside


def said(lab: LabClient, name: str) -> str:
    """What the member was told last."""
    path = lab.directory / "members" / name / "told"
    return path.read_text().strip() if path.exists() else ""


@pytest.fixture
def inject(lab: LabClient, tmp_path: Path) -> Iterator[Callable[..., Inject]]:
    with injecting(lab, tmp_path) as start:
        yield start


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("nxdomain", "Name or service not known"),
        ("servfail", "Temporary failure in name resolution"),
        ("timeout", "Temporary failure in name resolution"),
        ("wrong-answer", "127.0.0.2"),
    ],
)
def test_a_member_is_told_so_and_its_neighbour_is_not(
    lab: LabClient, inject: Callable[..., Inject], how: str, told: str
) -> None:
    right = lab.address_of(SOUTH)
    by_hand = inject("dns-failure", f"hosts={NORTH}", f"how={how}")
    by_hand.acts()
    eventually(lambda: said(lab, NORTH) == told)
    assert said(lab, SOUTH) == right
    by_hand.end()
    eventually(lambda: said(lab, NORTH) == right)


def test_after_sigkill_of_everybody_a_recovery_lets_names_be_found_again(
    lab: LabClient, inject: Callable[..., Inject]
) -> None:
    by_hand = inject("dns-failure", f"hosts={NORTH},{SOUTH}", "how=nxdomain", f"names={SOUTH}")
    by_hand.acts()
    eventually(lambda: said(lab, NORTH) == said(lab, SOUTH) == "Name or service not known")
    by_hand.die()
    eventually(lambda: said(lab, NORTH) == said(lab, SOUTH) == lab.address_of(SOUTH))


def test_names_are_told_over_tcp_too(lab: LabClient) -> None:
    done = lab.run(NORTH, (sys.executable, "-c", OVER_TCP, SOUTH))
    assert lab.address_of(SOUTH).encode() in done.stdout, done.stderr


def test_a_lab_without_names_says_how_to_get_them(tmp_path: Path) -> None:
    client = world.create(tmp_path / "lab", layout(SYSTEM, world.choose_prefix("loopback")), isolation="loopback")
    try:
        assert "bascule lab up --names" in client.refusal("names")
    finally:
        client.down()
