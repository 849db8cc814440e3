"""The watchdog's process: `python -m bascule.drill.watchdog JOURNAL`. It undoes what a dead drill left injected."""

from __future__ import annotations

import sys
from pathlib import Path

from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.platform import Platform
from bascule.chaos.watchdog_process import Watchdog, serve
from bascule.lab import mark, world


def attach(reference: PlatformRef) -> Platform | None:
    """Join the lab that a journal names; None when it is gone, or another lives in its place.

    Raises:
        LabError: A lab lives there and cannot be joined.
        OSError: The same.
    """
    directory = Path(reference.directory)
    if not mark.is_held(directory):
        return None
    lab = world.attach(directory)
    if reference.identity in {"", lab.record.identity}:
        return lab
    lab.close()
    return None


def start(journal: Path) -> Watchdog:
    """Start a watchdog for this journal; its log lies beside it."""
    return Watchdog(
        (sys.executable, "-m", "bascule.drill.watchdog", str(journal)), journal.with_suffix(".watchdog.log")
    )


if __name__ == "__main__":
    sys.exit(serve(Journal(Path(sys.argv[1])), attach, sys.stdin.fileno()))
