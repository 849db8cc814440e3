"""May this process take traffic?

Three different questions, each with its own checks: is the process *alive* (if not: restart it), is it *ready* (if not:
send it nothing), has it *started* (if not: leave it alone). A failing dependency makes it not ready, never not alive.
And the end: `Leave` and `AsyncLeave` let a process go without dropping what it is doing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bascule.health.check import Check
from bascule.health.health import Health
from bascule.health.report import CheckReport, Report

if TYPE_CHECKING:
    from bascule.health.leave_asyncio import AsyncLeave
    from bascule.health.leave_threads import Leave

__all__ = ["AsyncLeave", "Check", "CheckReport", "Health", "Leave", "Report"]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - a module's attribute may be anything
    """The two leaves, imported when they are asked for: a process that is only probed does not pay for them."""
    if name == "AsyncLeave":
        from bascule.health.leave_asyncio import AsyncLeave  # noqa: PLC0415 - see above

        return AsyncLeave
    if name == "Leave":
        from bascule.health.leave_threads import Leave  # noqa: PLC0415 - see above

        return Leave
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
