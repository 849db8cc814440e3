"""The watchdog's process: `python -m bascule.drill.watchdog JOURNAL [LAB]`.

It undoes what a dead drill left injected, in the lab or outside, and ends the load that the drill left in the lab.
"""

from __future__ import annotations

import sys
from pathlib import Path

from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.platform import Platform
from bascule.chaos.proxy import platform as proxied
from bascule.chaos.watchdog_process import Watchdog, serve
from bascule.drill.load_processes import end_all
from bascule.lab import mark, memory_group, world
from bascule.outside import reach

OUTSIDE = frozenset({"local", "ssh"})
"""The kinds of platform outside the lab."""


def attach(reference: PlatformRef) -> Platform | None:
    """Join the lab, proxy process or target outside that a journal names; None when it is gone, or another is there.

    The control groups of one that is gone, which outlive it when its keeper was killed too, are removed.

    Raises:
        LabError: A lab lives there and cannot be joined.
        FaultError: A target outside is not reached.
        OSError: The same.
    """
    if reference.kind in OUTSIDE:
        return reach.attach(reference)
    if reference.kind == proxied.KIND:
        return proxied.attach(reference)
    directory = Path(reference.directory)
    if not mark.is_held(directory):
        memory_group.sweep(reference.identity)
        return None
    lab = world.attach(directory)
    if reference.identity in {"", lab.record.identity}:
        return lab
    lab.close()
    memory_group.sweep(reference.identity)
    return None


def start(journal: Path, lab: Path | None = None) -> Watchdog:
    """Start a watchdog for this journal and for the load of its drill in a lab; its log lies beside the journal."""
    argv = (sys.executable, "-m", "bascule.drill.watchdog", str(journal), *([str(lab.absolute())] if lab else []))
    return Watchdog(argv, journal.with_suffix(".watchdog.log"))


def main(journal: Path, lab: Path | None) -> int:
    """Watch until the drill says goodbye or dies; then leave nothing of it in the lab. Returns the exit code."""
    code = serve(Journal(journal), attach, sys.stdin.fileno())
    if lab and mark.is_held(lab):
        client = world.attach(lab)
        end_all(journal.parent, client)
        client.close()
    return code


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), Path(sys.argv[2]) if sys.argv[2:] else None))
