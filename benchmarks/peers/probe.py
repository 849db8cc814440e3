"""Runs one trap against one library, in a process of its own: `python -m benchmarks.peers.probe SUBJECT TRAP`.

One line of JSON for each flavour of call. `--offers` prints which traps concern which library.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from benchmarks.peers import traps_breaker, traps_call, traps_retry
from benchmarks.peers.lab import Lab, MissedError, NotOfferedError, VoidError
from benchmarks.peers.subject import FLAVOURS, Flavour, Subject


@dataclass(frozen=True)
class Trap:
    """A trap: what must hold, and the features of which a library needs one to be asked."""

    text: str
    run: Callable[[Lab], str]
    features: tuple[str, ...]


SUBJECTS = {
    "bascule": "ours.BASCULE",
    "tenacity": "retriers.TENACITY",
    "stamina": "retriers.STAMINA",
    "pybreaker": "breakers.PYBREAKER",
    "circuitbreaker": "breakers.CIRCUITBREAKER",
    "purgatory": "breakers.PURGATORY",
    "hyx": "toolkits.HYX",
    "fluxgate": "breakers.FLUXGATE",
    "nopanic": "toolkits.NOPANIC",
    "interlock-cb": "toolkits.INTERLOCK",
    "pyresilience": "toolkits.PYRESILIENCE",
    "aiobreaker": "breakers.AIOBREAKER",
}
"""Where each library's adapter is; it is imported when it is asked for, after the clock was exchanged if need be."""


def subject_of(name: str) -> Subject:
    """A library's adapter."""
    module, _, attribute = SUBJECTS[name].partition(".")
    found: Subject = getattr(import_module(f"benchmarks.peers.{module}"), attribute)
    return found


ANY = ("retry", "breaker", "bulkhead", "timeout")
TRAPS = {
    "1": Trap("half-open stampede: of 50 callers only the probes get through", traps_breaker.stampede, ("breaker",)),
    "2": Trap("an outcome from an earlier generation is discarded", traps_breaker.earlier_generation, ("breaker",)),
    "3": Trap("a hung probe cannot wedge half-open", traps_breaker.hung_probe, ("breaker",)),
    "4": Trap("an ignored exception returns its permit", traps_breaker.ignored_returns_permit, ("breaker",)),
    "5": Trap(
        "cancellation is neither success nor failure and leaks nothing", traps_breaker.cancellation, ("breaker",)
    ),
    "6": Trap("a late success cannot close an open circuit", traps_breaker.late_success, ("breaker",)),
    "7": Trap("retry never swallows cancellation, interrupt or exit", traps_retry.never_swallowed, ("retry",)),
    "8": Trap("no lock is held during the call", traps_call.lock_free, ANY),
    "9": Trap("no shape is silently unguarded", traps_call.shapes, ("retry", "breaker")),
    "10": Trap(
        "a sync timeout is bounded, carries contextvars, counts its zombies", traps_call.worker_threads, ("workers",)
    ),
    "11": Trap("the user's own TimeoutError stays the user's", traps_call.own_timeout, ("timeout",)),
    "12": Trap("a retry budget keeps a total outage at 1.2x load", traps_retry.budget, ("budget",)),
    "13": Trap("hedges stay within a budget and leave nothing running", traps_retry.hedging, ("hedge",)),
    "14": Trap("a deadline is never overshot by a backoff wait", traps_retry.deadline, ("deadline",)),
    "15": Trap("Retry-After is honoured and capped", traps_retry.retry_after, ("retry after",)),
    "16": Trap("monotonic time only", traps_breaker.wall_clock, ("breaker", "deadline")),
    "17": Trap("one guard from several loops and threads", traps_call.loops, ("retry", "breaker", "bulkhead")),
    "18": Trap("a listener that raises", traps_call.listener_raises, ("listener",)),
    "19": Trap("a listener that blocks", traps_call.listener_blocks, ("listener",)),
    "20": Trap("an excluded exception leaves the counts alone", traps_breaker.excluded, ("breaker",)),
}


def concerns(trap: Trap, subject: Subject) -> bool:
    """Whether a library has a feature that the trap is about."""
    offered = {name for name, _ in subject.features} | ({"workers"} if subject.workers else set())
    return not offered.isdisjoint(trap.features)


def verdict(trap: Trap, subject: Subject, flavour: Flavour) -> dict[str, str]:
    """What came of one experiment: `holds`, `misses`, `not offered` or `void`, and what was seen."""
    try:
        seen = trap.run(Lab(subject, flavour))
    except NotOfferedError:
        return {"flavour": flavour, "verdict": "not offered", "seen": ""}
    except MissedError as missed:
        return {"flavour": flavour, "verdict": "misses", "seen": re.sub(r" at 0x[0-9a-f]+", "", str(missed))}
    except VoidError as void:
        return {"flavour": flavour, "verdict": "void", "seen": str(void)}
    return {"flavour": flavour, "verdict": "holds", "seen": seen}


def main() -> None:
    """Run the experiment in both flavours, and leave without waiting for what hangs."""
    if sys.argv[1:] == ["--offers"]:
        found = {name: subject_of(name) for name in SUBJECTS}
        offers = {name: [key for key, trap in TRAPS.items() if concerns(trap, it)] for name, it in found.items()}
        print(json.dumps(offers))
        return
    name, key = sys.argv[1:]
    if key == "16":
        traps_breaker.install_wall_clock()
    for flavour in FLAVOURS:
        print(json.dumps(verdict(TRAPS[key], subject_of(name), flavour)), flush=True)
    sys.stdout.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
