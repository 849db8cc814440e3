"""What a system file may say about the agent, as the provider of the entry's address. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.kernel.quantities import Duration


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How it is found out whether the member beside it serves; a holder whose member does not gives the address back.

    Attributes:
        every: Pause between two checks.
        timeout: How long an answer may take.
        fall: Failed checks in a row until the member counts as failed.
        rise: Good checks in a row until it counts as well again.
    """

    every: Duration = Duration(0.25)
    timeout: Duration = Duration(0.3)
    fall: int = 2
    rise: int = 1


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of the agent.

    Attributes:
        priority: Of the first member; each further one has `step` less. The highest that may be chosen is.
        step: By how much; 0: all are equal.
        preempt_after: A holder hands over to a member of higher priority that has been well for so long; 0s: never.
        hold_down: How long a member that failed stays away from the address, doubled with each failure in a row.
        check: How it is found out whether the member serves.
    """

    priority: int = 100
    step: int = 1
    preempt_after: Duration = Duration(0.0)
    hold_down: Duration = Duration(2.0)
    check: Check = Check()
