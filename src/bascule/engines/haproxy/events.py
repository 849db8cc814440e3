"""What HAProxy's log lines mean. Pure."""

from __future__ import annotations

import re

from bascule.engines.protocols import EngineEvent, EventKind

PATTERNS: tuple[tuple[EventKind, re.Pattern[str], str], ...] = (
    ("server_down", re.compile(r"Server (\S+)/(\S+) is DOWN, reason: ([^,]+)"), "{0}: {1} is down ({2})"),
    ("server_up", re.compile(r"Server (\S+)/(\S+) is UP, reason: ([^,]+)"), "{0}: {1} is up ({2})"),
)


def event(line: str) -> EngineEvent | None:
    """What the line explains, or None."""
    for kind, pattern, text in PATTERNS:
        match = pattern.search(line)
        if match:
            return EngineEvent(kind=kind, text=text.format(*match.groups()))
    return None
