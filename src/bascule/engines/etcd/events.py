"""What an etcd member's log lines mean. Pure."""

from __future__ import annotations

from bascule.engines.log_lines import LogLines

LINES = LogLines(
    (
        ("noticed", r"raft\.node: \S+ lost leader \S+ at term (\d+)", "lost its leader (term {0})"),
        ("noticed", r"leader failed to send out heartbeat on time", "its leader is overloaded"),
        ("promoted", r"became leader at term (\d+)", "leads the quorum (term {0})"),
        (
            "demoted",
            r"stepped down to follower since quorum is not active",
            "stepped down: no quorum behind it",
        ),
        ("ready", r"ready to serve client requests", "serves clients"),
        ("rejoined", r"raft\.node: \S+ elected leader \S+ at term (\d+)", "has a leader (term {0})"),
    )
)
event = LINES.event
