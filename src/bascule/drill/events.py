"""Events on the timeline: what an engine's log said, when. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

from bascule.engines.protocols import EngineEvent


class TimedEvent(Struct, frozen=True, kw_only=True):
    """An engine's event, with its member and the moment at which the line arrived."""

    at_s: float
    member: str
    component: str
    event: EngineEvent


def parse_line(line: str) -> tuple[float, str] | None:
    """The moment (CLOCK_MONOTONIC seconds) and the text of a line of a member's log; None if it is no such line."""
    stamp, _, text = line.rstrip("\n").partition(" ")
    try:
        return float(stamp), text
    except ValueError:
        return None


def noticed_s(events: Iterable[TimedEvent], component: str, t0_s: float) -> float | None:
    """t2: the component's own first `noticed` after the fault, else the first health check that failed."""
    after = [event for event in events if event.at_s >= t0_s]
    own = [e.at_s for e in after if e.component == component and e.event.kind == "noticed"]
    checks = [e.at_s for e in after if e.event.kind == "server_down"]
    return min(own, default=min(checks, default=None))
