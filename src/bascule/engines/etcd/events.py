"""What an etcd member's log lines mean. Pure."""

from __future__ import annotations

import re

from bascule.engines.protocols import EngineEvent, EventKind

PATTERNS: tuple[tuple[EventKind, re.Pattern[str], str], ...] = (
    ("noticed", re.compile(r"raft\.node: \S+ lost leader \S+ at term (\d+)"), "lost its leader (term {0})"),
    ("noticed", re.compile(r"leader failed to send out heartbeat on time"), "its leader is overloaded"),
    ("promoted", re.compile(r"became leader at term (\d+)"), "leads the quorum (term {0})"),
    (
        "demoted",
        re.compile(r"stepped down to follower since quorum is not active"),
        "stepped down: no quorum behind it",
    ),
    ("ready", re.compile(r"ready to serve client requests"), "serves clients"),
    ("rejoined", re.compile(r"raft\.node: \S+ elected leader \S+ at term (\d+)"), "has a leader (term {0})"),
)


def event(line: str) -> EngineEvent | None:
    """What the line explains, or None."""
    for kind, pattern, text in PATTERNS:
        match = pattern.search(line)
        if match:
            return EngineEvent(kind=kind, text=text.format(*match.groups()))
    return None
