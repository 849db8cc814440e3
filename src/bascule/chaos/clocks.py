"""The part of the platform's port that lets the wall clock of a member go wrong. Pure."""

from __future__ import annotations

from typing import Protocol

from msgspec import Struct


class ClockView(Struct, frozen=True, kw_only=True):
    """A member's wall clock, as a program beside it sees that clock, and who sees the same.

    Attributes:
        turned: It was told to be wrong.
        off_s: How far it is ahead of this machine's now; behind, if negative.
        processes: How many processes the member has; 0 while it is down.
        reached: How many of them go by that clock: a program that asks the kernel itself does not.
        main_reached: The main process is one of them.
    """

    turned: bool
    off_s: float
    processes: int
    reached: int
    main_reached: bool


class Clocks(Protocol):
    """How a platform lets a member's wall clock go wrong. The monotonic clock is never touched."""

    def turn_clock(self, member: str, *, step_s: float, rate: float) -> None:
        """Set it forward by `step_s` (back, if negative), and let it gain `rate` seconds in each second from now on."""
        ...

    def right_clock(self, member: str) -> None:
        """Let it be this machine's again. One that is right is no error."""
        ...

    def clock(self, member: str) -> ClockView:
        """How it is now."""
        ...
