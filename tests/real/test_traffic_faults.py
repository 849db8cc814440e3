"""Faults of wires, proved by programs on the hosts themselves: what they see while it acts, and that it is gone."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bascule.chaos.faults import (
    AnyFault,
    Bandwidth,
    ConnectionRefusal,
    ConnectionReset,
    NetworkCut,
    NetworkDelay,
    PacketCorruption,
    PacketDuplication,
    PacketLoss,
    PacketReordering,
)
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.traffic import Trouble
from bascule.cli.main import main
from bascule.drill import watchdog
from bascule.engines.protocols import Launch
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import LabError
from bascule.kernel.quantities import Rate, Share
from bascule.lab import world
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

pytestmark = [pytest.mark.real, pytest.mark.alone]  # they count what carries frames on the whole machine
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a", "north-b"))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "north-b": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, OTHER = "app-north-a-1", "app-north-b-1"
TCP, UDP = 7000, 7001
SERVER = """
import socket, threading
def echo(line):
    with line:
        try:
            while data := line.recv(65536):
                line.sendall(data)
        except OSError:
            pass
def datagrams():
    ear = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    ear.bind(("0.0.0.0", 7001))
    seen = []
    while True:
        data, sender = ear.recvfrom(2048)
        if data == b"tell":
            ear.sendto(" ".join(seen).encode(), sender)
            seen = []
        else:
            seen.append(data[:8].decode(errors="replace").strip())
threading.Thread(target=datagrams, daemon=True).start()
door = socket.create_server(("0.0.0.0", 7000))
while True:
    threading.Thread(target=echo, args=(door.accept()[0],), daemon=True).start()
"""
ROUND_TRIPS = """
import json, socket, sys, time
took = []
for _ in range(10):
    begun = time.perf_counter()
    with socket.create_connection((sys.argv[1], 7000), 5) as line:
        line.sendall(b"x")
        line.recv(1)
    took.append(time.perf_counter() - begun)
print(json.dumps(min(took)))
"""
DATAGRAMS = """
import json, socket, sys, time
mouth = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
mouth.settimeout(0.5)
target = (sys.argv[1], 7001)
for number in range(200):
    mouth.sendto(b"%08d" % number + bytes(400), target)
    time.sleep(0.0005)
time.sleep(0.1)
for _ in range(50):
    mouth.sendto(b"tell", target)
    try:
        print(json.dumps(mouth.recv(65536).decode().split()))
        break
    except TimeoutError:
        pass
"""
TRANSFER = """
import json, socket, sys, time
begun = time.perf_counter()
with socket.create_connection((sys.argv[1], 7000), 5) as line:
    for _ in range(5):
        line.sendall(bytes(10_000))
        left = 10_000
        while left:
            left -= len(line.recv(left))
print(json.dumps(time.perf_counter() - begun))
"""
CONNECT = """
import json, socket, sys
try:
    socket.create_connection((sys.argv[1], 7000), float(sys.argv[2])).close()
    print(json.dumps("connected"))
except OSError as error:
    print(json.dumps(type(error).__name__))
"""
HELD = """
import socket, sys, time
with socket.create_connection((sys.argv[1], 7000), 5) as line:
    print("held", flush=True)
    while True:
        try:
            line.sendall(b"x")
            line.recv(1)
        except OSError as error:
            print(type(error).__name__, flush=True)
            break
        time.sleep(0.02)
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    if why := world.isolation_available():
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), isolation="namespaces")
    try:
        for name in (NORTH, OTHER):
            home = directory / "members" / name
            home.mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", SERVER)), home)
        eventually(lambda: client.knock("client", NORTH, TCP, limit_s=1.0) == "connected")
        eventually(lambda: client.knock("client", OTHER, TCP, limit_s=1.0) == "connected")
        yield client
    finally:
        client.down()


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def on_client(lab: LabClient, script: str, *words: str, target: str = NORTH) -> object:
    """What a program prints that runs on the client's host and talks to the target."""
    argv = [sys.executable, "-c", script, lab.plan.host(target).address, *words]
    done = lab.run("client", argv, timeout_s=60)
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def seconds(lab: LabClient, script: str) -> float:
    found = on_client(lab, script)
    assert isinstance(found, float)
    return found


def numbers(lab: LabClient) -> list[int]:
    """Which of 200 datagrams the target got, in its order."""
    found = on_client(lab, DATAGRAMS)
    assert isinstance(found, list)
    return [int(each) for each in found if str(each).isdigit()]


def taps() -> set[str]:
    """Processes that carry frames between a host and its bridge."""
    found: set[str] = set()
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            found |= {entry.name} if b"bascule.lab.tap" in words else set()
    return found


def reference(lab: LabClient) -> PlatformRef:
    return PlatformRef(kind="lab", directory=str(lab.directory), identity=lab.record.identity)


