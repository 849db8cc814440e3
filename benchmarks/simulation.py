"""How long a million months of a system of fifty components take to simulate, and how much memory.

    .venv/bin/python benchmarks/simulation.py [--quick] [--json] [--rounds N]

An event is one basic event that goes down or comes back. Times are those of the one processor that a subject uses: it
waits for nothing, and what else the machine does is not counted. The baseline of the months is the goal of fifteen
seconds, that of the memory a gigabyte: at most 1 means that it is met. The baseline of the events per second is SimPy,
which simulates fewer months of the same system in the same run, in a virtual environment that is gone afterwards; where
there is no registry of packages, ours is measured alone. The system stands in `benchmarks/peers/months.py`.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import ROOT, Environment, environment, machine, show

PINS = {"simpy": "4.1.2"}
GOAL_S, GOAL_MB = 15.0, 1024.0
MONTHS, PEERS_MONTHS = 1_000_000, 5_000
RATES_PER_YEAR = (3, 12)
PATIENCE_S = 900.0
Row = dict[str, object]
Taken = dict[str, float]


def ours(months: int, per_year: int) -> Taken:
    """One run in a process of its own, so that its peak of memory is its own."""
    argv = [sys.executable, "-m", "benchmarks.peers.months", "bascule", str(months), str(per_year)]
    paths = os.environ | {"PYTHONPATH": f"{ROOT / 'src'}{os.pathsep}{ROOT}"}
    done = subprocess.run(argv, cwd=ROOT, env=paths, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
    return told_by(done)


def peers(here: Environment, months: int, per_year: int) -> Taken:
    """One run of SimPy."""
    words = ["-m", "benchmarks.peers.months", "simpy", str(months), str(per_year)]
    return told_by(here.run(*words, timeout_s=PATIENCE_S))


def told_by(done: subprocess.CompletedProcess[str]) -> Taken:
    """What a run printed."""
    if done.returncode != 0:
        sys.exit(done.stderr)
    told: Taken = json.loads(done.stdout)
    return told


def same(one: Taken, other: Taken) -> None:
    """Stop unless both had as many outages per event, but for five standard deviations."""
    expected = one["outages"] * other["events"] / one["events"]
    if abs(other["outages"] - expected) > 5 * expected**0.5 + 5:
        sys.exit(f"bascule and SimPy do not simulate the same system: {one}, {other}")


def rows(here: Environment, per_year: int, rounds: int, months: int, peers_months: int) -> list[Row]:
    """The rows for one rate of failures."""
    mine: list[Taken] = []
    theirs: list[Taken] = []
    for _ in range(rounds):
        mine.append(ours(months, per_year))
        if not here.missing:
            theirs.append(peers(here, peers_months, per_year))
            same(mine[-1], theirs[-1])
    rate = f"{per_year} failures a year and replica"
    took_s = statistics.median(one["took_s"] for one in mine)
    peak_mb = statistics.median(one["peak_mb"] for one in mine)
    speeds = [one["events"] / one["took_s"] for one in mine]
    found: list[Row] = [
        row(f"{months:,} months, {rate}", "bascule", took_s, "s", took_s / (GOAL_S * months / MONTHS)),
        row(f"peak memory, {rate}", "bascule", peak_mb, "MB", peak_mb / GOAL_MB),
    ]
    if not theirs:
        return [*found, row(f"events per second, {rate}", "bascule", statistics.median(speeds), "1/s", None)]
    base = [one["events"] / one["took_s"] for one in theirs]
    ratio = statistics.median(speed / slow for speed, slow in zip(speeds, base, strict=True))
    return [
        *found,
        row(f"events per second, {rate}", "bascule", statistics.median(speeds), "1/s", ratio),
        row(f"events per second, {rate}", "simpy", statistics.median(base), "1/s", 1.0),
    ]


def row(work: str, subject: str, value: float, unit: str, ratio: float | None) -> Row:
    """One line of the result."""
    rounded = None if ratio is None else round(ratio, 3)
    return {"work": work, "subject": subject, "value": round(value, 2), "unit": unit, "ratio": rounded}


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the months, one round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    part, rounds = (100, 1) if options.quick else (1, options.rounds)
    with environment(PINS) as here:
        taken = [
            line
            for per_year in RATES_PER_YEAR
            for line in rows(here, per_year, rounds, MONTHS // part, max(200, PEERS_MONTHS // part))
        ]
        versions = {name: version for name, version in PINS.items() if name not in here.missing}
    result: dict[str, object] = {"machine": machine(), "peers": versions, "rounds": rounds, "rows": taken}
    if options.json:
        show(result)
        return 0
    print(f"medians of {rounds} rounds; {result['machine']}")
    for line in taken:
        print(f"{line['work']:<58} {line['subject']:<8} {line['value']:>15,} {line['unit']:<4} {line['ratio']}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
