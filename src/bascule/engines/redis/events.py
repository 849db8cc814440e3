"""What a Redis server's log lines mean. Pure."""

from __future__ import annotations

import re

from bascule.engines.protocols import EngineEvent, EventKind

PATTERNS: tuple[tuple[EventKind, re.Pattern[str], str], ...] = (
    ("ready", re.compile(r"\* Ready to accept connections"), "accepts connections"),
    ("demoted", re.compile(r"# (User requested shutdown|Received SIGTERM)"), "shuts down"),
)


def event(line: str) -> EngineEvent | None:
    """What the line explains, or None."""
    for kind, pattern, text in PATTERNS:
        if pattern.search(line):
            return EngineEvent(kind=kind, text=text)
    return None
