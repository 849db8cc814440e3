"""How ours is used: each policy alone, as the peers' are."""

from __future__ import annotations

from benchmarks.peers.subject import Decorator, Subject, Wanted, Workers, both

from bascule.guard import (
    FACTS,
    Bulkhead,
    CircuitBreaker,
    Consecutive,
    Deadline,
    Fixed,
    Guard,
    Hedge,
    Retry,
    RetryBudget,
    Timeout,
)


def circuit(wanted: Wanted) -> CircuitBreaker:
    """Consecutive failures, one probe, and a limit on how long it may take."""
    return CircuitBreaker(
        window=Consecutive(wanted.failures),
        minimum_calls=1,
        open_s=wanted.open_s,
        half_open_probes=1,
        half_open_s=2 * wanted.open_s,
        ignore=wanted.ignored or (),
    )


def breaker(wanted: Wanted) -> Decorator:
    """The breaker alone."""
    return circuit(wanted)


def attempts(wanted: Wanted) -> Retry:
    """Attempts and a fixed wait; `everything` is a predicate that says yes to all."""
    return Retry(
        wanted.attempts,
        backoff=Fixed(wanted.wait_s),
        on=(lambda _: True) if wanted.everything else Exception,
        budget=None,
    )


def retry(wanted: Wanted) -> Decorator:
    """The retry alone."""
    return attempts(wanted)


def bulkhead(wanted: Wanted) -> Decorator:
    """So many calls at a time, with a queue where a wait is wanted."""
    return Bulkhead(wanted.limit, queue=1000 if wanted.queue_wait_s else 0, wait_s=wanted.queue_wait_s)


def timeout(wanted: Wanted) -> Decorator:
    """The time limit of one call."""
    return Timeout(wanted.limit_s)


def workers(wanted: Wanted) -> Workers:
    """The same with so many worker threads."""
    limit = Timeout(wanted.limit_s, workers=wanted.workers)
    return Workers(limit, lambda: int(str(limit.snapshot()["abandoned"])))


def deadline(wanted: Wanted) -> Decorator:
    """A deadline around the retry."""
    return Guard(Deadline(wanted.deadline_s), attempts(wanted))


def retry_after(wanted: Wanted) -> Decorator:
    """It reads what the error says, and has a cap for it."""
    return Retry(wanted.attempts, backoff=Fixed(0.0), retry_after_cap_s=wanted.cap_s)


def budget(wanted: Wanted) -> Decorator:
    """Its default budget, with the ratio that is wanted."""
    return Retry(wanted.attempts, backoff=Fixed(0.0), budget=RetryBudget(wanted.ratio))


def hedge(wanted: Wanted) -> Decorator:
    """One more attempt after a delay, within its budget."""
    return Hedge(wanted.hedge_after_s, budget=RetryBudget(wanted.ratio))


def listener(wanted: Wanted) -> Decorator:
    """A listener of the stream of facts, around a breaker."""
    tell = wanted.listener or (lambda: None)
    FACTS.subscribe(lambda _: tell())
    return Guard(circuit(wanted))


BASCULE = Subject(
    "bascule",
    {
        **both("breaker", breaker),
        **both("retry", retry),
        **both("bulkhead", bulkhead),
        **both("timeout", timeout),
        **both("deadline", deadline),
        **both("retry after", retry_after),
        **both("budget", budget),
        **both("listener", listener),
        ("hedge", "async"): hedge,
    },
    workers=workers,
)
