"""Names that fail: proved by a program on the host that asks for them, over UDP and TCP, and right again afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from bascule.engines.protocols import Launch
from bascule.kernel.quantities import Rate, Share
from bascule.lab import world
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
    if why := world.names_available():
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    outside = Path("/etc/resolv.conf").read_bytes() if Path("/etc/resolv.conf").exists() else b""
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), names=True)
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


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


class Inject:
    """`bascule chaos inject` in a process of its own."""

    def __init__(self, lab: LabClient, run: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", *words, "--lab", str(lab.directory), "-o", str(run)]
        self.run = run
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def acts(self) -> None:
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        assert told.startswith("It acts"), told

    def end(self) -> None:
        """Ctrl-C."""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, out + err

    def die(self) -> None:
        """SIGKILL to the command and to its watchdog; then `bascule chaos recover`."""
        journal = str(self.run / "journal.jsonl").encode()
        found = [
            int(entry.name)
            for entry in Path("/proc").iterdir()
            if entry.name.isdigit() and b"bascule.drill.watchdog" in (line := command(entry)) and journal in line
        ]
        assert len(found) == 1
        os.kill(found[0], signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        subprocess.run([sys.executable, "-m", "bascule", "chaos", "recover", str(self.run)], check=True)


def command(entry: Path) -> bytes:
    try:
        return (entry / "cmdline").read_bytes()
    except OSError:
        return b""  # it has ended


@pytest.fixture
def inject(lab: LabClient, tmp_path: Path) -> Iterator[Callable[..., Inject]]:
    started: list[Inject] = []

    def start(*words: str) -> Inject:
        started.append(Inject(lab, tmp_path / f"run-{len(started)}", *words))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.send_signal(signal.SIGINT)
            one.process.communicate(timeout=60)


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
