"""Every error that bascule raises, in one tree.

::

    BasculeError                 exit code 2 unless said otherwise
    ├── InputError               what the user gave cannot be used (option, quantity, file)
    ├── MissingProgramError      a real program that is needed was not found
    ├── MachineError             this machine cannot do it (namespaces, disk, port, permission)
    ├── LabError                 the lab failed at what it was told
    │   └── NotReadyError        a member was not ready in time
    ├── FaultError               a fault could not be injected, witnessed or undone
    ├── ClusterError             who is in charge cannot be settled
    │   ├── StoreError           the store of the leases was not reached, did not answer, or refused
    │   ├── ActuatorError        what must follow the lease (an address, a route, a service) did not
    │   │   └── ConflictError    somebody else has it already: an address that is answered for
    │   ├── FenceError           a node could not be fenced, or it is not sure that it was
    │   ├── LeadershipNotGainedError  somebody else led for as long as was waited
    │   └── LeadershipLostError  the lease was lost; nothing may be done in its name any more
    └── AbortedError             stopped before the end (exit code 3)
"""

from __future__ import annotations


class BasculeError(Exception):
    """An error meant for the user: what was wrong, where, and what to do next.

    Args:
        what: One sentence, without a trailing full stop.
        where: `file:line:column`, or a path in a document; empty if it has no place.
        hint: The next step for the user; empty if there is none.
    """

    exit_code = 2

    def __init__(self, what: str, *, where: str = "", hint: str = "") -> None:
        self.what = what
        self.where = where
        self.hint = hint
        super().__init__(what)

    def __str__(self) -> str:
        """One line: place, what was wrong, next step."""
        place = f"{self.where}: " if self.where else ""
        advice = f" ({self.hint})" if self.hint else ""
        return f"{place}{self.what}{advice}"


class InputError(BasculeError):
    """What the user gave cannot be used: an option, a quantity, a file."""


class MissingProgramError(BasculeError):
    """A real program that is needed was found neither on PATH nor in its wheel."""


class MachineError(BasculeError):
    """This machine cannot do what is asked: namespaces, disk, ports or permissions."""


class LabError(BasculeError):
    """The lab failed at what it was told."""


class NotReadyError(LabError):
    """A member of the lab was not ready within its time limit."""


class FaultError(BasculeError):
    """A fault could not be injected, witnessed or undone."""


class AbortedError(BasculeError):
    """The run was stopped before its end, by a person or by a safety limit."""

    exit_code = 3


class ClusterError(BasculeError):
    """Who is in charge cannot be settled."""


class StoreError(ClusterError):
    """The store of the leases was not reached, did not answer in time, or refused."""


class ActuatorError(ClusterError):
    """What must follow the lease, an address, a route, a service, did not."""


class ConflictError(ActuatorError):
    """Somebody else has it already: an address that is answered for by a stranger."""


class FenceError(ClusterError):
    """A node could not be fenced, or it is not sure that it was."""


class LeadershipNotGainedError(ClusterError):
    """Somebody else led, or nobody could, for as long as was waited."""


class LeadershipLostError(ClusterError):
    """The lease was lost; nothing may be done in its name any more."""


def kind_named(name: str) -> type[BasculeError] | None:
    """The class of this name; None when there is none: an error that came over a wire may be of another version."""
    found = globals().get(name)
    return found if isinstance(found, type) and issubclass(found, BasculeError) else None