@contextmanager
def acting(lab: LabClient, fault: AnyFault, folder: Path) -> Iterator[None]:
    """The fault acts within the block, and its process is gone after it."""
    before = taps()
    journal = Journal(folder / "journal.jsonl")
    one = Injection(
        fault, lab, journal, reference=reference(lab), number=1, clock=SystemClock(), sleep=time.sleep
    )  # fmt: skip
    struck = one.strike()
    try:
        assert struck.witness.seen, struck.witness.evidence
        yield
    finally:
        one.undo()
    eventually(lambda: taps() <= before)


def test_a_delay_is_in_every_round_trip_and_gone_afterwards(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, NetworkDelay(hosts=(NORTH,), delay_s=0.02), tmp_path):
        # A handshake and an answer: two round trips, each with the delay on the way there and back.
        assert seconds(lab, ROUND_TRIPS) >= 0.08
    assert seconds(lab, ROUND_TRIPS) < 0.08


def test_lost_datagrams_do_not_come(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, PacketLoss(hosts=(NORTH,), share=0.3, protocol="udp", direction="in"), tmp_path):
        eventually(lambda: 20 < len(set(numbers(lab))) < 195)
    assert len(set(numbers(lab))) == 200


def test_doubled_datagrams_come_twice(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, PacketDuplication(hosts=(NORTH,), share=0.3, direction="in"), tmp_path):
        eventually(lambda: len(found := numbers(lab)) > len(set(found)))
    found = numbers(lab)
    assert len(found) == len(set(found)) == 200


def test_reordered_datagrams_come_in_another_order(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, PacketReordering(hosts=(NORTH,), share=0.2, direction="in"), tmp_path):
        eventually(lambda: (found := numbers(lab)) != sorted(found) and len(found) == 200)
    found = numbers(lab)
    assert found == sorted(found)


def wrong_checksums(lab: LabClient) -> int:
    """How many datagrams the target's own kernel threw away."""
    lines = lab.run(NORTH, ["cat", "/proc/net/snmp"], timeout_s=10).stdout.decode().splitlines()
    names, values = (line.split() for line in lines if line.startswith("Udp:"))
    return int(values[names.index("InCsumErrors")])


def test_damaged_datagrams_are_thrown_away_by_the_kernel(lab: LabClient, tmp_path: Path) -> None:
    before = wrong_checksums(lab)
    with acting(lab, PacketCorruption(hosts=(NORTH,), share=0.3, protocol="udp", direction="in"), tmp_path):
        eventually(lambda: numbers(lab) is not None and wrong_checksums(lab) > before + 5)
    before = wrong_checksums(lab)
    assert len(numbers(lab)) == 200
    assert wrong_checksums(lab) == before


def test_a_narrow_wire_takes_its_time(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, Bandwidth(hosts=(NORTH,), rate_bytes_per_s=50_000.0), tmp_path):
        assert seconds(lab, TRANSFER) >= 0.9, "50 kB and its echo, ten kilobytes at a time, at 50 kB/s"
    assert seconds(lab, TRANSFER) < 0.9


def test_a_cut_between_two_hosts_leaves_all_other_ways_open(lab: LabClient, tmp_path: Path) -> None:
    assert on_client(lab, CONNECT, "5") == "connected"
    with acting(lab, NetworkCut(hosts=(NORTH,), peers=("client",)), tmp_path):
        assert on_client(lab, CONNECT, "0.5") == "TimeoutError"
        assert on_client(lab, CONNECT, "5", target=OTHER) == "connected"
        assert lab.knock(OTHER, NORTH, TCP, limit_s=5.0) == "connected"
    assert on_client(lab, CONNECT, "5") == "connected"


def test_a_cut_of_one_protocol_leaves_the_others_open(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, NetworkCut(hosts=(NORTH,), protocol="udp", port=UDP), tmp_path):
        assert on_client(lab, CONNECT, "5") == "connected", "TCP is not meant"


@contextmanager
def held(lab: LabClient, output: Path) -> Iterator[Callable[[], str]]:
    """A connection that is in use; what became of it."""
    argv = [sys.executable, "-c", HELD, lab.plan.host(NORTH).address]
    lab.spawn("client", "held", argv, output=output)
    try:
        eventually(lambda: output.exists() and "held" in output.read_text())
        yield output.read_text
    finally:
        lab.signal("held", 9)
        lab.wait("held", timeout_s=10)


def test_a_reset_ends_open_connections_and_new_ones_work_afterwards(lab: LabClient, tmp_path: Path) -> None:
    with held(lab, tmp_path / "held.log") as told:
        with acting(lab, ConnectionReset(hosts=(NORTH,)), tmp_path):
            eventually(lambda: "ConnectionResetError" in told())
            assert on_client(lab, CONNECT, "5") == "ConnectionRefusedError"
        assert on_client(lab, CONNECT, "5") == "connected"


