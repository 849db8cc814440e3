"""What a line of Patroni or PostgreSQL means; both write into a member's one log. Pure.

Sources: `patroni/ha.py` and `patroni/postgresql/` of Patroni 4.1.5, PostgreSQL 18's messages, and real logs in
`tests/golden`.
"""

from __future__ import annotations

from bascule.engines.log_lines import LogLines

LINES = LogLines(
    (
        # The race for a lease that ran out, and giving one up, begin with asking every other member where it stands.
        ("noticed", r"INFO: Got response from (\S+) \S+/patroni: ", "looks for a successor: {0} answers"),
        (
            "noticed",
            r"WARNING: Request failed to (\S+): GET \S+/patroni ",
            "looks for a successor: {0} does not answer",
        ),
        ("noticed", r"WARNING: Postgresql is not running\.", "found its PostgreSQL dead"),
        ("noticed", r"INFO: Primary crashed\. Failing over\.", "its PostgreSQL crashed: a standby shall take over"),
        ("lease", r"INFO: Leader key released", "gave its lease back"),
        ("lease", r"ERROR: failed to update leader lock", "could not renew its lease"),
        ("lease", r"Error communicating with DCS", "cannot reach the store of leases"),
        ("lease", r"INFO: Could not take out TTL lock", "another member was first to take the lease"),
        ("promoted", r"promoted self to leader by acquiring session lock", "took the lease and promotes itself"),
        ("promoted", r"LOG:  received promote request", "PostgreSQL was told to become primary"),
        ("promoted", r"LOG:  selected new timeline ID: (\d+)", "opens timeline {0}"),
        ("demoted", r"INFO: Demoting self \((\S+)\)", "gives up its role ({0})"),
        ("demoted", r"INFO: (?:demoting|demoted) self because (.+?)\s*$", "gives up its role: {0}"),
        ("restarted", r"INFO: starting as a secondary", "starts its PostgreSQL as a standby"),
        ("restarted", r"INFO: starting primary after failure", "starts its PostgreSQL as primary again"),
        ("restarted", r"INFO: doing crash recovery in a single user mode", "recovers from its crash"),
        ("restarted", r"INFO: running pg_rewind from (\S+)$", "rewinds to {0}"),
        ("ready", r"LOG:  database system is ready to accept connections", "accepts writes"),
        ("ready", r"LOG:  database system is ready to accept read-only connections", "accepts reads"),
        (
            "rejoined",
            r"LOG:  (?:re)?started (?:streaming WAL from primary|WAL streaming) at \S+ on timeline (\d+)",
            "streams timeline {0}",
        ),
        ("rejoined", r"INFO: Synchronous standby status assigned to \[(.*)\]", "synchronous now: {0}"),
    )
)
event = LINES.event
