"""What an agent hears. Pure. Every event is handled at the `now_s` of the agent's own clock that comes with it."""

from __future__ import annotations

from msgspec import Struct

from bascule.cluster.decisions.group import Group
from bascule.cluster.stores.port import Entry


class Event(Struct, frozen=True, kw_only=True):
    """Something that an agent hears."""


class Ticked(Event, frozen=True, kw_only=True):
    """Time has passed: the state's `due_s` has come."""


class Seen(Event, frozen=True, kw_only=True):
    """Registers of the store, without the cluster's prefix in their keys.

    Attributes:
        entries: What was seen.
        complete: It is all that there is; a key that is missing does not exist.
    """

    entries: tuple[Entry, ...]
    complete: bool = False


class Watched(Event, frozen=True, kw_only=True):
    """Whether changes in the store are told as they happen."""

    works: bool


class Swapped(Event, frozen=True, kw_only=True):
    """The store answered a swap.

    Attributes:
        key: Of which register.
        value: What was to be written.
        sent_s: The agent's clock before it was sent.
        revision: The new one; None: another revision than the expected one was there.
    """

    key: str
    value: bytes
    sent_s: float
    revision: int | None


class SwapUnknown(Event, frozen=True, kw_only=True):
    """A swap was not answered: it may have happened, or may still happen."""

    key: str
    why: str


class ReadFailed(Event, frozen=True, kw_only=True):
    """The store could not be read."""

    why: str


class Promoted(Event, frozen=True, kw_only=True):
    """Everything that follows the lease was done."""

    group: str


class PromotingFailed(Event, frozen=True, kw_only=True):
    """Something that follows the lease was not done, or not in time. `conflict`: a stranger has it."""

    group: str
    why: str
    conflict: bool = False


class ActingFailed(Event, frozen=True, kw_only=True):
    """Something that followed the lease does so no more, and could not be mended."""

    group: str
    why: str


class Demoted(Event, frozen=True, kw_only=True):
    """Everything was undone, and seen to be."""

    group: str


class DemotingFailed(Event, frozen=True, kw_only=True):
    """Something could not be undone, or not in time."""

    group: str
    why: str


class Checked(Event, frozen=True, kw_only=True):
    """How this agent's service is for a group."""

    group: str
    ok: bool
    why: str = ""
    lag_bytes: int | None = None


class Fenced(Event, frozen=True, kw_only=True):
    """How the fencing of a peer's session ended. `confirmed`: it is surely off."""

    peer: str
    session: str
    confirmed: bool
    why: str = ""


class Asked(Event, frozen=True, kw_only=True):
    """A peer without the store asks whether it may go on."""

    peer: str
    session: str
    number: int


class Confirmed(Event, frozen=True, kw_only=True):
    """A peer says that we may go on: it will count our ttl anew from when it was asked."""

    peer: str
    session: str
    number: int


class Stopping(Event, frozen=True, kw_only=True):
    """The agent is to end: everything is given back."""


class Reconfigured(Event, frozen=True, kw_only=True):
    """The groups that this agent stands for, anew. Sessions and terms go on."""

    groups: tuple[Group, ...]
