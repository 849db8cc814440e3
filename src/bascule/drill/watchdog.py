"""The watchdog's process: `python -m bascule.drill.watchdog JOURNAL`. It undoes what a dead drill left injected."""

from __future__ import annotations

from pathlib import Path

from bascule.chaos.journal import PlatformRef
from bascule.chaos.platform import Platform
from bascule.lab import world


def attach(reference: PlatformRef) -> Platform:
    """Join the platform that a journal names.

    Raises:
        LabError: It is gone, and what was injected went with it.
    """
    return world.attach(Path(reference.directory))
