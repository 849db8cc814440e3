"""A host without local ports: proved by a program on it, and gone afterwards, however the injector ends."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.kernel.quantities import Rate, Share
from bascule.lab import world
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "south-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, SOUTH = "app-north-a-1", "app-south-a-1"
CONNECT = """
import errno, socket, sys
with open("/proc/sys/net/ipv4/ip_local_port_range") as file:
    print(*file.read().split())
print(errno.errorcode[socket.socket().connect_ex((sys.argv[1], 9))])
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if why := world.isolation_available():
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), isolation="namespaces")
    try:
        yield client
    finally:
        client.down()


def connect(lab: LabClient, host: str, target: str) -> tuple[str, str]:
    """The range of local ports, and what a program on the host hears when it connects where nobody listens."""
    done = lab.run(host, (sys.executable, "-c", CONNECT, lab.address_of(target)))
    assert done.exit_code == 0, done.stderr
    ports, said = done.stdout.decode().splitlines()
    return ports, said


def watchdogs(run: Path) -> list[int]:
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            words = (path / "cmdline").read_bytes().split(b"\0")
            if b"bascule.drill.watchdog" in words and str(run / "journal.jsonl").encode() in words:
                found.append(int(path.name))
    return found


@pytest.mark.parametrize("killed", [False, True], ids=["at Ctrl-C", "after SIGKILL"])
def test_a_host_without_ports_connects_nowhere_and_its_neighbour_does(
    lab: LabClient, tmp_path: Path, *, killed: bool
) -> None:
    run = tmp_path / "run"
    before = connect(lab, NORTH, SOUTH)
    assert before[1] == "ECONNREFUSED"
    words = ("inject", "ports-exhausted", f"host={NORTH}", "--lab", str(lab.directory), "-o", str(run))
    argv = [sys.executable, "-m", "bascule", "chaos", *words]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as hand:
        try:
            assert hand.stderr is not None
            assert hand.stderr.readline().startswith("It acts")
            assert {connect(lab, NORTH, each)[1] for each in (NORTH, SOUTH)} == {"EADDRNOTAVAIL"}
            assert connect(lab, SOUTH, NORTH) == before
            assert lab.knock(NORTH, SOUTH, 9, limit_s=2.0) == "refused"
            with pytest.raises(ConnectionRefusedError):
                lab.dial(NORTH, 9)
            assert lab.reachable(NORTH, SOUTH)
            if killed:
                (watchdog,) = watchdogs(run)
                os.kill(watchdog, signal.SIGKILL)
                hand.kill()
        finally:
            if hand.poll() is None:
                hand.send_signal(signal.SIGKILL if killed else signal.SIGINT)
    if killed:
        assert connect(lab, NORTH, SOUTH)[1] == "EADDRNOTAVAIL"
        subprocess.run([sys.executable, "-m", "bascule", "chaos", "recover", str(run)], check=True, capture_output=True)
    assert connect(lab, NORTH, SOUTH) == before


def test_a_host_that_was_without_power_has_its_ports_again(lab: LabClient) -> None:
    before = connect(lab, NORTH, SOUTH)[0]
    lab.exhaust_ports(NORTH)
    lab.power_off((NORTH,))
    lab.power_on((NORTH,))
    assert connect(lab, NORTH, NORTH) == (before, "ECONNREFUSED")
    lab.free_ports(NORTH)
    assert connect(lab, NORTH, NORTH) == (before, "ECONNREFUSED")


def test_a_port_that_a_program_has_is_left_to_it_and_the_rest_is_taken(lab: LabClient) -> None:
    before, _ = connect(lab, NORTH, NORTH)
    port = int(before.split()[1]) - 3
    listen = "import socket, sys, time\nears = socket.create_server(('', int(sys.argv[1])))\ntime.sleep(1000)"
    lab.spawn(NORTH, "listener", (sys.executable, "-c", listen, str(port)))
    deadline_s = time.monotonic() + 30
    while lab.knock(SOUTH, NORTH, port, limit_s=2.0) != "connected":
        assert time.monotonic() < deadline_s
    lab.exhaust_ports(NORTH)
    low, high = map(int, connect(lab, NORTH, SOUTH)[0].split())
    assert not low <= port <= high
    assert connect(lab, NORTH, SOUTH)[1] == "EADDRNOTAVAIL"
    assert lab.knock(SOUTH, NORTH, port, limit_s=2.0) == "connected"
    lab.free_ports(NORTH)
    lab.signal("listener", signal.SIGKILL)
    assert connect(lab, NORTH, NORTH) == (before, "ECONNREFUSED")
