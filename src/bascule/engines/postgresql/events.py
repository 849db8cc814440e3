"""What a line of Patroni or PostgreSQL means; both write into a member's one log. Pure.

Sources: `patroni/ha.py` and `patroni/postgresql/` of Patroni 4.1.5, PostgreSQL 18's messages, and real logs in
`tests/golden`.
"""

from __future__ import annotations

import re

from bascule.engines.protocols import EngineEvent, EventKind

_LINES: tuple[tuple[EventKind, str, str], ...] = (
    ("lease", r"INFO: Leader key released", "gave its lease back"),
    ("promoted", r"promoted self to leader by acquiring session lock", "took the lease and promotes itself"),
    ("promoted", r"received promote request", "PostgreSQL was told to become primary"),
    ("promoted", r"selected new timeline ID: (\d+)", "writes on timeline {0}"),
    ("noticed", r"Primary crashed\. Failing over\.", "found its PostgreSQL crashed; a standby takes over"),
    ("noticed", r"WARNING: Postgresql is not running\.", "found its PostgreSQL dead"),
    ("demoted", r"INFO: Demoting self \((\S+)\)", "gives up its role ({0})"),
    ("demoted", r"demoted self because (.+?)\s*$", "gave up its role: {0}"),
    ("restarted", r"starting as readonly because i had the session lock", "restarts its PostgreSQL"),
    ("restarted", r"doing crash recovery in a single user mode", "recovers from the crash"),
    ("restarted", r"running pg_rewind from (\S+)", "rewinds to {0}"),
    ("ready", r"database system is ready to accept connections", "accepts writes"),
    ("ready", r"database system is ready to accept read-only connections", "accepts reads"),
    ("rejoined", r"started streaming WAL from primary at \S+ on timeline (\d+)", "streams timeline {0}"),
)
PATTERNS = tuple((kind, re.compile(pattern), text) for kind, pattern, text in _LINES)


def event(line: str) -> EngineEvent | None:
    """What the line explains, or None."""
    for kind, pattern, text in PATTERNS:
        match = pattern.search(line)
        if match:
            return EngineEvent(kind=kind, text=text.format(*match.groups()))
    return None
