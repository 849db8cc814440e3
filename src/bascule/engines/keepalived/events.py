"""What the log lines of keepalived, and of what checks the member for it, mean. Pure."""

from __future__ import annotations

from bascule.engines.log_lines import LogLines

LINES = LogLines(
    (
        ("noticed", r"^the member does not serve", "the member does not serve"),
        ("ready", r"^the member serves", "the member serves"),
        ("promoted", r"\((\S+)\) Entering MASTER STATE", "it took the address of {0}"),
        ("demoted", r"\((\S+)\) [Ee]ntering (BACKUP|FAULT) (?:STATE|state)", "it has no address of {0}: {1}"),
        ("noticed", r"\((\S+)\) Receive advertisement timeout", "no advert of {0} came any more"),
        ("noticed", r"\((\S+)\) Backup received priority 0 advertisement", "the holder of {0} gives the address up"),
        (
            "noticed",
            r"\((\S+)\) (?:Received advert|Master received advert)(?: from (\S+))? with (lower|higher) priority",
            "another holder of {0} is heard: {1}",
        ),
        ("restarted", r"Starting Keepalived v(\S+)", "keepalived {0} starts"),
    )
)
event = LINES.event
