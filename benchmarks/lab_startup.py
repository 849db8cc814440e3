"""How long a lab takes from nothing to a whole cluster, what it weighs, and how fast it goes.

    .venv/bin/python benchmarks/lab_startup.py [--quick] [--json] [--rounds N]

Three PostgreSQL under Patroni, three etcd members and one HAProxy, each on a host of its own, in one region without
delay: cold, from empty directories (initdb and two base backups included). Each round is a new lab; medians over the
rounds. The baseline of each ratio is the goal of its work: at most 1 means that it is met. Times count from the call
that makes the hosts; memory is PSS of everything in the lab at the moment when it is whole.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bascule.drill.events import parse_line
from bascule.lab.lab import Lab
from bascule.system.reader import parse

BASELINE = "goal"
GOALS = {"all replicas streaming": 7.0, "memory": 300.0, "teardown": 1.0}
SYSTEM = """
system: startup
objectives:
  availability: {target: 99.9%}
  disruptions: {process: {rto: 30s, rpo: 1s}}
regions:
  here: {zones: [here-a, here-b, here-c]}
components:
  consensus:
    engine: etcd
    replicas: {here-a: 1, here-b: 1, here-c: 1}
  database:
    engine: postgresql
    replicas: {here-a: 1, here-b: 1, here-c: 1}
    needs: {consensus: hard}
  proxy:
    engine: haproxy
    replicas: {here-a: 1}
    options:
      listeners:
        postgresql: {port: 5000, mode: tcp, to: database, role: primary}
    needs: {database: hard}
workload: {through: proxy, port: postgresql, protocol: postgresql, rate: 50/s, deadline: 1s}
"""
STAGES = {
    "starting consensus": "hosts made",
    "starting database": "etcd serves",
    "starting proxy": "first primary",
    "all members are ready": "whole, as Patroni says",
}
"""What the lab says at the moment when a stage is reached, and how the stage is called."""
STREAMING = "all replicas streaming"
WORKS = ("hosts made", "etcd serves", "first primary", STREAMING, "whole, as Patroni says", "memory", "teardown")


def streaming_s(lab: Lab) -> float:
    """When the last replica began to stream, by PostgreSQL's own log; CLOCK_MONOTONIC seconds."""
    engine = lab.engines["database"]
    begun: list[float] = []
    for member in lab.members("database"):
        lines = (lab.directory / "logs" / f"{member.name}.log").read_text(errors="replace").splitlines()
        parsed = [(at_s, engine.event(text)) for at_s, text in filter(None, map(parse_line, lines))]
        begun += [at_s for at_s, event in parsed if event and event.text.startswith("streams timeline")][:1]
    if len(begun) != len(lab.members("database")) - 1:
        raise SystemExit(f"{len(begun)} replicas say that they stream: the log's words have changed")
    return max(begun)


def cold_start(directory: Path) -> dict[str, float]:
    """The figures of one lab, from nothing to nothing."""
    seen: dict[str, float] = {}
    start_s = time.monotonic()

    def note(words: str) -> None:
        if words in STAGES:
            seen[STAGES[words]] = time.monotonic() - start_s

    lab = Lab.up(parse(SYSTEM, "startup.yaml"), directory, source=directory / "startup.yaml", progress=note)
    try:
        seen["memory"] = lab.world.memory_bytes() / 1e6
        seen[STREAMING] = streaming_s(lab) - start_s
    finally:
        end_s = time.monotonic()
        lab.down()
    seen["teardown"] = time.monotonic() - end_s
    return seen


def rows_of(rounds: list[dict[str, float]]) -> list[dict[str, Any]]:
    """One row for each figure: the median, the range, and the ratio to its goal."""
    rows: list[dict[str, Any]] = []
    for work in WORKS:
        values = [figures[work] for figures in rounds]
        unit = "MB" if work == "memory" else "s"
        median = statistics.median(values)
        goal = GOALS.get(work)
        row = {
            "work": work,
            "subject": "bascule",
            "value": median,
            "unit": unit,
            "ratio": median / goal if goal else None,
        }
        rows.append(row | {"least": min(values), "most": max(values)})
        if goal:
            rows.append({"work": work, "subject": BASELINE, "value": goal, "unit": unit, "ratio": 1.0})
    return rows


def table(rows: list[dict[str, Any]]) -> str:
    """The rows for people: each with its goal, and whether it is met."""
    goals = {row["work"]: row["value"] for row in rows if row["subject"] == BASELINE}
    lines = []
    for row in rows:
        if row["subject"] != BASELINE:
            goal = goals.get(row["work"])
            verdict = "" if goal is None else f"goal {goal:g} {row['unit']}: {'met' if row['ratio'] <= 1 else 'missed'}"
            spread = f"({row['least']:.2f} to {row['most']:.2f})"
            lines.append(f"{row['work']:26} {row['value']:8.2f} {row['unit']:4} {spread:20} {verdict}".rstrip())
    return "\n".join(lines)


def main() -> None:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="one round")
    parser.add_argument("--rounds", type=int, default=5, help="how many labs, one after the other")
    parser.add_argument("--json", action="store_true", help="JSON instead of a table")
    options = parser.parse_args()
    rounds = []
    for number in range(1 if options.quick else max(1, options.rounds)):
        with tempfile.TemporaryDirectory() as name:
            rounds.append(cold_start(Path(name) / "lab"))
        sys.stderr.write(f"round {number + 1}: streaming after {rounds[-1][STREAMING]:.2f} s\n")
    rows = rows_of(rounds)
    machine = {
        "processors": os.cpu_count(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }
    if options.json:
        print(json.dumps({"machine": machine, "baseline": BASELINE, "rounds": len(rounds), "rows": rows}, indent=2))
        return
    print(", ".join(f"{name} {value}" for name, value in machine.items()) + f", rounds {len(rounds)}")
    print(table(rows))


if __name__ == "__main__":
    main()
