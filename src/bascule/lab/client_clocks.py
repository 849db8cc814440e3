"""What a client does to wall clocks of a lab, and what it is told of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from bascule.chaos.clocks import ClockView
from bascule.kernel.errors import LabError
from bascule.lab import clock_requests as ask
from bascule.lab import faketime
from bascule.lab.clocks import Gears
from bascule.lab.protocol import Completed, LabRecord
from bascule.lab.request import Request

T = TypeVar("T")
_TELL = "import time; print(repr(time.time() - time.monotonic()))"
LOOK_LIMIT_S = 20.0


class ClockCalls:
    """The part of a lab's client that is about clocks; the lab must have been brought up for it."""

    record: LabRecord
    directory: Path

    def _do(self, request: Request, kind: type[T], *, within_s: float = 0.0) -> T:
        raise AssertionError((request, kind, within_s))

    def host_of(self, member: str) -> str:
        """The host on which a member runs."""
        raise AssertionError(member)

    def run(
        self, host: str, argv: Sequence[str], *, timeout_s: float = 60.0, environment: Mapping[str, str] | None = None
    ) -> Completed:
        """Run a command on a host to its end."""
        raise AssertionError((host, argv, timeout_s, environment))

    def turn_clock(self, member: str, *, step_s: float, rate: float) -> None:
        """Let a member's wall clock be wrong from now on."""
        self._do(ask.TurnClock(member=member, step_s=step_s, rate=rate), type(None))

    def right_clock(self, member: str) -> None:
        """Set it right."""
        self._do(ask.RightClock(member=member), type(None))

    def clock(self, member: str) -> ClockView:
        """How it is now, as a program that goes by the same file tells; both clocks are compared by the monotonic one.

        Raises:
            LabError: No such program could be run there.
        """
        gears = self._do(ask.LookAtClock(member=member), Gears)
        told = faketime.environment(self.record.faketime, faketime.path_of(self.directory, member))
        argv = (sys.executable, "-I", "-c", _TELL)
        done = self.run(self.host_of(member), argv, timeout_s=LOOK_LIMIT_S, environment=told)
        try:
            wrong = float(done.stdout)
        except ValueError as error:
            raise LabError(f"a program that shall tell the time of {member} said {done.stderr[-200:]!r}") from error
        return ClockView(
            turned=gears.turned,
            off_s=wrong - (time.time() - time.monotonic()),
            processes=gears.processes,
            reached=gears.reached,
            main_reached=gears.main_reached,
        )
