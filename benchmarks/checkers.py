"""How long the checkers take over a million operations.

    .venv/bin/python benchmarks/checkers.py [--quick] [--json] [--rounds N]

Each history is sound and busy: sixteen clients, operations that overlap. The baseline of each ratio is the goal of its
work: at most 1 means that it is met. Reading the history's file is measured apart.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.peers.environment import machine

from bascule.measure.checkers import (
    Operation,
    check_appends,
    check_elements,
    check_epochs,
    check_queue,
    check_register,
    check_set,
    check_staleness,
)
from bascule.measure.history import read_history, write_history
from bascule.measure.records import Record

MILLION = 1_000_000
SPAN_S = 0.016
STEP_S = 0.001
READS_OF_ALL = 4


def register(count: int, dice: random.Random) -> list[Operation]:
    """Writes and reads that take effect at a moment within their time."""
    history: list[Operation] = []
    value: int | None = None
    for number in range(count):
        at_s = number * STEP_S
        span = (at_s - dice.uniform(0, SPAN_S), at_s + dice.uniform(0, SPAN_S))
        if number % 3 == 0:
            value = number
            history.append(Operation("write", "x", value, *span))
        else:
            history.append(Operation("read", "x", value, *span))
    return history


def elements(count: int, kind: str) -> list[Operation]:
    """What was added or appended one after the other, and a few reads of everything."""
    history = [Operation(kind, "x", number, number * STEP_S, (number + 0.5) * STEP_S) for number in range(count)]  # type: ignore[arg-type]  # a kind by name
    look = "members" if kind == "add" else "list"
    for part in range(1, READS_OF_ALL + 1):
        known = count * part // READS_OF_ALL
        history.append(Operation(look, "x", tuple(range(known)), known * STEP_S - 1e-6, known * STEP_S))  # type: ignore[arg-type]  # a kind by name
    return history


def queue(count: int) -> list[Operation]:
    """Every message enqueued, and delivered once."""
    half = range(count // 2)
    history = [Operation("enqueue", "x", number, number * STEP_S, number * STEP_S) for number in half]
    history += [Operation("dequeue", "x", number, number * STEP_S, (number + 1) * STEP_S) for number in half]
    return [*history, Operation("drained", "x", None, count * STEP_S, count * STEP_S)]


def writes(count: int) -> list[Record]:
    """Records of a load client."""
    return [
        Record(number, "put", at_s, at_s, at_s + 0.01, "good", writes=True, epoch=1, server="a")
        for number in range(count)
        for at_s in (number * STEP_S,)
    ]


def works(count: int) -> dict[str, tuple[float, Callable[[], int]]]:
    """Each work: its goal in seconds for a million operations, and what does it; it returns how much it found."""
    dice = random.Random(7)  # noqa: S311 - luck that repeats
    zones = register(count, dice)
    added, appended, queued = elements(count, "add"), elements(count, "append"), queue(count)
    records = writes(count)
    present = dict.fromkeys(range(count), 1)
    return {
        "register, linearizability": (10.0, lambda: check_register(zones).violations),
        "register, staleness": (10.0, lambda: check_staleness(zones).violations),
        "set": (3.0, lambda: check_elements(added).violations),
        "list": (3.0, lambda: check_appends(appended).violations),
        "queue": (3.0, lambda: check_queue(queued).violations),
        "load's records, set": (3.0, lambda: len(check_set(records, present, None).lost)),
        "load's records, epochs": (3.0, lambda: check_epochs(records).violations),
        "reading the file": (10.0, lambda: _read(zones)),
    }


def _read(history: list[Operation]) -> int:
    return 0 if len(read_history(_saved(history))) == len(history) else 1


def _saved(history: list[Operation]) -> Path:
    path = Path(_DIRECTORY.name) / "history.jsonl"
    if not path.exists():
        write_history(path, history)
    return path


_DIRECTORY = tempfile.TemporaryDirectory()


def main() -> int:
    """Measure, and print a table or JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a hundredth of the operations, one round")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    count, rounds = (MILLION // 100, 1) if options.quick else (MILLION, options.rounds)
    rows = []
    for work, (goal_s, run) in works(count).items():
        run()
        taken: list[float] = []
        for _ in range(rounds):
            begun_s = time.perf_counter()
            found = run()
            taken.append(time.perf_counter() - begun_s)
            if found:
                sys.exit(f"{work}: a sound history was found broken")
        value = statistics.median(taken)
        ratio = value / (goal_s * count / MILLION)
        rows.append(
            {"work": work, "subject": "bascule", "value": round(value, 3), "unit": "s", "ratio": round(ratio, 3)}
        )
    result = {"machine": machine(), "operations": count, "rounds": rounds, "rows": rows}
    if options.json:
        print(json.dumps(result, indent=2))
        return 0
    print(f"{count:,} operations, medians of {rounds} rounds; {result['machine']}")
    for row in rows:
        print(f"{row['work']:<28} {row['value']:>8.3f} s   {row['ratio']:>6.2f} of its goal")
    return 0


if __name__ == "__main__":
    sys.exit(main())
