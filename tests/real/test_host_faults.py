"""Faults of whole hosts, seen by a client on another host: who answers it, and of which life."""

from __future__ import annotations

import contextlib
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

pytestmark = [
    pytest.mark.real,
    pytest.mark.skipif(bool(why := world.isolation_available()), reason=why),
]
SYSTEM = System(
    system="three",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("a", "b", "c"))},
    components={"app": Component(engine="service", replicas={"a": 1, "b": 1, "c": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
A, B, C = "app-a-1", "app-b-1", "app-c-1"
CLIENT = "client"
PORT = 7000
SERVER = """
import os, socket, time
with open("../../starts", "a") as starts:
    print(os.path.basename(os.getcwd()), file=starts)
ear = socket.create_server(("0.0.0.0", 7000))
while True:
    line, _ = ear.accept()
    with line:
        line.sendall(str(os.getpid()).encode())
"""
ASK = """
import socket, sys
with socket.create_connection((sys.argv[1], 7000), timeout=0.5) as line:
    print(line.recv(100).decode())
"""


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LabClient]:
    directory: Path = tmp_path_factory.mktemp("lab") / "lab"
    client = world.create(directory, layout(SYSTEM, world.choose_prefix("namespaces")), isolation="namespaces")
    try:
        for name in (B, A, C):
            home = directory / "members" / name
            home.mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", SERVER)), home)
        eventually(lambda: all(answer(client, CLIENT, name) for name in (A, B, C)))
        yield client
    finally:
        client.down()


def answer(lab: LabClient, source: str, target: str) -> str:
    """The pid that a server tells a program on another host; empty when it does not answer."""
    done = lab.run(source, [sys.executable, "-c", ASK, lab.address_of(target)])
    return done.stdout.decode().strip()


def starts(lab: LabClient) -> list[str]:
    return (lab.directory / "starts").read_text().splitlines()


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


class ByHand:
    """`bascule chaos inject` in a process of its own, once it acts."""

    def __init__(self, lab: LabClient, run: Path, *words: str) -> None:
        argv = [sys.executable, "-m", "bascule", "chaos", "inject", *words, "--lab", str(lab.directory), "-o", str(run)]
        self.run = run
        self.process = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr is not None
        told = self.process.stderr.readline()
        assert told.startswith("It acts"), told + self.process.stderr.read()

    def end(self) -> None:
        self.process.send_signal(signal.SIGINT)
        _, err = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, err

    def die(self) -> None:
        """SIGKILL to the command and to its watchdog, then `recover`."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"bascule.drill.watchdog" in words and str(self.run / "journal.jsonl").encode() in words:
                    os.kill(int(path.parent.name), signal.SIGKILL)
        self.process.kill()
        self.process.communicate()
        argv = [sys.executable, "-m", "bascule", "chaos", "recover", str(self.run)]
        done = subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(params=[ByHand.end, ByHand.die], ids=["at Ctrl-C", "after SIGKILL"])
def ended(request: pytest.FixtureRequest) -> Callable[[ByHand], None]:
    way: Callable[[ByHand], None] = request.param
    return way


def test_a_host_that_reboots_is_silent_and_answers_again_with_another_life(lab: LabClient, tmp_path: Path) -> None:
    before = answer(lab, CLIENT, A)
    count = len(starts(lab))
    hand = ByHand(lab, tmp_path / "run", "host-reboot", f"hosts={A},{B}", "down_s=3")
    assert answer(lab, CLIENT, A) == ""
    assert answer(lab, CLIENT, C)
    eventually(lambda: answer(lab, CLIENT, A))
    assert answer(lab, CLIENT, A) != before
    assert hand.process.poll() is None  # nobody undid it: it came back by itself
    eventually(lambda: len(starts(lab)) == count + 2)
    assert starts(lab)[count:] == [B, A]  # as they were started first, whatever the order of their names
    hand.end()
    assert len(starts(lab)) == count + 2


def test_the_undo_brings_it_up_at_once_also_after_sigkill(
    lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    count = len(starts(lab))
    hand = ByHand(lab, tmp_path / "run", "host-reboot", f"hosts={A}", "down_s=600")
    assert answer(lab, CLIENT, A) == ""
    ended(hand)
    eventually(lambda: answer(lab, CLIENT, A))
    assert starts(lab)[count:] == [A]
    assert not lab.boot(A).returning


def test_a_partial_partition_is_a_cut_between_two_sets_that_a_third_does_not_see(
    lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    hand = ByHand(lab, tmp_path / "run", "network-cut", f"hosts={A}", f"peers={C}")
    assert answer(lab, A, C) == answer(lab, C, A) == ""
    for source, target in ((A, B), (B, A), (B, C), (C, B), (CLIENT, A), (CLIENT, C)):
        assert answer(lab, source, target), f"{source} -> {target}"
    ended(hand)
    eventually(lambda: answer(lab, A, C) and answer(lab, C, A))


def test_a_partition_of_one_host_isolates_it_from_its_clients_too_and_inside_all_goes_on(
    lab: LabClient, tmp_path: Path, ended: Callable[[ByHand], None]
) -> None:
    before = lab.processes(A)
    hand = ByHand(lab, tmp_path / "run", "partition", f"hosts={A}")
    for source, target in ((CLIENT, A), (B, A), (A, B)):
        assert answer(lab, source, target) == "", f"{source} -> {target}"
    assert answer(lab, A, A)
    assert answer(lab, CLIENT, B)
    ended(hand)
    eventually(lambda: answer(lab, CLIENT, A) and answer(lab, A, B))
    assert lab.processes(A) == before
