from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.errors import LabError
from bascule.lab import isolation, world
from bascule.lab.client import LabClient
from bascule.lab.plan import CLIENT_HOST, Host, LabPlan, Zone

pytestmark = pytest.mark.real

SAY = "print([line for line in open('/proc/self/status') if line.startswith('CapEff')])"


def plan(prefix: str) -> LabPlan:
    zones = (Zone(name="z", region="r", subnet=f"{prefix}.1"), outside(prefix))
    hosts = (
        Host(name="one", zone="z", region="r", address=f"{prefix}.1.10"),
        Host(name=CLIENT_HOST, zone="outside", region="outside", address=f"{prefix}.250.10"),
    )
    return LabPlan(system="caps", zones=zones, hosts=hosts, members=(), links=())


def outside(prefix: str) -> Zone:
    return Zone(name="outside", region="outside", subnet=f"{prefix}.250")


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabClient]:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")
    client = world.create(tmp_path / "lab", plan("10.88"), isolation="namespaces")
    yield client
    client.down()


def test_a_program_has_no_capability_but_those_it_was_given(lab: LabClient) -> None:
    none = lab.run("one", (sys.executable, "-c", SAY))
    two = lab.run("one", (sys.executable, "-c", SAY), capabilities=("net_admin", "net_raw"))
    assert b"CapEff:\\t0000000000000000" in none.stdout
    assert b"CapEff:\\t0000000000003000" in two.stdout


def test_a_member_keeps_them_when_it_is_started_again(lab: LabClient, tmp_path: Path) -> None:
    launch = Launch(argv=(sys.executable, "-c", SAY), capabilities=("net_admin",))
    lab.launch("one", "sayer", launch, tmp_path)
    assert lab.wait("sayer", 20) == 0
    lab.start("sayer")
    assert lab.wait("sayer", 20) == 0
    log = (tmp_path / "lab" / "logs" / "sayer.log").read_text()
    assert log.count("0000000000001000") == 2


def test_the_network_of_this_machine_is_nobodys_to_change(tmp_path: Path) -> None:
    client = world.create(tmp_path / "lab", plan(world.choose_prefix("loopback")), isolation="loopback")
    try:
        with pytest.raises(LabError, match="network of this machine"):
            client.run("one", (sys.executable, "-c", SAY), capabilities=("net_admin",))
    finally:
        client.down()
