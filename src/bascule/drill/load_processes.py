"""The processes that offer a drill's load, by the names that the lab knows; ended by whoever outlives the drill.

It imports little: every watchdog imports it.
"""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path

from bascule.kernel.errors import LabError
from bascule.lab.client import LabClient
from bascule.measure.plan import Plan, decode


def process_name(plan: Plan) -> str:
    """What the lab calls the process that carries out this plan; no other drill's has the same name."""
    return f"load-{plan.client}-{plan.number_base}"


def end_all(directory: Path, world: LabClient) -> None:
    """Kill every load client of the drill whose directory this is; those that ended already are left alone."""
    for path in directory.glob("*/*.plan.json"):
        plan = decode(path.read_bytes(), str(path))
        with contextlib.suppress(LabError):  # the lab knows no such process: it was never started
            world.signal(process_name(plan), signal.SIGKILL)
