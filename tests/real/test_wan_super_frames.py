"""What goes over the WAN whole, or split where it loses frames, arrives as it was sent."""

import hashlib
import sys
from pathlib import Path

import pytest

from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab import world
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Link, Objectives, Region, System, Workload

pytestmark = pytest.mark.real
SIZE_BYTES = 3_000_000
SINK = """
import hashlib, socket, sys
ear = socket.create_server((sys.argv[1], 7778))
while True:
    line, _ = ear.accept()
    found = hashlib.sha256()
    while data := line.recv(1 << 16):
        found.update(data)
    line.send(found.hexdigest().encode())
    line.close()
"""
PUSH = """
import socket, sys, time
while True:
    try:
        line = socket.create_connection((sys.argv[1], 7778), 30)
        break
    except OSError:
        time.sleep(0.05)
line.sendall(bytes(range(250)) * (int(sys.argv[2]) // 250))
line.shutdown(socket.SHUT_WR)
print(line.recv(100).decode())
"""


def arrived(tmp_path: Path, link: Link) -> str:
    system = System(
        system="wan",
        objectives=Objectives(availability=Availability(target=Share(0.9))),
        regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
        components={"app": Component(engine="service", replicas=dict.fromkeys(("north-a", "south-a"), 1))},
        workload=Workload(through="app", rate=Rate(1.0)),
        links=(link,),
    )
    lab = world.create(tmp_path / "lab", layout(system))
    try:
        address = lab.plan.host("app-south-a-1").address
        lab.spawn("app-south-a-1", "sink", [sys.executable, "-c", SINK, address])
        push = [sys.executable, "-c", PUSH, address, str(SIZE_BYTES)]
        return lab.run("app-north-a-1", push, timeout_s=60).stdout.decode().strip()
    finally:
        lab.down()


SENT = hashlib.sha256(bytes(range(250)) * (SIZE_BYTES // 250)).hexdigest()


def test_super_frames_arrive_whole_when_they_are_only_late(tmp_path: Path) -> None:
    assert arrived(tmp_path, Link(between=("north", "south"), delay=Duration(0.005))) == SENT


def test_super_frames_are_split_into_right_frames_where_some_are_lost(tmp_path: Path) -> None:
    link = Link(between=("north", "south"), delay=Duration(0.001), loss=Share(0.005))
    assert arrived(tmp_path, link) == SENT
