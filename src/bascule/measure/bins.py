"""What the client saw, in bins of equal width: counts by outcome, and latencies of what was acknowledged. Pure."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable

from msgspec import Struct

from bascule.measure.latency import percentile
from bascule.measure.records import Record


class Bin(Struct, frozen=True, kw_only=True):
    """The operations that were due in one span of time.

    Attributes:
        start_s: Seconds since the start that `bins` was given.
        p50_ms, p99_ms, max_ms: Latency of the acknowledged operations; None when there were none.
    """

    start_s: float
    good: int = 0
    late: int = 0
    failed: int = 0
    unknown: int = 0
    p50_ms: float | None = None
    p99_ms: float | None = None
    max_ms: float | None = None


def bins(records: Iterable[Record], start_s: float, end_s: float, width_s: float) -> tuple[Bin, ...]:
    """One bin for every `width_s` of `[start_s, end_s)`, empty ones included; an operation belongs where it was due."""
    count = math.ceil((end_s - start_s) / width_s - 1e-9)
    outcomes: list[Counter[str]] = [Counter() for _ in range(count)]
    waits_ms: list[list[float]] = [[] for _ in range(count)]
    for record in records:
        place = math.floor((record.due_s - start_s) / width_s)
        if start_s <= record.due_s < end_s and place < count:
            outcomes[place][record.outcome] += 1
            if record.acknowledged:
                waits_ms[place].append(record.latency_s * 1000)
    return tuple(
        Bin(
            start_s=place * width_s,
            good=outcomes[place]["good"],
            late=outcomes[place]["late"],
            failed=outcomes[place]["failed"],
            unknown=outcomes[place]["unknown"],
            p50_ms=percentile(waits_ms[place], 50),
            p99_ms=percentile(waits_ms[place], 99),
            max_ms=max(waits_ms[place], default=None),
        )
        for place in range(count)
    )
