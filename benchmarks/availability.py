"""How long a system of a thousand components takes to be solved: its unavailability and what matters in it.

    .venv/bin/python benchmarks/availability.py [--quick] [--json] [--rounds N]

Several hundred services with replicas in two regions of three zones each, that need each other, and a tree with much
sharing and no modules. The baseline of each ratio is the own engine's goal for the thousand components, one second; of
the rest it is OxiDD in the same run. Times are those of the processor: one core, whoever else uses the machine.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import machine

from bascule.availability.structure import Basic, Event, Node, Structure, all_of, any_of, at_least
from bascule.availability.trees.cut_sets import cut_sets
from bascule.availability.trees.importance import importances
from bascule.availability.trees.solving import Engine, solve

GOAL_S = 1.0
REGIONS, ZONES = 2, 3
ENGINES: tuple[Engine, ...] = ("own", "oxidd")


def never() -> bool:
    """Time is never up."""
    return False


def cloud(components: int, dice: random.Random) -> Structure:
    """Services of three or two replicas in zones of regions; each needs up to three of those before it."""
    events: dict[str, Event] = {}

    def basic(name: str, share: float, part: str, kind: str) -> Basic:
        events[name] = Event(share, 3600.0, part, kind)
        return Basic(name)

    down: list[list[Node]] = []
    for region in range(REGIONS):
        whole = basic(f"region-{region}", 1e-5, f"region-{region}", "region")
        zones = [f"zone-{region}-{zone}" for zone in range(ZONES)]
        down.append([any_of(whole, basic(zone, 1e-4, zone, "zone")) for zone in zones])
    services: list[Node] = []
    needed: set[Node] = set()
    while len(events) < components:
        name = f"service-{len(services)}"
        region = dice.randrange(REGIONS)
        count = min(dice.choice((2, 3, 3, 4)), components - len(events))
        # Every eighth service has its replicas in both regions.
        places = [
            down[(region + replica * (len(services) % 8 == 0)) % REGIONS][replica % ZONES] for replica in range(count)
        ]
        share = dice.uniform(1e-4, 5e-3)
        replicas = [
            any_of(basic(f"{name}-{number}", share, name, "replica"), place) for number, place in enumerate(places)
        ]
        own = at_least(2, *replicas) if count == 4 else all_of(*replicas)
        needs = dice.sample(services[-40:], min(len(services), dice.randrange(4)))
        needed.update(needs)
        services.append(any_of(own, *needs))
    return Structure(any_of(*(service for service in services if service not in needed)), events)


def tangle(size: int, dice: random.Random) -> Structure:
    """A hard tree: layers of gates that count, each over gates of the layer below, all of which share."""
    events = {f"e{number}": Event(dice.uniform(1e-3, 5e-2)) for number in range(size)}
    layer: list[Node] = [Basic(name) for name in events]
    for width in (size, size // 2, size // 4, size // 8):
        layer = [
            at_least(2 if number % 2 else 1, *(layer[(number * 2 + step) % len(layer)] for step in (0, 1, 3, 6)))
            for number in range(width)
        ]
    return Structure(at_least(len(layer) // 2 + 1, *layer), events)


def works(size: int, hard: int) -> dict[tuple[str, str], Callable[[], int]]:
    """Each work and subject, with what does it; it returns how much it found."""
    large, knot = cloud(size, random.Random(7)), tangle(hard, random.Random(7))  # noqa: S311 - luck that repeats
    found: dict[tuple[str, str], Callable[[], int]] = {}
    for engine in ENGINES:
        subject = "bascule" if engine == "own" else engine
        found[f"{size} components", subject] = _solving(large, engine)
        found["hard tree", subject] = _solving(knot, engine)
    found[f"{size} components, every importance", "bascule"] = lambda: len(importances(large, expired=never).events)
    found[f"{size} components, cut sets", "bascule"] = lambda: cut_sets(large, expired=never).count
    return found


def _solving(structure: Structure, engine: Engine) -> Callable[[], int]:
    def run() -> int:
        solution = solve(structure, expired=never, engine=engine)
        return 0 if solution.method == "bounds" else solution.nodes

    return run


def rows(size: int, hard: int, rounds: int) -> list[dict[str, object]]:
    """Medians over the rounds, each with its ratio to its baseline."""
    taken: dict[tuple[str, str], float] = {}
    nodes: dict[tuple[str, str], int] = {}
    for key, run in works(size, hard).items():
        times: list[float] = []
        for _ in range(rounds):
            begun_s = time.process_time()
            nodes[key] = run()
            times.append(time.process_time() - begun_s)
        if not nodes[key]:
            sys.exit(f"{key}: nothing was found")
        taken[key] = statistics.median(times)
    found: list[dict[str, object]] = []
    for (work, subject), value in taken.items():
        baseline = GOAL_S if work.startswith(f"{size}") else taken.get((work, "oxidd"), GOAL_S)
        found.append({
            "work": work, "subject": subject, "value": round(value, 3), "unit": "s", "ratio": round(value / baseline,
            3), "found": nodes[work, subject],
        })  # fmt: skip
    return sorted(found, key=lambda row: str(row["work"]))


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the components, one round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    size, hard, rounds = (100, 32, 1) if options.quick else (1000, 64, options.rounds)
    found = rows(size, hard, rounds)
    if options.json:
        print(json.dumps({"machine": machine(), "rounds": rounds, "rows": found}, indent=2))
        return 0
    print(f"medians of {rounds} rounds; {machine()}")
    for row in found:
        print(
            f"{row['work']:<38} {row['subject']:<8} {row['value']:>8.3f} s   {row['ratio']:>7.2f} of its baseline"
            f"   {row['found']:,} found"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
