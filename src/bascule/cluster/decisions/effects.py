"""What an agent is to do. Pure: data for a driver, one for each world."""

from __future__ import annotations

from msgspec import Struct

from bascule.kernel.facts import Fact


class Effect(Struct, frozen=True, kw_only=True):
    """Something to do."""


class Read(Effect, frozen=True, kw_only=True):
    """Read every register of the cluster; answered by `Seen` (complete) or `ReadFailed`. One at a time."""


class Swap(Effect, frozen=True, kw_only=True):
    """Compare and swap a register; answered by `Swapped` or `SwapUnknown` within the driver's limit."""

    key: str
    value: bytes
    expected: int


class Promote(Effect, frozen=True, kw_only=True):
    """Do everything that follows the lease; answered by `Promoted` or `PromotingFailed`.

    Never after `until_s`; ended by a `Demote` of the same group.
    """

    group: str
    token: int
    until_s: float


class Extend(Effect, frozen=True, kw_only=True):
    """The validity of all terms of this agent ends at `until_s` of its clock: what ends by itself is told so."""

    until_s: float


class Demote(Effect, frozen=True, kw_only=True):
    """Undo everything by `until_s`, the end of the validity; answered by `Demoted` or `DemotingFailed`.

    An orderly one may take its time while the lease is renewed: its `until_s` is infinite. Should the lease be lost
    meanwhile, another one follows.
    """

    group: str
    token: int
    until_s: float
    why: str


class Fence(Effect, frozen=True, kw_only=True):
    """Cut a peer off for sure; answered by `Fenced`."""

    peer: str
    session: str
    group: str


class Ask(Effect, frozen=True, kw_only=True):
    """Ask the witnesses whether this agent may go on without the store; each answers by `Confirmed`, or not at all."""

    session: str
    number: int
    witnesses: tuple[str, ...]


class Confirm(Effect, frozen=True, kw_only=True):
    """Answer a peer that it may go on."""

    peer: str
    session: str
    number: int


class Announce(Effect, frozen=True, kw_only=True):
    """A peer came back: say again to the network who holds the addresses."""


class Tell(Effect, frozen=True, kw_only=True):
    """Publish a fact."""

    fact: Fact


class End(Effect, frozen=True, kw_only=True):
    """Everything is given back: the agent may end."""
