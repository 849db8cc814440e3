"""What the contract of actuators needs of a place where one of them can be tried."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from bascule.cluster.actuators.port import Actuator


class Rig(Protocol):
    """An actuator's surroundings, real ones. All methods may block."""

    def actuator(self) -> Actuator:
        """A new one, as an agent makes it at its start."""
        ...

    def is_so(self) -> bool:
        """Whether it is so for those whom it is done for: a client, a resolver, a neighbour."""
        ...


class Served(Rig, Protocol):
    """Surroundings with a daemon that the actuator talks to."""

    def stop(self) -> None:
        """Kill the daemon."""
        ...

    def start(self) -> None:
        """Run the daemon, if it does not run; return when it can be talked to."""
        ...

    def freeze(self) -> None:
        """Stop the daemon from doing anything, while all that it holds stays open."""
        ...

    def thaw(self) -> None:
        """Let a frozen daemon go on."""
        ...


class Plug(Struct, frozen=True, kw_only=True):
    """How an actuator is plugged into the contract.

    Attributes:
        make: Surroundings in a directory of their own, gone at the end. Skips the test, and names the package, where a
            program is missing.
        is_served: The surroundings are `Served`.
    """

    make: Callable[[Path], AbstractContextManager[Rig]]
    is_served: bool = True
