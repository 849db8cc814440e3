"""Whether every message had its effect exactly once. Pure. Linear time.

Delivery more than once is what most queues promise; what must not happen twice is the effect. A history that tells
effects is judged by them, and one that does not by its deliveries.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.checkers.operations import Operation


class QueueFindings(Struct, frozen=True, kw_only=True):
    """What became of the messages of one queue.

    Attributes:
        lost: Acknowledged before a look that found the queue empty, and without effect.
        pending: Acknowledged, and without effect so far: nobody looked whether the queue is empty.
        duplicated: Messages that had more than one effect.
        phantom: Effects of messages that nobody enqueued, or whose enqueueing surely failed.
        early: Messages that had their effect before they were enqueued.
        redelivered: Messages that were delivered more than once, where effects are told apart; no violation.
        recovered_unknown: Had their effect, though the client was not told that they were enqueued; no violation.
    """

    lost: frozenset[int] = frozenset()
    pending: int = 0
    duplicated: frozenset[int] = frozenset()
    phantom: frozenset[int] = frozenset()
    early: frozenset[int] = frozenset()
    redelivered: int = 0
    recovered_unknown: int = 0

    @property
    def violations(self) -> int:
        """All of them."""
        return len(self.lost) + len(self.duplicated) + len(self.phantom) + len(self.early)


def check_queue(operations: Iterable[Operation]) -> QueueFindings:
    """Compare what was enqueued with what had an effect; the order of messages is not judged."""
    enqueued: dict[int, Operation] = {}
    deliveries: list[tuple[int, float]] = []
    effects: list[tuple[int, float]] = []
    empty_s: float | None = None
    for one in operations:
        if one.kind == "drained" and one.fate == "ok":
            empty_s = one.invoked_s if empty_s is None else max(empty_s, one.invoked_s)
        elif isinstance(one.value, int):
            if one.kind == "enqueue":
                enqueued[one.value] = one
            elif one.fate == "ok" and one.kind in {"dequeue", "effect"}:
                (deliveries if one.kind == "dequeue" else effects).append((one.value, one.returned_s))
    judged = effects or deliveries
    counts = Counter(message for message, _ in judged)
    offered = {message for message, one in enqueued.items() if one.fate != "failed"}
    without = {message for message in offered if enqueued[message].fate == "ok" and message not in counts}
    lost = {message for message in without if empty_s is not None and enqueued[message].returned_s < empty_s}
    told = Counter(message for message, _ in deliveries)
    return QueueFindings(
        lost=frozenset(lost),
        pending=len(without - lost),
        duplicated=frozenset(message for message, count in counts.items() if count > 1),
        phantom=frozenset(counts.keys() - offered),
        early=frozenset(m for m, done_s in judged if m in offered and done_s < enqueued[m].invoked_s),
        redelivered=sum(1 for count in told.values() if count > 1) if effects else 0,
        recovered_unknown=sum(1 for message in counts if message in offered and enqueued[message].fate == "unknown"),
    )
