"""How a process leaves without dropping work: a table of transitions. Pure.

::

    working --asked--> draining --drained--> finishing --done------> closing --all closed--> left
       |                  |                     |                       ^
       |                  +--ended-->(finishing)+--overdue--(abandon)---+
       +--ended (the server ended by itself)-->(finishing)
    any phase --second signal--> forced

Draining: it says "not ready" and works on, until the proxies have noticed. Finishing: no new work is accepted; what is
in flight is finished, or abandoned at the deadline. Closing: what was opened first is closed last.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

Phase = Literal["working", "draining", "finishing", "closing", "left", "forced"]
Event = Literal["asked", "second signal", "ended", "tick", "closed"]
Cause = Literal["asked", "second signal", "ended", "drained", "done", "overdue", "closed", "all closed"]
Effect = Literal["turn not ready", "stop accepting", "abandon", "close the next", "end", "die"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Leave:
    """How far the leave has come.

    Attributes:
        drain_s: How long proxies are given to notice.
        finish_s: How long requests in flight are given after no new work is accepted.
        phase: Where it is.
        until_s: When the phase is over at the latest, in monotonic seconds.
        has_ended: The server that the process runs has ended, so nothing new can come.
        to_close: Names of what is still to be closed, in this order.
    """

    drain_s: float
    finish_s: float
    phase: Phase = "working"
    until_s: float = math.inf
    has_ended: bool = False
    to_close: tuple[str, ...] = ()

    @property
    def is_over(self) -> bool:
        """Whether nothing more will happen."""
        return self.phase in {"left", "forced"}


Row = tuple[Phase, tuple[Effect, ...]]
TABLE: Mapping[tuple[Phase, Cause], Row] = {
    ("working", "asked"): ("draining", ("turn not ready",)),
    ("working", "ended"): ("finishing", ("turn not ready",)),
    ("working", "second signal"): ("forced", ("die",)),
    ("draining", "drained"): ("finishing", ("stop accepting",)),
    ("draining", "ended"): ("finishing", ()),
    ("draining", "second signal"): ("forced", ("die",)),
    ("finishing", "done"): ("closing", ("close the next",)),
    ("finishing", "overdue"): ("closing", ("abandon", "close the next")),
    ("finishing", "second signal"): ("forced", ("die",)),
    ("closing", "closed"): ("closing", ("close the next",)),
    ("closing", "all closed"): ("left", ("end",)),
    ("closing", "second signal"): ("forced", ("die",)),
    ("left", "second signal"): ("forced", ("die",)),  # something else keeps the process from ending
}


def step(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    """What an event changes, and what is to be done about it, in this order.

    Events: `asked` to leave, by a first signal or the program; `second signal`; `ended`, the server has; `closed`, what
    was to be closed next is, or its time is over; `tick`, time passed or a request ended.
    """
    if event == "ended":
        leave = replace(leave, has_ended=True)
    if event == "closed" and leave.phase == "closing":
        leave = replace(leave, to_close=leave.to_close[1:])
    cause = _cause(leave, event, now_s, in_flight)
    row = TABLE.get((leave.phase, cause)) if cause else None
    if row is None:
        return leave, ()
    phase, effects = row
    limits: Mapping[Phase, float] = {"draining": leave.drain_s, "finishing": leave.finish_s}
    return replace(leave, phase=phase, until_s=now_s + limits.get(phase, math.inf)), effects


def _cause(leave: Leave, event: Event, now_s: float, in_flight: int) -> Cause | None:
    """What an event means in this phase."""
    if event == "second signal":
        return event
    if leave.phase == "working":
        return event if event in {"asked", "ended"} else None
    if leave.phase == "draining":
        return "ended" if leave.has_ended else "drained" if now_s >= leave.until_s else None
    if leave.phase == "finishing":
        # A server that has not ended may still hold a request that nobody has counted yet.
        return "done" if leave.has_ended and not in_flight else "overdue" if now_s >= leave.until_s else None
    if leave.phase == "closing" and event == "closed":
        return "closed" if leave.to_close else "all closed"
    return None
