"""Faults of wall clocks: one that was set wrong, and one that goes wrong. Pure."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar

from msgspec import Meta

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform

_SLACK_S = 0.25
"""How far two looks at one clock may lie apart: what a step must exceed to be told from none."""
_LEAST_RATE = 0.02
"""The slowest drift that shows within the seconds for which a witness looks."""


class ClockFault(Fault, frozen=True, kw_only=True):
    """The wall clock of a member's processes is wrong. Their monotonic clock, by which they wait, is not touched."""

    NEEDS: ClassVar = frozenset({"clock"})
    UNDONE_BY: ClassVar = "setting the clock right; what was written with a wrong time keeps it"

    member: str

    def ready(self, platform: Platform) -> Witness:
        """The member's main process goes by a clock that can be turned, and that is right."""
        seen = platform.clock(self.member)
        right = not seen.turned and abs(seen.off_s) < _SLACK_S
        return Witness(seen=seen.main_reached and right, evidence=(self.told(platform),))

    def undo(self, platform: Platform) -> None:
        """Set it right."""
        platform.right_clock(self.member)

    def undone(self, platform: Platform) -> Witness:
        """It is right again."""
        seen = platform.clock(self.member)
        return Witness(seen=not seen.turned and abs(seen.off_s) < _SLACK_S, evidence=(self.told(platform),))

    def told(self, platform: Platform) -> str:
        """The clock in words."""
        seen = platform.clock(self.member)
        if seen.processes and not seen.main_reached:
            return f"the main process of {self.member} asks the kernel itself for the time, as static programs do"
        way = "ahead" if seen.off_s >= 0 else "behind"
        whose = f"{seen.reached} of {seen.processes} processes of {self.member} go by it"
        return f"the clock of {self.member} is {abs(seen.off_s):.2f} s {way}; {whose}"


class ClockStep(ClockFault, frozen=True, kw_only=True, tag="clock-step"):
    """The wall clock of a member is set forward or back at once."""

    DOES: ClassVar = "sets the wall clock of the member's processes forward, or back"
    SEEN_BY: ClassVar = "a program that goes by the same clock is off by as much, and the main process goes by it"

    step_s: Annotated[float, Meta(ge=-3.2e8, le=3.2e8)]

    def steps(self) -> tuple[str, ...]:
        """One step."""
        way = "forward" if self.step_s >= 0 else "back"
        return (f"set the wall clock of {self.member} {way} by {abs(self.step_s):g} s",)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Set it."""
        platform.turn_clock(self.member, step_s=self.step_s, rate=0.0)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - a clock, no pid, is hit
        """It is off by that step, and the main process goes by it."""
        seen = platform.clock(self.member)
        near = abs(seen.off_s - self.step_s) < max(_SLACK_S, abs(self.step_s) * 1e-3)
        far = abs(self.step_s) > 2 * _SLACK_S
        return Witness(seen=seen.main_reached and seen.turned and near and far, evidence=(self.told(platform),))


class ClockDrift(ClockFault, frozen=True, kw_only=True, tag="clock-drift"):
    """The wall clock of a member goes too fast or too slow."""

    DOES: ClassVar = "lets the wall clock of the member's processes gain or lose time, several times a second"
    SEEN_BY: ClassVar = (
        "a program that goes by the same clock sees it off to that side, and the main process goes by it"
    )

    rate: Annotated[float, Meta(ge=-0.9, le=10.0)]

    def steps(self) -> tuple[str, ...]:
        """One drift."""
        way = "gain" if self.rate >= 0 else "lose"
        return (f"let the wall clock of {self.member} {way} {abs(self.rate):g} s in each second",)

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Let it go."""
        platform.turn_clock(self.member, step_s=0.0, rate=self.rate)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - a clock, no pid, is hit
        """It is off to the right side, and the main process goes by it."""
        seen = platform.clock(self.member)
        off = math.copysign(1.0, self.rate) * seen.off_s >= min(_SLACK_S, abs(self.rate)) / 2
        fast = abs(self.rate) >= _LEAST_RATE
        return Witness(seen=seen.main_reached and seen.turned and off and fast, evidence=(self.told(platform),))
