"""The words between a lab's client and its supervisor about wall clocks."""

from __future__ import annotations

from bascule.lab.request import Request


class TurnClock(Request, frozen=True, kw_only=True, tag="turn_clock"):
    """Let a member's wall clock be wrong from now on."""

    member: str
    step_s: float
    rate: float


class RightClock(Request, frozen=True, kw_only=True, tag="right_clock"):
    """Set it right."""

    member: str


class LookAtClock(Request, frozen=True, kw_only=True, tag="look_at_clock"):
    """Say whether it is turned, and which processes go by it."""

    member: str


ClockRequests = TurnClock | RightClock | LookAtClock
