"""What HAProxy's log lines mean. Pure."""

from __future__ import annotations

from bascule.engines.log_lines import LogLines

LINES = LogLines(
    (
        ("server_down", r"Server (\S+)/(\S+) is DOWN, reason: ([^,]+)", "{0}: {1} is down ({2})"),
        ("server_up", r"Server (\S+)/(\S+) is UP, reason: ([^,]+)", "{0}: {1} is up ({2})"),
    )
)
event = LINES.event
