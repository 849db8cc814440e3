"""What happened while a process left: facts, each a frozen struct in the past tense. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalsNotHeard(Fact):
    """A leave was entered in a thread that is not the main one: no signal will begin it, only `ask` or its end."""

    thread: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveBegan(Fact):
    """The process began to leave: it is not ready any more, and still answers.

    Attributes:
        reason: `SIGTERM`, or what the program said.
        drain_s: How long proxies are given to notice.
        in_flight: Requests that were being answered.
    """

    reason: str
    drain_s: float
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptingStopped(Fact):
    """No new work is accepted; `in_flight` requests are still being answered.

    Attributes:
        in_flight: So many.
        error: Why the server could not be told; empty when it could.
    """

    in_flight: int
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class InFlightAbandoned(Fact):
    """So many requests were not answered by the deadline."""

    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class CloserEnded(Fact):
    """A pool, or whatever else was registered to be closed, is closed; or it is not, and `error` says why."""

    closer: str
    took_s: float
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaveForced(Fact):
    """A second signal came: the process ends at once, whatever is in flight."""

    reason: str
    in_flight: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Left(Fact):
    """Everything is closed; nothing keeps the process from ending."""

    took_s: float
    abandoned: int
