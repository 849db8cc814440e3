"""How many operations per second the load client holds, and how much latency it adds, against a plain HAProxy answer.

    .venv/bin/python benchmarks/load.py [--quick] [--json]

Both subjects offer the same open-loop schedule to the same HAProxy on loopback, in turn, several rounds, medians. The
baseline is the client that one would write first: a pool of threads with `http.client`, which keeps no records. Latency
counts from the due time of an operation; `added` is what is left of it without the time of a lone request on a warm
blocking socket, the floor of this machine.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import platform
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bascule.engines import binaries
from bascule.measure.latency import percentile
from bascule.measure.ledger import read_status
from bascule.measure.records import read

BASELINE = "threads with http.client"
CONFIGURATION = """
global
  maxconn 4096
  nbthread 1
defaults
  mode http
  timeout client 30s
  timeout connect 1s
  timeout server 5s
frontend plain
  bind 127.0.0.1:{port}
  http-request return status 200 content-type application/json string "{{}}"
"""
REQUEST = b"GET /tasks HTTP/1.1\r\nHost: localhost\r\n\r\n"
Seen = tuple[float, list[float]]


@contextlib.contextmanager
def haproxy(folder: Path) -> Iterator[int]:
    """A HAProxy that answers everything itself."""
    program = binaries.find("haproxy")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    file = folder / "haproxy.cfg"
    file.write_text(CONFIGURATION.format(port=port))
    environment = {**os.environ, **program.environment}
    process = subprocess.Popen([program.path, "-db", "-f", str(file)], env=environment, stderr=subprocess.DEVNULL)
    try:
        deadline_s = time.monotonic() + 10
        while True:
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                break
            if time.monotonic() > deadline_s:
                sys.exit("HAProxy does not listen")
            time.sleep(0.02)
        yield port
    finally:
        process.kill()
        process.wait()


def floor_s(port: int, requests: int = 500) -> float:
    """The median time of one request after the other on a blocking socket."""
    took = []
    with socket.create_connection(("127.0.0.1", port)) as wire:
        wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for _ in range(requests):
            start_s = time.monotonic()
            wire.sendall(REQUEST)
            wire.recv(4096)
            took.append(time.monotonic() - start_s)
    return statistics.median(took)


def ours(folder: Path, port: int, rate: float, seconds: float) -> Seen:
    """The share of the rate that the load client held, and each latency."""
    plan = {
        "client": "outside",
        "protocol": "http",
        "targets": [{"address": "127.0.0.1", "port": port}],
        "rate_per_s": rate,
        "deadline_s": 5.0,
        "count": int(rate * seconds),
        "records": str(folder / "records.jsonl"),
        "status": str(folder / "status.json"),
        "operations": [{"name": "read", "method": "GET", "path": "/tasks"}],
    }
    path = folder / "plan.json"
    path.write_text(json.dumps(plan))
    subprocess.run([sys.executable, "-m", "bascule.measure.client", str(path)], check=True)
    records = list(read(folder / "records.jsonl"))
    status = read_status(folder / "status.json")
    if status is None or status.acked != len(records):
        sys.exit(f"not every operation was good: {status}")
    took_s = max(record.done_s for record in records) - min(record.due_s for record in records)
    return len(records) / took_s, [record.latency_s for record in records]


def threads(port: int, rate: float, seconds: float, workers: int = 32) -> Seen:
    """The same for a pool of threads that share one schedule."""
    count = int(rate * seconds)
    latencies: list[float] = []
    numbers = iter(range(count))
    lock = threading.Lock()
    start_s = time.monotonic() + 0.2

    def work() -> None:
        wire = http.client.HTTPConnection("127.0.0.1", port)
        wire.connect()
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            due_s = start_s + number / rate
            time.sleep(max(0.0, due_s - time.monotonic()))
            wire.request("GET", "/tasks")
            wire.getresponse().read()
            latencies.append(time.monotonic() - due_s)
        wire.close()

    pool = [threading.Thread(target=work) for _ in range(workers)]
    for thread in pool:
        thread.start()
    for thread in pool:
        thread.join()
    return count / (time.monotonic() - start_s), latencies


def rows_of(rate: int, subject: str, seen: list[Seen], floor: float) -> list[dict[str, Any]]:
    """The medians over the rounds of one subject at one rate."""

    def added_ms(percent: float) -> float:
        each = [(percentile(latencies, percent) or 0.0) - floor for _, latencies in seen]
        return statistics.median(each) * 1000

    values = {
        f"{rate}/s: rate held": (statistics.median(held for held, _ in seen), "per s"),
        f"{rate}/s: added p50": (added_ms(50), "ms"),
        f"{rate}/s: added p99": (added_ms(99), "ms"),
    }
    return [{"work": work, "subject": subject, "value": value, "unit": unit} for work, (value, unit) in values.items()]


def measure(rates: list[int], rounds: int, seconds: float) -> list[dict[str, Any]]:
    """Every row, with its ratio to the baseline of the same work."""
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as name, haproxy(Path(name)) as port:
        floor = floor_s(port)
        rows.append(
            {"work": "floor: one request alone", "subject": "blocking socket", "value": floor * 1000, "unit": "ms"}
        )
        for rate in rates:
            seen: dict[str, list[Seen]] = {"bascule": [], BASELINE: []}
            for _ in range(rounds):
                seen["bascule"].append(ours(Path(name), port, rate, seconds))
                seen[BASELINE].append(threads(port, rate, seconds))
            for subject, several in seen.items():
                rows.extend(rows_of(rate, subject, several, floor))
    baseline = {row["work"]: row["value"] for row in rows if row["subject"] == BASELINE}
    for row in rows:
        base = baseline.get(row["work"])
        row["ratio"] = row["value"] / base if base else None
    return rows


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one short round")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args()
    rounds, seconds = (1, 1.0) if options.quick else (3, 5.0)
    rows = measure([500, 1000, 2000, 4000], rounds, seconds)
    machine = {"processors": os.cpu_count(), "kernel": platform.release(), "python": platform.python_version()}
    if options.json:
        print(json.dumps({"machine": machine, "baseline": BASELINE, "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()))
    for row in rows:
        ratio = f"x {row['ratio']:.2f}" if row["ratio"] else ""
        print(f"{row['work']:28} {row['subject']:26} {row['value']:10.2f} {row['unit']:6} {ratio}")


if __name__ == "__main__":
    main()