def test_a_refusal_is_for_new_connections_and_open_ones_go_on(lab: LabClient, tmp_path: Path) -> None:
    with held(lab, tmp_path / "held.log") as told:
        with acting(lab, ConnectionRefusal(hosts=(NORTH,), port=TCP), tmp_path):
            assert on_client(lab, CONNECT, "5") == "ConnectionRefusedError"
            assert told() == "held\n"
        assert on_client(lab, CONNECT, "5") == "connected"
        assert told() == "held\n"


def test_what_nobody_undid_is_undone_by_hand(lab: LabClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As after SIGKILL of everything that injected it."""
    before = taps()
    joined: list[LabClient] = []

    def attach(given: PlatformRef) -> LabClient | None:
        found = watchdog.attach(given)
        assert isinstance(found, LabClient)
        joined.append(found)
        return found

    monkeypatch.setattr("bascule.cli.chaos.attach", attach)
    journal = Journal(tmp_path / "journal.jsonl")
    cut = NetworkCut(hosts=(NORTH,), peers=("client",))
    one = Injection(cut, lab, journal, reference=reference(lab), number=1, clock=SystemClock(), sleep=time.sleep)
    assert one.strike().witness.seen
    assert on_client(lab, CONNECT, "0.5") == "TimeoutError"
    assert main(["chaos", "recover", str(tmp_path)]) == 0
    assert on_client(lab, CONNECT, "5") == "connected"
    eventually(lambda: taps() <= before)
    for client in joined:
        client.close()


def test_nobody_but_the_tap_answers_on_its_wire(lab: LabClient) -> None:
    """The router's own kernel hears what the wire carries, and must not say where the gateway is."""
    deaf = Trouble(loss=1.0, protocol="arp")
    lab.add_trouble(NORTH, deaf)
    forget = ["/bin/sh", "-c", "PATH=$PATH:/sbin:/usr/sbin ip neigh flush dev eth0"]
    done = lab.run(NORTH, forget, timeout_s=10, capabilities=("net_admin",))
    assert done.exit_code == 0, done.stderr
    assert lab.knock(NORTH, OTHER, TCP, limit_s=0.5) == "silent"
    lab.remove_trouble(NORTH, deaf)
    eventually(lambda: lab.knock(NORTH, OTHER, TCP, limit_s=2.0) == "connected")


def test_a_partition_and_a_loss_of_power_find_a_tapped_host_too(lab: LabClient, tmp_path: Path) -> None:
    with acting(lab, NetworkDelay(hosts=(NORTH,), delay_s=0.02), tmp_path):
        lab.partition((NORTH,))
        assert on_client(lab, CONNECT, "0.5") == "TimeoutError"
        lab.heal()
        eventually(lambda: on_client(lab, CONNECT, "2") == "connected")
        assert seconds(lab, ROUND_TRIPS) >= 0.08
        lab.power_off((NORTH,))
        assert on_client(lab, CONNECT, "0.5") in {"TimeoutError", "OSError"}
        lab.power_on((NORTH,))
        assert lab.traffic(NORTH, NetworkDelay(hosts=(NORTH,), delay_s=0.02).trouble(lab)) is None, "its wire is new"
    eventually(lambda: on_client(lab, CONNECT, "2") == "connected")
    assert seconds(lab, ROUND_TRIPS) < 0.08


def test_the_death_of_a_tap_is_told_and_its_end_makes_the_wire_whole(lab: LabClient, tmp_path: Path) -> None:
    before = taps()
    late = NetworkDelay(hosts=(NORTH,), delay_s=0.02)
    with acting(lab, late, tmp_path):
        (tap,) = taps() - before
        os.kill(int(tap), signal.SIGKILL)
        eventually(lambda: not taps() - before)
        with pytest.raises(LabError, match="does not obey"):
            lab.traffic(NORTH, late.trouble(lab))
    eventually(lambda: on_client(lab, CONNECT, "2") == "connected")


def test_with_a_dead_tap_every_fault_of_its_wire_can_be_undone(lab: LabClient, tmp_path: Path) -> None:
    before = taps()
    late, lossy = NetworkDelay(hosts=(NORTH,), delay_s=0.02), PacketLoss(hosts=(NORTH,), share=0.1)
    for folder in ("late", "lossy"):
        (tmp_path / folder).mkdir()
    with acting(lab, late, tmp_path / "late"), acting(lab, lossy, tmp_path / "lossy"):
        (tap,) = taps() - before
        os.kill(int(tap), signal.SIGKILL)
        eventually(lambda: not taps() - before)
    assert all(fault.undone(lab).seen for fault in (late, lossy))
    eventually(lambda: on_client(lab, CONNECT, "2") == "connected")
    with acting(lab, late, tmp_path):
        assert seconds(lab, ROUND_TRIPS) >= 0.08, "a new tap works"
