"""What agents tell of who is in charge. Pure: frozen structs, named in the past tense; the names are public API."""

from __future__ import annotations

from dataclasses import dataclass

from bascule.kernel.facts import Fact


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterFact(Fact):
    """Something that an agent saw or did.

    Attributes:
        agent: The agent that tells it.
    """

    agent: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupFact(ClusterFact):
    """Something about one group."""

    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionStarted(ClusterFact):
    """This agent has a session: it may claim groups."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionLost(ClusterFact):
    """This agent's session is over, and it acts for no group any more, or is about to stop."""

    session: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentNameTaken(ClusterFact):
    """Another agent of this name is alive, or may be held by its witnesses: this one waits, and stands for nothing."""

    session: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PeerEnded(ClusterFact):
    """The session of a peer was ended: it was not renewed for its whole ttl, or it was fenced."""

    peer: str
    session: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaderElected(GroupFact):
    """A group has a new holder, as this agent sees it in the store."""

    holder: str
    token: int


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameActive(GroupFact):
    """This agent acts for the group: everything that follows the lease was done and seen."""

    token: int
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppedActing(GroupFact):
    """This agent acts for the group no more: everything was undone and seen to be."""

    token: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionFailed(GroupFact):
    """What must follow the lease did not; the group is given back."""

    token: int
    why: str
    conflict: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class DemotionFailed(GroupFact):
    """Something may still act although the term is over. It is tried again; a fence is needed if it goes on."""

    token: int
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatorMended(GroupFact):
    """Something that must follow the lease did so no more, by somebody else's doing; it is done once more."""

    actuator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimLost(GroupFact):
    """Somebody else was faster."""

    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverStarted(GroupFact):
    """The group is being handed over; `to` may be empty for whoever comes first."""

    to: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HandoverRefused(GroupFact):
    """An order to hand over cannot be followed."""

    to: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameEligible(GroupFact):
    """This agent may be chosen for the group."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BecameIneligible(GroupFact):
    """This agent may not be chosen for the group."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class HeldDown(GroupFact):
    """This agent failed at the group, and stays away from it for a while."""

    for_s: float
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupNameClashed(GroupFact):
    """A group of the same name is held by agents that have it configured otherwise: a stranger's. It is left alone."""

    holder: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClaimVanished(GroupFact):
    """The record of the group that this agent holds was removed from the store by somebody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockUnsound(ClusterFact):
    """This agent's clock runs at another speed than those of most peers: it stands for no group."""

    rate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockSound(ClusterFact):
    """This agent's clock runs as those of its peers again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreLost(ClusterFact):
    """The store does not answer."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreBack(ClusterFact):
    """The store answers again."""

    away_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StorePromised(ClusterFact):
    """What the store, as it is set up now, promises of an acknowledged lease."""

    promise: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordUnreadable(ClusterFact):
    """A register holds something that is no record of this version; what it is about is left alone."""

    key: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceRequested(ClusterFact):
    """A peer is to be cut off for sure."""

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceConfirmed(ClusterFact):
    """A peer is cut off for sure."""

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FenceFailed(ClusterFact):
    """A peer could not be cut off; what needs that waits, and it is tried again."""

    peer: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FailsafeHeld(ClusterFact):
    """Without the store, every witness confirmed this agent: it goes on."""

    witnesses: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeaseOrphaned(ClusterFact):
    """A peer's session is not renewed, and none of those who may end it are there: an operator must decide."""

    peer: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterPaused(ClusterFact):
    """Holders go on; nobody takes over."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterResumed(ClusterFact):
    """Groups without a holder are taken over again."""

    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reloaded(ClusterFact):
    """The agent's file was read again; `changed`: the groups that are new or other than before; `gone`: not in it."""

    groups: str
    changed: str
    gone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReloadRefused(ClusterFact):
    """The agent's file was read again, and is wrong: everything goes on as before."""

    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardianMissing(ClusterFact):
    """No guardian could be started; it is tried again. Meanwhile nobody undoes what this agent does if it is killed."""

    why: str
