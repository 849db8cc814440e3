"""Asks one agent by its control socket: whether it takes part, and to hand over."""

from __future__ import annotations

import os
from pathlib import Path

import msgspec

from bascule.cluster.agent import control
from bascule.cluster.agent.status import Status
from bascule.engines.agent.render import CONTROL
from bascule.kernel.errors import BasculeError, FaultError

# Made here, and not at the first answer: threads that make the same decoder at once end the process by SIGSEGV.
_decode_status = msgspec.json.Decoder(Status).decode


def is_ready(directory: Path, group: str, timeout_s: float) -> bool:
    """Whether the agent whose directory this is has a session, and may be chosen for the group. Never raises."""
    try:
        told = _decode_status(_ask(directory, control.Request(do="status"), timeout_s))
    except (BasculeError, OSError, msgspec.DecodeError):
        return False
    return bool(told.session) and any(one.group == group and one.eligible for one in told.groups)


def hand_over(directory: Path, group: str, target: str, timeout_s: float) -> None:
    """Have the agent whose directory this is hand the group over to the agent `target`.

    Raises:
        FaultError: It refused, or did not answer in time.
    """
    try:
        _ask(directory, control.Request(do="switchover", group=group, to=target, by="the lab"), timeout_s)
    except (BasculeError, OSError, msgspec.DecodeError) as error:
        raise FaultError(f"the agent did not hand {group} over to {target}: {error}", where=str(directory)) from error


def _ask(directory: Path, request: control.Request, timeout_s: float) -> msgspec.Raw:
    """The answer. The path of a socket is at most 107 characters long, and that of a lab may be longer."""
    here = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        return control.ask(Path(f"/proc/self/fd/{here}") / CONTROL, request, timeout_s)
    finally:
        os.close(here)
