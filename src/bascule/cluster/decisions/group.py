"""How an agent has a group configured. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

Fencing = Literal["lease", "fence", "both"]


class Group(Struct, frozen=True, kw_only=True):
    """How an agent has a group configured; durations in seconds.

    Attributes:
        name: The group's.
        identity: What it is made of, in a few words that are the same on each agent.
        priority: The higher, the sooner.
        fencing: When a group may be taken from a dead holder: its `lease` ended, a `fence` was confirmed, or `both`.
        checked: A check says whether the service works; until it has, this agent is not eligible.
        most_lag_bytes: Beyond this lag it is not eligible; None: lag only orders the candidates.
        preempt_after_s: A holder hands over to a better candidate that has stood for so long; None: never.
        hold_down_s: How long an agent that failed stays away; doubled with each failure in a row, up to 16 times that.
        retry_s: Pause before a failed demotion or fence is tried again.
    """

    name: str
    identity: str = ""
    priority: int = 100
    fencing: Fencing = "lease"
    checked: bool = False
    most_lag_bytes: int | None = None
    preempt_after_s: float | None = None
    hold_down_s: float = 10.0
    retry_s: float = 0.2
