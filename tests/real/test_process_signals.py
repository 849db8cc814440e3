"""Stops that go wrong, in a real lab: what the member itself wrote down of the signals that it got."""

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

pytestmark = pytest.mark.real
SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH = "app-north-a-1"
MEMBER = """
import os, signal, sys, time
diary = os.open("diary", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
me = "main"
def say(number, frame):
    os.write(diary, f"{me} {signal.Signals(number).name}\\n".encode())
    if number == signal.SIGTERM:  # an orderly end that takes its time
        until = time.monotonic() + 5
        while time.monotonic() < until:
            time.sleep(0.01)
        os.write(diary, f"{me} in order\\n".encode())
        os._exit(0)
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, say)
if not os.fork():
    me = "child"
os.write(diary, f"{me} up\\n".encode())
while True:
    time.sleep(1)
"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[LabClient]:
    client = world.create(tmp_path / "lab", layout(SYSTEM, world.choose_prefix("loopback")), isolation="loopback")
    try:
        home = client.directory / "members" / NORTH
        home.mkdir(parents=True)
        client.launch(NORTH, NORTH, Launch(argv=(sys.executable, "-c", MEMBER)), home)
        eventually(lambda: sorted(diary(client)) == ["child up", "main up"])
        yield client
    finally:
        client.down()


def diary(lab: LabClient) -> list[str]:
    with contextlib.suppress(FileNotFoundError):
        return (lab.directory / "members" / NORTH / "diary").read_text().splitlines()
    return []


def eventually(claim: Callable[[], object], limit_s: float = 30.0) -> None:
    deadline_s = time.monotonic() + limit_s
    while not claim():
        assert time.monotonic() < deadline_s, f"not within {limit_s} s"
        time.sleep(0.02)


def injected(lab: LabClient, run: Path, *words: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "bascule", "chaos", "inject", "process-signals", f"member={NORTH}", *words]
    argv += ["--lab", str(lab.directory), "-o", str(run), "--for", "0.1s"]
    return subprocess.run(argv, check=False, capture_output=True, text=True, timeout=60)


def test_too_short_a_grace_cuts_the_orderly_end_off(lab: LabClient, tmp_path: Path) -> None:
    done = injected(lab, tmp_path / "run", "signals=SIGTERM,SIGKILL", "pause_s=0.2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "SIGKILL reached 2 processes" in done.stderr
    told = diary(lab)
    assert {"main SIGTERM", "child SIGTERM"} <= set(told)
    assert not [line for line in told if line.endswith("in order")]
    eventually(lambda: diary(lab).count("main up") == 2)


def test_signals_come_in_the_order_that_was_asked_for_and_to_the_children_alone(lab: LabClient, tmp_path: Path) -> None:
    words = ("signals=SIGUSR1,SIGHUP,SIGINT,SIGQUIT", "pause_s=0.3", "to=children")
    done = injected(lab, tmp_path / "run", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line for line in diary(lab) if " SIG" in line]
    assert told == ["child SIGUSR1", "child SIGHUP", "child SIGINT", "child SIGQUIT"]
    assert diary(lab).count("main up") == 1


def test_a_signal_that_finds_nobody_is_said_and_does_not_count(lab: LabClient, tmp_path: Path) -> None:
    done = injected(lab, tmp_path / "run", "signals=SIGKILL,SIGTERM")
    assert done.returncode == 2
    assert "SIGTERM reached 0 processes" in done.stdout
    eventually(lambda: diary(lab).count("main up") == 2)


def test_what_is_no_such_signal_is_refused_before_anything_is_done(lab: LabClient, tmp_path: Path) -> None:
    done = injected(lab, tmp_path / "run", "signals=SIGSTOP")
    assert done.returncode == 2
    assert not (tmp_path / "run").exists()
    assert not [line for line in diary(lab) if " SIG" in line]


def test_a_member_that_was_ended_is_up_again_after_sigkill_and_recover(lab: LabClient, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "bascule", "chaos", "inject", "process-signals", f"member={NORTH}"]
    argv += ["signals=SIGHUP,SIGKILL", "--lab", str(lab.directory), "-o", str(tmp_path / "run")]
    with subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as hand:
        assert hand.stderr is not None
        assert hand.stderr.readline().startswith("It acts")
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                words = path.read_bytes().split(b"\0")
                if b"bascule.drill.watchdog" in words and str(tmp_path / "run" / "journal.jsonl").encode() in words:
                    os.kill(int(path.parent.name), signal.SIGKILL)
        hand.kill()
    assert lab.processes(NORTH) == ()
    argv = [sys.executable, "-m", "bascule", "chaos", "recover", str(tmp_path / "run")]
    assert subprocess.run(argv, check=False, capture_output=True, timeout=60).returncode == 0
    eventually(lambda: diary(lab).count("main up") == 2)


def test_a_member_that_still_goes_down_at_the_undo_is_up_for_good_after_it(lab: LabClient, tmp_path: Path) -> None:
    main = lab.processes(NORTH)[0].pid
    done = injected(lab, tmp_path / "run", "signals=SIGTERM", "to=main")  # its orderly end takes five seconds
    assert done.returncode == 0, done.stdout + done.stderr
    after = lab.processes(NORTH)[0].pid
    assert after != main
    eventually(lambda: diary(lab).count("main up") == 2)
    assert lab.processes(NORTH)[0].pid == after


def test_a_member_to_whom_the_signals_mean_nothing_is_left_alone(lab: LabClient, tmp_path: Path) -> None:
    main = lab.processes(NORTH)[0].pid
    assert injected(lab, tmp_path / "run", "signals=SIGHUP,SIGUSR1", "pause_s=0.1").returncode == 0
    assert lab.processes(NORTH)[0].pid == main
