"""What leases cost: processor time of an agent, and requests to its store, with one group and with two hundred.

    .venv/bin/python benchmarks/lease_cost.py [--quick] [--json] [--seconds S]

A real etcd member on this machine; one agent that holds all of its groups, without anything that follows them, so that
what is measured is the deciding and the renewing. Requests are counted where the agent calls its store; processor time
is that of the agent's whole process, as a share of one core. The baseline of each ratio is the goal of its work: at
most 1 means that it is met.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import platform
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bascule.cluster.agent.acting import Hear
from bascule.cluster.agent.driver import Driver
from bascule.cluster.agent.luck import Luck
from bascule.cluster.decisions import events
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.step import begin
from bascule.cluster.stores import etcd
from bascule.cluster.stores.port import Entry
from bascule.engines import binaries
from bascule.kernel.clock import BootClock

GOAL_CORE = 0.1
TTLS_S = (0.5, 3.0)
GROUPS = (1, 200)
SETTLE_LIMIT_S = 60.0


class Counted(etcd.EtcdStore):
    """Counts what is asked of the store."""

    requests = 0

    async def read(self, prefix: str) -> tuple[Entry, ...]:
        """As the store, counted."""
        Counted.requests += 1
        return await super().read(prefix)

    async def swap(self, key: str, value: bytes, expected: int) -> int | None:
        """As the store, counted."""
        Counted.requests += 1
        return await super().swap(key, value, expected)


class Nothing:
    """Nothing follows these leases: every wish is fulfilled at once."""

    def promote(self, group: str, token: int, until_s: float, hear: Hear) -> None:
        """It is done."""
        del token, until_s
        hear(events.Promoted(group=group))

    def extend(self, until_s: float) -> None:
        """Nothing ends by itself."""

    def demote(self, group: str, token: int, until_s: float, why: str, hear: Hear) -> None:
        """It is undone."""
        del token, until_s, why
        hear(events.Demoted(group=group))

    def announce(self) -> None:
        """Nobody has to know."""

    def fence(self, peer: str, session: str, group: str, hear: Hear) -> None:
        """There is nobody to fence."""


async def hold(port: int, ttl_s: float, groups: int, seconds: float) -> dict[str, float]:
    """Hold groups for a while; returns the cost."""
    options = etcd.Options(endpoints=(f"http://127.0.0.1:{port}",))
    made = etcd.make(options, ttl_s / 3)
    made.__class__ = Counted
    names = [Group(name=f"group-{number}") for number in range(groups)]
    driver = Driver(
        begin("agent", Timing(ttl_s=ttl_s, stop_s=ttl_s / 10), names),
        made,
        Nothing(),
        cluster=f"cost-{groups}-{ttl_s:g}",
        clock=BootClock(),
        dice=Luck(),
        publish=lambda _: None,
    )
    running = asyncio.create_task(driver.run())
    deadline_s = time.monotonic() + SETTLE_LIMIT_S
    while sum(one.phase == "active" for one in driver.state.groups.values()) < groups:
        if time.monotonic() > deadline_s or running.done():
            raise SystemExit(f"not all of {groups} groups are held")
        await asyncio.sleep(0.05)
    await asyncio.sleep(ttl_s)  # the last profile is written, the watch is up
    cpu_s, begun_s, requests = time.process_time(), time.monotonic(), Counted.requests
    await asyncio.sleep(seconds)
    took_s = time.monotonic() - begun_s
    cost = {"core": (time.process_time() - cpu_s) / took_s, "requests": (Counted.requests - requests) / took_s}
    driver.hear(events.Stopping())
    await running
    await made.close()
    return cost


def free_port() -> int:
    """A port of loopback that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def start_etcd(directory: Path) -> tuple[subprocess.Popen[bytes], int]:
    """One member; returns it once it answers."""
    program = binaries.find("etcd")
    port, peer = free_port(), free_port()
    words = {
        "data-dir": str(directory / "data"),
        "listen-client-urls": f"http://127.0.0.1:{port}",
        "advertise-client-urls": f"http://127.0.0.1:{port}",
        "listen-peer-urls": f"http://127.0.0.1:{peer}",
        "initial-advertise-peer-urls": f"http://127.0.0.1:{peer}",
        "initial-cluster": f"default=http://127.0.0.1:{peer}",
        "log-level": "error",
    }
    argv = [*program.argv, *(f"--{key}={value}" for key, value in words.items())]
    environment = {**os.environ, **program.environment}
    process = subprocess.Popen(argv, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline_s = time.monotonic() + 30
    while time.monotonic() < deadline_s:
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
        except OSError:
            time.sleep(0.05)
        else:
            return process, port
    process.kill()
    process.wait()
    raise SystemExit("etcd does not answer")


def measure(port: int, ttl_s: float, groups: int, seconds: float) -> dict[str, float]:
    """The cost of an agent in a process of its own."""
    argv = [sys.executable, __file__, "--child", f"{port}:{ttl_s}:{groups}:{seconds}"]
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=seconds + SETTLE_LIMIT_S + 30)
    if done.returncode:
        raise SystemExit(done.stderr)
    return dict(json.loads(done.stdout))


def rows_of(seconds: float, ttls_s: tuple[float, ...]) -> list[dict[str, Any]]:
    """Every row, from a store of their own."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name:
        process, port = start_etcd(Path(name))
        try:
            for ttl_s in ttls_s:
                for groups in GROUPS:
                    cost = measure(port, ttl_s, groups, seconds)
                    work = f"{groups} groups, lease {ttl_s:g} s"
                    rows.append(_row(f"{work}: processor", cost["core"], "cores", cost["core"] / GOAL_CORE))
                    rows.append(_row(f"{work}: requests", cost["requests"], "/s", None))
                    rows.append(_row(f"{work}: requests for each group", cost["requests"] / groups, "/s", None))
        finally:
            process.kill()
            process.wait()
    return rows


def _row(work: str, value: float, unit: str, ratio: float | None) -> dict[str, Any]:
    return {"work": work, "subject": "bascule", "value": round(value, 4), "unit": unit, "ratio": ratio}


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one lease, two seconds")
    parser.add_argument("--seconds", type=float, default=20.0, help="how long each agent is watched")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        port, ttl_s, groups, seconds = options.child.split(":")
        print(json.dumps(asyncio.run(hold(int(port), float(ttl_s), int(groups), float(seconds)))))
        return
    rows = rows_of(2.0 if options.quick else options.seconds, TTLS_S[:1] if options.quick else TTLS_S)
    machine = {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps({"machine": machine, "baseline": f"goal: {GOAL_CORE:g} cores", "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for row in rows:
        goal = "" if row["ratio"] is None else f"  goal {GOAL_CORE:g}: {'met' if row['ratio'] <= 1 else 'missed'}"
        print(f"{row['work']:46} {row['value']:9.4f} {row['unit']}{goal}")


if __name__ == "__main__":
    main()
