"""What a Redis server's log lines mean. Pure."""

from __future__ import annotations

from bascule.engines.log_lines import LogLines

LINES = LogLines(
    (
        ("ready", r"\* Ready to accept connections", "accepts connections"),
        ("demoted", r"# (User requested shutdown|Received SIGTERM)", "shuts down"),
    )
)
event = LINES.event
