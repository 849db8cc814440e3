"""Measures inside of the peers' environment: `python -m benchmarks.peers.measure calls|memory ...`, prints JSON.

Calls are measured in rounds: every subject of every work has its turn in each, so that whatever disturbs the machine
for a while disturbs all of them.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import itertools
import json
import os
import sys
import time
import tracemalloc
from dataclasses import dataclass
from typing import Any

from benchmarks.peers import works
from benchmarks.peers.subject import Call, Flavour

GUARDS = 1000


@dataclass
class Bench:
    """One subject at one work, and the nanoseconds per call of each round."""

    work: str
    subject: str
    flavour: Flavour
    call: Call
    calls: int
    took_ns: list[float]


def timed(call: Call, calls: int) -> float:
    """Nanoseconds per call."""
    turns = itertools.repeat(None, calls)
    begun_ns = time.perf_counter_ns()
    for _ in turns:
        call()
    return (time.perf_counter_ns() - begun_ns) / calls


async def timed_async(call: Call, calls: int) -> float:
    """Nanoseconds per awaited call."""
    turns = itertools.repeat(None, calls)
    begun_ns = time.perf_counter_ns()
    for _ in turns:
        await call()
    return (time.perf_counter_ns() - begun_ns) / calls


class Loop:
    """The one event loop of the measurement."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()

    def run(self, bench: Bench) -> float:
        """Nanoseconds per call, of as many calls as the bench makes."""
        if bench.flavour == "sync":
            return timed(bench.call, bench.calls)
        return self.loop.run_until_complete(timed_async(bench.call, bench.calls))

    def make(self, flavour: Flavour, setup: works.Setup) -> Call:
        """What is to be measured; made while the loop runs if it is to be awaited."""
        made: Any = setup()
        call: Call = self.loop.run_until_complete(made) if flavour == "async" else made
        return call


def is_there(subject: str, subjects: list[str]) -> bool:
    """Whether every library of a combination is installed."""
    return all(part in subjects or "." in part for part in subject.split(" + "))


def benches(loop: Loop, subjects: list[str]) -> list[Bench]:
    """Everything that is measured, the bare calls first."""
    made = [
        Bench(works.SYNC_BARE, "bare", "sync", works.answer, 1, []),
        Bench(works.ASYNC_BARE, "bare", "async", works.answer_async, 1, []),
    ]
    for subject, (flavour, setup) in works.SCALES.items():
        made.append(Bench(works.SCALE, subject, flavour, loop.make(flavour, setup), 1, []))
    for work, (flavour, makes, setup_of) in works.WORKS.items():
        for subject, make in makes.items():
            if is_there(subject, subjects):
                call = loop.make(flavour, functools.partial(setup_of, make))
                made.append(Bench(work, subject, flavour, call, 1, []))
    return made


def calibrate(loop: Loop, bench: Bench, slice_ns: float) -> None:
    """Find how many calls fill a turn."""
    bench.calls = 20
    loop.run(bench)
    while (took_ns := loop.run(bench) * bench.calls) < slice_ns / 4:
        bench.calls *= 4
    bench.calls = max(1, int(bench.calls * slice_ns / took_ns))


def measure_calls(rounds: int, slice_ms: float, subjects: list[str]) -> list[dict[str, object]]:
    """The nanoseconds per call of every subject at every work, round by round."""
    loop = Loop()
    all_of_them = benches(loop, subjects)
    for bench in all_of_them:
        calibrate(loop, bench, slice_ms * 1e6)
    gc.disable()
    for _ in range(rounds):
        gc.collect()
        for bench in all_of_them:
            bench.took_ns.append(loop.run(bench))
    return [{"work": one.work, "subject": one.subject, "took_ns": one.took_ns} for one in all_of_them]


def measure_memory(kind: str, subject: str) -> float:
    """Bytes per guard, of a thousand that each guard a function of their own and were called once."""
    make = {"breaker": works.BREAKER, "stack": works.STACK}[kind][subject]

    def guarded() -> Call:
        def function() -> int:
            return 1

        call = make()(function)
        call()
        return call

    kept: list[Call] = [guarded()]
    gc.collect()
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    kept.extend(guarded() for _ in range(GUARDS))
    gc.collect()
    after, _ = tracemalloc.get_traced_memory()
    return (after - before) / GUARDS


def main() -> None:
    """Measure what the words say; leave without waiting for threads that hold a slot."""
    match sys.argv[1:]:
        case ["calls", rounds, slice_ms, *subjects]:
            print(json.dumps(measure_calls(int(rounds), float(slice_ms), subjects)))
        case ["memory", kind, subject]:
            print(json.dumps(measure_memory(kind, subject)))
        case words:
            sys.exit(f"calls ROUNDS MS SUBJECT... or memory KIND SUBJECT, not {words}")
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
