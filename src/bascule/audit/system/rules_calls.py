"""Timeouts and retries along the chains of calls. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.kernel.quantities import Duration
from bascule.system.model import Need, System

MOST_CALLS = 8
"""More calls than this at the end of a chain for one at its start make an overload last."""


def _chains(system: System) -> Iterator[tuple[tuple[str, str], ...]]:
    """Every chain of needs from the entry on, as its calls; needs may go round, so no component comes twice."""
    pending: list[tuple[tuple[str, str], ...]] = [
        ((system.workload.through, other),) for other in system.components[system.workload.through].needs
    ]
    seen = 0
    while pending and seen < 10_000:
        chain = pending.pop()
        seen += 1
        yield chain
        callee = chain[-1][1]
        visited = {caller for caller, _ in chain} | {callee}
        if callee in system.components:
            pending += [(*chain, (callee, other)) for other in system.components[callee].needs if other not in visited]


def _need(system: System, call: tuple[str, str]) -> Need:
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
    told: set[tuple[tuple[str, str], tuple[str, str]]] = set()
    for chain in _chains(system):
        if len(chain) < 2 or (chain[-2], chain[-1]) in told:
            continue
        upper, lower = _need(system, chain[-2]), _need(system, chain[-1])
        longest = _longest_s(lower)
        if upper.timeout is None or longest is None or upper.timeout.seconds >= longest:
            continue
        told.add((chain[-2], chain[-1]))
        (caller, callee), (_, below) = chain[-2], chain[-1]
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
    told: set[tuple[str, str]] = set()
    for chain in _chains(system):
        calls = 1 + system.workload.retries
        for call in chain:
            calls *= 1 + _need(system, call).retries
        if calls > MOST_CALLS and _need(system, chain[-1]).retries and chain[-1] not in told:
            told.add(chain[-1])
            way = " -> ".join((chain[0][0], *(callee for _, callee in chain)))
            yield Found(
                place=estate.place(f"components.{chain[-1][0]}.needs.{chain[-1][1]}.retries"),
                what=f"one request becomes up to {calls} calls of {chain[-1][1]}, clients' retries included",
                subject=way,
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
    for call in dict.fromkeys(chain[-1] for chain in _chains(system)):
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
