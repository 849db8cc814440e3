"""May this process take traffic?

Three different questions, each with its own checks: is the process *alive* (if not: restart it), is it *ready* (if not:
send it nothing), has it *started* (if not: leave it alone). A failing dependency makes it not ready, never not alive.
And the end: `Leave` and `AsyncLeave` let a process go without dropping what it is doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from bascule.health.check import Check
from bascule.health.health import Health
from bascule.health.report import CheckReport, Report
from bascule.kernel.later import later

if TYPE_CHECKING:
    from bascule.health.leave_asyncio import AsyncLeave
    from bascule.health.leave_threads import Leave

# A process that is only probed does not pay for leaving.
__getattr__ = later(__name__, {"AsyncLeave": "leave_asyncio", "Leave": "leave_threads"})

__all__ = ["AsyncLeave", "Check", "CheckReport", "Health", "Leave", "Report"]
