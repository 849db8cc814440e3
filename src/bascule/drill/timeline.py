"""What the engines' own logs say happened, and when: the events that explain an outage."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from bascule.drill.events import TimedEvent, parse_line
from bascule.engines import entry
from bascule.engines.protocols import Member
from bascule.lab.lab import Lab

MAX_EVENTS = 400


def _lines(path: Path, since_s: float, until_s: float) -> Iterator[tuple[float, str]]:
    if not path.exists():
        return
    with path.open(encoding="utf-8", errors="replace") as lines:
        for line in lines:
            parsed = parse_line(line)
            if parsed is not None and since_s <= parsed[0] <= until_s:
                yield parsed


def _of_member(lab: Lab, member: Member, since_s: float, until_s: float) -> Iterator[TimedEvent]:
    """What its own log says, and those of what stands beside it."""
    logs = lab.directory / "logs"
    sources = [(logs / f"{member.name}.log", lab.engines[member.component].event)]
    provider = entry.provider_of(lab.system)
    if provider is not None:
        beside = sorted(logs.glob(f"{entry.companion_name(member.name, provider)}*.log"))
        sources += [(path, provider.event) for path in beside]
    for path, meaning in sources:
        for at_s, text in _lines(path, since_s, until_s):
            event = meaning(text)
            if event is not None:
                yield TimedEvent(at_s=at_s, member=member.name, component=member.component, event=event)


def read(lab: Lab, since_s: float, until_s: float) -> tuple[TimedEvent, ...]:
    """Every event of every member's log between two moments, in time order, at most `MAX_EVENTS`."""
    events = [event for member in lab.plan.members for event in _of_member(lab, member, since_s, until_s)]
    return tuple(sorted(events, key=lambda event: event.at_s)[:MAX_EVENTS])
