"""Asks one agent whether it takes part, by its control socket."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from bascule.cluster.agent import control
from bascule.cluster.agent.status import Status
from bascule.engines.agent.render import CONTROL
from bascule.kernel.errors import BasculeError


def is_ready(directory: Path, group: str, timeout_s: float) -> bool:
    """Whether the agent whose directory this is has a session, and may be chosen for the group."""
    try:
        here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        # The path of a socket is at most 107 characters long, and that of a lab may be longer.
        near = Path(f"/proc/self/fd/{here}") / CONTROL
        told = msgspec.json.decode(control.ask(near, control.Request(do="status"), timeout_s), type=Status)
    except (BasculeError, OSError, msgspec.DecodeError):
        return False
    finally:
        os.close(here)
    return bool(told.session) and any(one.group == group and one.eligible for one in told.groups)
