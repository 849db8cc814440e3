"""What every actuator is: something that must be so where the group is active, and nowhere else."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

Seen = Literal["active", "passive", "unknown"]


class Term(Struct, frozen=True, kw_only=True):
    """For whom, and for how long, a group is active here.

    Attributes:
        cluster: The cluster's name.
        group: The group's name.
        agent: The name of this agent.
        token: The fencing token: grows with each term of the group.
        until_s: When the validity ends, in seconds of this machine's `CLOCK_BOOTTIME`; it is moved on by `extend`.
    """

    cluster: str
    group: str
    agent: str
    token: int
    until_s: float


class Actuator(Protocol):
    """One thing that follows the lease. Lives in one event loop; calls for one actuator never overlap.

    Every method is idempotent: it finds out how things are and changes what is not so. The caller bounds `promote` and
    `demote` in time by cancelling them; a cancelled call leaves nothing running, and may be followed by any other call.
    """

    name: str
    """For people and facts: `vip 10.88.1.8/24 on eth0`."""

    async def promote(self, term: Term) -> None:
        """Make it so, then see that it is so.

        Raises:
            ConflictError: Somebody else has it already, and it was left alone.
            ActuatorError: It is not so.
        """
        ...

    def extend(self, term: Term) -> None:
        """The validity now ends at `term.until_s`. Comes several times a second: must not block, and may do nothing.

        Raises:
            ActuatorError: What ends by itself at the validity's end could not be told of the new end.
        """
        ...

    async def demote(self) -> None:
        """Make it no longer so, then see that it is no longer so. Also called at the start, for what a crash left.

        Raises:
            ActuatorError: It may still be so.
        """
        ...

    async def look(self) -> Seen:
        """How it is now; never raises, and changes nothing."""
        ...

    async def close(self) -> None:
        """Let go of sockets and connections; changes nothing outside."""
        ...
