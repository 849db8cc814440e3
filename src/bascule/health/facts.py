"""What happened to a process's health: the facts that it publishes, each a frozen struct in the past tense. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFailed(Fact):
    """A check failed that had not failed before.

    Attributes:
        check: Its name.
        critical: Whether the probes that ask it turn red.
        error: Why, bounded in size and without secrets.
    """

    check: str
    critical: bool
    error: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckRecovered(Fact):
    """A check passed that had failed; `failed_for_s` is the time since it was first seen to fail."""

    check: str
    failed_for_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StartupPassed(Fact):
    """The process was ready for work for the first time; it stays started until it ends."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameReady(Fact):
    """The process may take traffic."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameNotReady(Fact):
    """The process may take no traffic any more; the reason names the checks that fail, or says that it leaves."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessLost(Fact):
    """The process itself is broken: a restart would mend it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LivenessRegained(Fact):
    """The process itself works again."""
