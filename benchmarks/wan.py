"""How true the lab's network is: round trips and bulk data over the WAN switch and through the tap in a host's wire.

    python benchmarks/wan.py [--quick] [--json]

The baseline of each ratio is the row `same region, no switch`. Hosts are real network namespaces; 20 ms is the round
trip of a link, or of a trouble, with 10 ms of delay each way. Also: how long the hosts take to be made, and taken down.
"""

from __future__ import annotations

import argparse
import json
import platform
import signal
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bascule.chaos.traffic import Trouble
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab import world
from bascule.lab.client import LabClient
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Link, Objectives, Region, System, Workload

SYSTEM = System(
    system="wan",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a", "north-b")), "south": Region(zones=("south-a", "south-b"))},
    components={"app": Component(engine="service", replicas=dict.fromkeys(("north-a", "north-b", "south-a"), 5))},
    workload=Workload(through="app", rate=Rate(1.0)),
    links=(Link(between=("north", "south"), delay=Duration(0.010)),),
)
SOURCE = "app-north-a-1"
PATHS = {
    "same region, no switch": (SOURCE, "app-north-b-1"),
    "over the switch, no delay": ("client", "app-south-a-2"),
    "over the switch, 20 ms": (SOURCE, "app-south-a-1"),
}
TROUBLES = {
    "through a tap, no delay": Trouble(loss=1.0, protocol="icmp"),
    "through a tap, 20 ms": Trouble(delay_s=0.010),
}
TAPPED = ("app-north-a-2", "app-north-b-2")
ECHO = """
import socket, sys
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.bind((sys.argv[1], 7777))
while True:
    line.sendto(*line.recvfrom(2048))
"""
PING = """
import json, socket, sys, time
line = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
line.connect((sys.argv[1], 7777))
line.settimeout(0.5)
trips = []
while len(trips) < int(sys.argv[2]) + 5:
    sent = time.monotonic()
    try:
        line.send(b"x")
        line.recv(64)
    except OSError:
        continue
    trips.append(time.monotonic() - sent)
    time.sleep(0.005)
print(json.dumps(trips[5:]))
"""
SINK = """
import socket, sys
ear = socket.create_server((sys.argv[1], 7778))
while True:
    line, _ = ear.accept()
    while line.recv(1 << 16):
        pass
    line.send(b"k")
    line.close()
"""
PUSH = """
import socket, sys, time
for _ in range(100):
    try:
        line = socket.create_connection((sys.argv[1], 7778))
        break
    except OSError:
        time.sleep(0.05)
begun = time.monotonic()
line.sendall(bytes(int(sys.argv[2])))
line.shutdown(socket.SHUT_WR)
line.recv(1)
print(time.monotonic() - begun)
"""
ROUNDS = 3
Row = dict[str, object]


def python(code: str, *arguments: str) -> list[str]:
    """The words that run a piece of Python on a host."""
    return [sys.executable, "-c", code, *arguments]


def round_trips(lab: LabClient, subject: str, source: str, target: str, count: int) -> list[Row]:
    """Median and 95th percentile of UDP round trips."""
    address = lab.plan.host(target).address
    lab.spawn(target, f"echo-{target}", python(ECHO, address))
    trips_s = json.loads(lab.run(source, python(PING, address, str(count)), timeout_s=300).stdout)
    cuts = statistics.quantiles(trips_s, n=20)
    figures = {"round trip p50": cuts[9], "round trip p95": cuts[18]}
    return [{"work": work, "subject": subject, "value": s * 1e3, "unit": "ms"} for work, s in figures.items()]


def bulk(lab: LabClient, subject: str, source: str, target: str, size_bytes: int) -> Row:
    """Median throughput of one TCP stream."""
    address = lab.plan.host(target).address
    lab.spawn(target, f"sink-{target}", python(SINK, address))
    times_s = [
        float(lab.run(source, python(PUSH, address, str(size_bytes)), timeout_s=300).stdout) for _ in range(ROUNDS)
    ]
    value = size_bytes / 1e6 / statistics.median(times_s)
    return {"work": "one TCP stream", "subject": subject, "value": value, "unit": "MB/s"}


def measure(*, quick: bool) -> list[Row]:
    """Every row, ratios included."""
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as directory:
        begun_s = time.monotonic()
        lab = world.create(Path(directory) / "lab", layout(SYSTEM))
        made_s = time.monotonic() - begun_s
        try:
            for subject, (source, target) in PATHS.items():
                rows += round_trips(lab, subject, source, target, 100 if quick else 1000)
                rows.append(bulk(lab, subject, source, target, 20_000_000 if quick else 200_000_000))
            for subject, trouble in TROUBLES.items():
                lab.add_trouble(TAPPED[0], trouble)
                rows += round_trips(lab, subject, *TAPPED, 100 if quick else 1000)
                rows.append(bulk(lab, subject, *TAPPED, 20_000_000 if quick else 200_000_000))
                lab.remove_trouble(TAPPED[0], trouble)
                for kind in ("echo", "sink"):
                    lab.signal(f"{kind}-{TAPPED[1]}", signal.SIGKILL)
                    lab.wait(f"{kind}-{TAPPED[1]}", timeout_s=10)
        finally:
            begun_s = time.monotonic()
            lab.down()
            ended_s = time.monotonic() - begun_s
    baselines = {row["work"]: float(str(row["value"])) for row in rows if row["subject"] == next(iter(PATHS))}
    for row in rows:
        row["ratio"] = float(str(row["value"])) / baselines[row["work"]]
    hosts = f"{len(lab.plan.hosts)} hosts"
    rows.append({"work": "make the hosts", "subject": hosts, "value": made_s, "unit": "s", "ratio": 1.0})
    rows.append({"work": "take them down", "subject": hosts, "value": ended_s, "unit": "s", "ratio": ended_s / made_s})
    return rows


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the work")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    rows = measure(quick=arguments.quick)
    if arguments.json:
        machine = {"kernel": platform.release(), "python": platform.python_version(), "machine": platform.machine()}
        print(json.dumps({"machine": machine, "rows": rows}))
        return
    for row in rows:
        print(f"{row['work']!s:16} {row['subject']!s:26} {row['value']:10.3f} {row['unit']!s:5} x{row['ratio']:.2f}")


if __name__ == "__main__":
    main()
