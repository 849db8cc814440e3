"""How long clients waited, with no timeout flattering the figure. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence

from bascule.measure.records import Record


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that `percent` percent of all values do not exceed (nearest rank); None without values.

    Raises:
        ValueError: `percent` is outside (0, 100].
    """
    if not 0 < percent <= 100:
        message = f"a percentile is above 0 and at most 100, not {percent}"
        raise ValueError(message)
    if not values:
        return None
    # One part in 10^9 is forgiven, so that 99.9 percent of 1000 is the 999th value although 0.999 is no binary number.
    rank = max(1, math.ceil(len(values) * percent / 100 - 1e-9))
    return sorted(values)[rank - 1]


def counted_s(record: Record, deadline_s: float) -> float:
    """The latency that an operation counts with: from its due time; at least the deadline if not acknowledged."""
    return record.latency_s if record.acknowledged else max(record.latency_s, deadline_s)


def percentile_s(
    records: Iterable[Record],
    percent: float,
    deadline_s: float,
    start_s: float = -math.inf,
    end_s: float = math.inf,
) -> float | None:
    """The percentile of the counted latencies of the operations due in `[start_s, end_s]`."""
    waits = [counted_s(record, deadline_s) for record in records if start_s <= record.due_s <= end_s]
    return percentile(waits, percent)


def incident_p99_s(
    records: Iterable[Record], t0_s: float, t4_s: float | None, window_s: float, deadline_s: float
) -> float | None:
    """The 99th percentile over `[t0, t4 + window]`; to the end of the records when the system never recovered."""
    end_s = math.inf if t4_s is None else t4_s + window_s
    return percentile_s(records, 99.0, deadline_s, t0_s, end_s)
