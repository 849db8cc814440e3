"""Timeouts and retries along the chains of calls. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.kernel.quantities import Duration
from bascule.system.model import Need, System

MOST_CALLS = 8
"""More calls than this at the end of a chain for one at its start make an overload last."""


Call: TypeAlias = tuple[str, str]
"""Who calls whom."""
MOST_NAMED = 8
"""Components of a chain that are named; of a longer one its two ends."""


def _order(system: System) -> list[str]:
    """Every component that a request may come to, each once: whoever calls comes first, but for needs that go round."""
    entry = system.workload.through
    seen = {entry}
    done: list[str] = []
    pending = [(entry, iter(system.components[entry].needs))]
    while pending:
        name, others = pending[-1]
        below = next((other for other in others if other in system.components and other not in seen), None)
        if below is None:
            done.append(name)
            pending.pop()
        else:
            seen.add(below)
            pending.append((below, iter(system.components[below].needs)))
    return done[::-1]


def _calls(system: System) -> Iterator[Call]:
    """Every call that a request may lead to, each once."""
    for caller in _order(system):
        yield from ((caller, callee) for callee in system.components[caller].needs)


def _chains(system: System) -> Iterator[tuple[Call, int, dict[str, str]]]:
    """Each call with how many of it one request becomes at most, and who comes before whom on that way.

    The longest way to each component is kept, in the order of `_order`: each call is looked at once, however many ways
    lead to it. A call back to who comes before is not followed.
    """
    order = {name: number for number, name in enumerate(_order(system))}
    most = {system.workload.through: 1 + system.workload.retries}
    before: dict[str, str] = {}
    for caller, position in order.items():
        for callee in system.components[caller].needs:
            if order.get(callee, len(order)) <= position:
                continue
            calls = most[caller] * (1 + _need(system, (caller, callee)).retries)
            yield (caller, callee), calls, before
            if calls > most.get(callee, 0):
                most[callee], before[callee] = calls, caller


def _way(before: dict[str, str], name: str) -> list[str]:
    """From the entry to this component; of a long way both ends."""
    way = [name]
    while way[-1] in before:
        way.append(before[way[-1]])
    way.reverse()
    return way if len(way) < MOST_NAMED else [*way[:3], "...", *way[-3:]]


def _need(system: System, call: Call) -> Need:
    return system.components[call[0]].needs[call[1]]


def _longest_s(need: Need) -> float | None:
    """How long a call with all of its retries may take; None where that is not said."""
    return None if need.timeout is None else need.timeout.seconds * (1 + need.retries)


@rule(
    "BSC-SYS-030",
    "timeouts-the-wrong-way-round",
    severity="high",
    technology="system",
    breaks=("availability", "latency"),
    why="The caller gives up before what it called has given up itself. The work below goes on for nobody, and "
    "the caller repeats it.",
    fix="Let timeouts shrink along the chain: the caller's is at least the callee's times one more than its retries.",
    source="B. Beyer et al., Site Reliability Engineering (2016), ch. 22 (deadlines); Google SRE, Addressing "
    "Cascading Failures",
)
def inverted_timeouts(estate: Estate) -> Iterator[Found]:
    """A call that gives up before the call below it, its retries counted."""
    system = estate.system
    if system is None:
        return
    for caller, callee in _calls(system):
        upper = _need(system, (caller, callee))
        for below, lower in system.components[callee].needs.items() if callee in system.components else ():
            longest = _longest_s(lower)
            if below == caller or upper.timeout is None or longest is None or upper.timeout.seconds >= longest:
                continue
            tries = f" x {1 + lower.retries}" if lower.retries else ""
            yield Found(
                place=estate.place(f"components.{caller}.needs.{callee}.timeout"),
                what=f"{caller} waits {upper.timeout} for {callee}, which waits {lower.timeout}{tries} for {below}",
                subject=f"{caller} -> {callee} -> {below}",
                related=((estate.place(f"components.{callee}.needs.{below}"), "the call below"),),
            )


@rule(
    "BSC-SYS-031",
    "retries-multiply",
    severity="high",
    technology="system",
    breaks=("availability",),
    why="Each level repeats what the level below has repeated already: the calls multiply. When the lowest is "
    "slow, it gets many times its load, and stays down after the cause is gone.",
    fix="Retry at one level only, with a budget and jitter.",
    source="M. Brooker, Timeouts, retries and backoff with jitter (Amazon Builders' Library); Bronson et al., "
    "Metastable failures in distributed systems, HotOS 2021",
)
def retries_multiply(estate: Estate) -> Iterator[Found]:
    """A chain of calls whose retries multiply to more than eight calls for one."""
    system = estate.system
    if system is None:
        return
    for call, calls, before in _chains(system):
        if calls > MOST_CALLS and _need(system, call).retries:
            count = f"{calls:,}" if calls < 10**9 else "over a thousand million"
            yield Found(
                place=estate.place(f"components.{call[0]}.needs.{call[1]}.retries"),
                what=f"one request becomes up to {count} calls of {call[1]}, clients' retries included",
                subject=" -> ".join([*_way(before, call[0]), call[1]]),
            )


@rule(
    "BSC-SYS-032",
    "longer-than-the-deadline",
    severity="medium",
    technology="system",
    breaks=("latency", "availability"),
    why="The client has gone when the deadline is over. A call that may take longer holds its connection, thread and "
    "memory for nobody.",
    fix="Let the timeout, times one more than the retries, fit into the deadline of the workload.",
    source="B. Beyer et al., Site Reliability Engineering (2016), ch. 22 (deadline propagation)",
)
def beyond_the_deadline(estate: Estate) -> Iterator[Found]:
    """A call on the way of a request that may take longer than the client waits."""
    system = estate.system
    if system is None:
        return
    deadline = system.workload.deadline
    for call in _calls(system):
        longest = _longest_s(_need(system, call))
        if longest is not None and longest > deadline.seconds:
            caller, callee = call
            yield Found(
                place=estate.place(f"components.{caller}.needs.{callee}.timeout"),
                what=f"{caller} may wait {Duration(round(longest, 6))} for {callee}, and clients wait {deadline}",
                subject=f"{caller} -> {callee}",
                related=((estate.place("workload.deadline"), "how long clients wait"),),
            )


RULES = (inverted_timeouts, retries_multiply, beyond_the_deadline)
