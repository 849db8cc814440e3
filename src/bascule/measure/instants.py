"""When the incident began, and when it was over: t1, t3 and t4 from the records, and the parts of the RTO. Pure.

t1 is a due time and t4 the acknowledgement of the first operation of the first stable window, so an outage is never
shorter
than what a client lived through: operations that waited for the recovery and just met their deadline do not shorten it.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate

from msgspec import Struct

from bascule.measure.records import Record


class Stability(Struct, frozen=True, kw_only=True):
    """When a system counts as recovered.

    Attributes:
        consecutive: So many operations in a row are good (K) ...
        seconds: ... and of the operations due in so many seconds (S) ...
        target: ... at least this share is good.
    """

    consecutive: int = 20
    seconds: float = 2.0
    target: float = 1.0


class Outage(Struct, frozen=True, kw_only=True):
    """From the due time of a bad operation to the acknowledgement that opens the next stable window; None: never."""

    start_s: float
    end_s: float | None

    @property
    def length_s(self) -> float:
        """Seconds; infinite when it did not end within the observation."""
        return math.inf if self.end_s is None else max(0.0, self.end_s - self.start_s)


class Parts(Struct, frozen=True, kw_only=True):
    """The RTO and what it is made of. When all three parts are there, they add up to it; no part is ever negative.

    Attributes:
        rto_s: 0 when no operation was bad; infinite when the system never recovered.
        detection_s, failover_s, client_s: t2 - t0, t3 - t2, t4 - t3; None where an instant is missing or out of order.
        note: Why a part is None; empty when none is.
    """

    rto_s: float
    detection_s: float | None = None
    failover_s: float | None = None
    client_s: float | None = None
    note: str = ""


def stable_from(ordered: Sequence[Record], end_s: float, stability: Stability) -> list[bool]:
    """For each operation, in due order: whether a stable window begins with it.

    A window that the observation (to `end_s`) does not cover whole is not stable: what was not seen is not claimed.
    """
    count = len(ordered)
    run = [0] * (count + 1)
    for place in range(count - 1, -1, -1):
        run[place] = run[place + 1] + 1 if ordered[place].outcome == "good" else 0
    bad = [0, *accumulate(int(record.outcome != "good") for record in ordered)]
    answer = [False] * count
    right = 0
    for place, record in enumerate(ordered):
        until_s = record.due_s + stability.seconds
        right = max(right, place)
        while right < count and ordered[right].due_s < until_s:
            right += 1
        within = bad[right] - bad[place] <= (1 - stability.target) * (right - place) + 1e-9
        answer[place] = run[place] >= stability.consecutive and within and until_s <= end_s + 1e-9
    return answer


def outages(records: Iterable[Record], from_s: float, end_s: float, stability: Stability) -> tuple[Outage, ...]:
    """Every outage, in order. A bad operation belongs to the time from `from_s` on if its fate was known after it.

    Args:
        records: Of one client, in any order.
        from_s: When the fault began to be injected; an operation in flight at that moment counts.
        end_s: End of the observation.
        stability: When the system counts as recovered.
    """
    ordered = sorted(records, key=lambda record: record.due_s)
    stable = stable_from(ordered, end_s, stability)
    found: list[Outage] = []
    start_s: float | None = None
    for record, opens in zip(ordered, stable, strict=True):
        if start_s is None:
            if record.outcome != "good" and record.done_s >= from_s:
                start_s = record.due_s
        elif opens:
            found.append(Outage(start_s=start_s, end_s=record.done_s))
            start_s = None
    if start_s is not None:
        found.append(Outage(start_s=start_s, end_s=None))
    return tuple(found)


def new_epoch_s(records: Iterable[Record], from_s: float) -> float | None:
    """t3: the first acknowledgement in an epoch above all that acknowledged before `from_s`; None without one."""
    acknowledged = [record for record in records if record.acknowledged and record.epoch > 0]
    before = max((record.epoch for record in acknowledged if record.done_s < from_s), default=0)
    if before == 0:
        return None
    return min((record.done_s for record in acknowledged if record.epoch > before), default=None)


def parts(
    outage: Outage | None,
    *,
    t0_s: float,
    injected_s: float,
    t2_s: float | None,
    t3_s: float | None,
    slack_s: float,
) -> Parts:
    """Split the RTO into detection, failover and client recovery, as far as the instants allow.

    Args:
        outage: The first outage after the fault; None when no operation was bad.
        t0_s: The fault was witnessed.
        injected_s: It began to be injected; a notice between the two counts as immediate.
        t2_s: The system noticed.
        t3_s: First acknowledgement in the new epoch.
        slack_s: The resolution: t3 may lie behind t4 by this much (a read that opens the stable window tells no epoch).
    """
    if outage is None:
        return Parts(rto_s=0.0, note="no operation was bad")
    t4_s = math.inf if outage.end_s is None else max(outage.end_s, t0_s)
    fault_s = min(injected_s, t0_s)
    wrong = {
        "noticed (t2)": _misplaced(t2_s, fault_s, t4_s),
        "new epoch (t3)": _misplaced(t3_s, fault_s, t4_s + slack_s),
    }
    notes = [f"{name} {fault}" for name, fault in wrong.items() if fault]
    t2 = None if t2_s is None or wrong["noticed (t2)"] else min(max(t2_s, t0_s), t4_s)
    t3 = None if t3_s is None or wrong["new epoch (t3)"] else min(max(t3_s, t0_s), t4_s)
    if t2 is not None and t3 is not None and t2 > t3:
        notes.append("noticed (t2) only after the new epoch (t3)")
        t2 = None
    return Parts(
        rto_s=t4_s - t0_s,
        detection_s=None if t2 is None else t2 - t0_s,
        failover_s=None if t2 is None or t3 is None else t3 - t2,
        client_s=None if t3 is None or math.isinf(t4_s) else t4_s - t3,
        note="; ".join(notes),
    )


def _misplaced(at_s: float | None, fault_s: float, last_s: float) -> str:
    if at_s is None:
        return "was not seen"
    if at_s < fault_s:
        return "lies before the fault"
    return "lies after the recovery (t4)" if at_s > last_s else ""
