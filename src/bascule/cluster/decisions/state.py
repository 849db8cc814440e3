"""What an agent knows, and how far it is. Pure: immutable; a `Turn` makes the next state of it."""

from __future__ import annotations

from typing import Any, Literal

from msgspec import Struct, field, structs

from bascule.cluster.decisions.effects import Effect, Tell
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.facts import ClusterFact
from bascule.cluster.records import Claim, Profile, Session, Settings
from bascule.kernel.dice import Dice

NEVER_S = float("inf")

Phase = Literal["standby", "claiming", "promoting", "active", "demoting", "releasing"]


class Pending(Struct, frozen=True, kw_only=True):
    """A swap that is on its way, or whose fate is unknown.

    Attributes:
        value: What was to be written.
        unknown: It was not answered: the register must be seen before it is written again.
        seen_by: The first read, by its number, that can tell what became of it: one that began afterwards.
    """

    value: bytes
    unknown: bool = False
    seen_by: int = 0


class Sent(Struct, frozen=True, kw_only=True):
    """A renewal that was sent, and may be in the store. `at_s` is our clock before it was sent."""

    at_s: float
    witnesses: frozenset[str] = frozenset()


class Mine(Struct, frozen=True, kw_only=True):
    """This agent's session.

    Attributes:
        session: Its word; empty: there is none. Until the store has it, `until_s` is `-NEVER_S`.
        ours: Words of earlier sessions of this very process: it knows that it stopped acting in their name.
        revision: The register's, as last known.
        number: Of the last renewal that was sent.
        sent: Each renewal that may still count, by its number.
        confirmed_s: When the last one that counts was sent.
        until_s: When the validity ends.
        stop_s: When acting must begin to stop.
        witnesses: Everyone who may end it by a record that may be in the store.
        anyone: A record that may be in the store names no witness: then anyone may end it.
        asked: The number of the last question to the witnesses.
        asked_s: When it was asked.
        confirmed: Who confirmed it.
        held: It was told that this agent holds without the store.
        past_s: When the validity of the session before this one ended: until then stopping may take.
    """

    session: str = ""
    ours: tuple[str, ...] = ()
    revision: int = 0
    number: int = 0
    sent: dict[int, Sent] = field(default_factory=dict)
    confirmed_s: float = -NEVER_S
    until_s: float = -NEVER_S
    stop_s: float = -NEVER_S
    witnesses: frozenset[str] = frozenset()
    anyone: bool = False
    asked: int = 0
    asked_s: float = -NEVER_S
    confirmed: frozenset[str] = frozenset()
    held: bool = False
    past_s: float = -NEVER_S


class Peer(Struct, frozen=True, kw_only=True):
    """An agent's session as it was seen, our own register's included.

    Attributes:
        seen_s: When this revision was first seen, or its holder was confirmed by us: from then its ttl is counted.
        first_s, first_sent_s: Our clock and its clock when the session was first seen: for comparing their speeds.
        rate: Its clock's speed by ours; 1 until that can be told.
        ending: The revision which we asked the store to end; until a later one is seen, we confirm nothing.
        asked: We asked, and do not know that it failed.
        silent: It was told that nobody may end it.
        past: Earlier sessions of this agent, as far as they were seen: they are over for good.
    """

    record: Session
    revision: int
    seen_s: float
    first_s: float
    first_sent_s: float
    rate: float = 1.0
    ending: int = 0
    asked: bool = False
    silent: bool = False
    past: tuple[str, ...] = ()


class FenceState(Struct, frozen=True, kw_only=True):
    """How the fencing of one session fares; `failures` in a row, the last of them for `why`."""

    session: str
    phase: Literal["asked", "confirmed", "failed"]
    at_s: float
    failures: int = 0
    why: str = ""


class GroupState(Struct, frozen=True, kw_only=True):
    """How far this agent is with a group.

    Attributes:
        claim: What the store says of it; None: nothing yet.
        revision: Of that.
        floor: What is older was known before this agent had the group again, and is over.
        known_s: When that was learned.
        readable: What the store says could be read.
        stale: The store has something newer that was not seen yet.
        seen_by: The first read, by its number, that can have seen it.
        phase: What this agent is doing.
        token: Of the term that it acts in.
        begun_s: When the phase began.
        then: What follows the demotion: the group is given back, or it is not ours any more.
        handed_to, order, why: What the release will say.
        checked, healthy, lag_bytes, health_why: What the check said.
        free_s: Since when the group is free; `NEVER_S` while it is not.
        retry_s: When a failed demotion is tried again.
        failures: In a row.
        hold_until_s: This agent stays away until then.
        better_s: Since when there is a better candidate than this holder.
        clash: It was told that a stranger has it.
        removed: It is to be given back and forgotten.
    """

    config: Group
    claim: Claim | None = None
    revision: int = 0
    floor: int = 0
    known_s: float = -NEVER_S
    readable: bool = True
    stale: bool = False
    seen_by: int = 0
    phase: Phase = "standby"
    token: int = 0
    begun_s: float = 0.0
    then: Literal["release", "drop"] = "drop"
    handed_to: str = ""
    order: str = ""
    why: str = ""
    checked: bool = False
    healthy: bool = False
    lag_bytes: int | None = None
    health_why: str = "not checked yet"
    free_s: float = NEVER_S
    retry_s: float = NEVER_S
    failures: int = 0
    hold_until_s: float = -NEVER_S
    better_s: float = NEVER_S
    eligible: bool | None = None
    clash: bool = False
    removed: bool = False

    @property
    def acts(self) -> bool:
        """Something may be acting for the group on this node."""
        return self.phase in {"promoting", "active", "demoting"}


class Orders(Struct, frozen=True, kw_only=True):
    """An order as it was seen."""

    group: str
    id: str
    token: int
    to: str


class State(Struct, frozen=True, kw_only=True):
    """Everything that an agent knows.

    Attributes:
        name: The agent's.
        address: Where peers reach it.
        failsafe: Hold without the store while every witness confirms.
        peers: Every session that was seen, by agent, our own register's included.
        profiles: Every profile, by agent.
        profile_revision: Of our own profile's register.
        told: The profile that is in the store.
        groups: By name.
        gone: The newest revision that was seen of each group that this agent does not have (any more).
        orders: By group; done ones are left out.
        refused: Orders that were refused: id -> why.
        pending: Swaps on their way, by key.
        fences: By peer.
        complete_s: When everything was last read; `-NEVER_S`: never.
        complete_from_s: When that read began: what it says is no older.
        reading: A read is on its way.
        reading_s: Since when.
        reads: How many were begun.
        read_s: When the next read is due.
        watching: Changes are told as they happen.
        renew_at_s: When the next renewal is due.
        lost_s, lost_why: Since when the store does not answer, and what came instead; `NEVER_S`: it does.
        sound: The speed of our clock is as that of most peers.
        stopping, ended: The agent is to end; it has given everything back.
        due_s: When the agent must be woken at the latest.
    """

    name: str
    timing: Timing
    address: str = ""
    failsafe: bool = False
    mine: Mine = Mine()
    peers: dict[str, Peer] = field(default_factory=dict)
    profiles: dict[str, Profile] = field(default_factory=dict)
    profile_revision: int = 0
    told: bytes = b""
    groups: dict[str, GroupState] = field(default_factory=dict)
    gone: dict[str, int] = field(default_factory=dict)
    orders: dict[str, Orders] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    settings: Settings = Settings()
    settings_revision: int = 0
    pending: dict[str, Pending] = field(default_factory=dict)
    fences: dict[str, FenceState] = field(default_factory=dict)
    complete_s: float = -NEVER_S
    complete_from_s: float = -NEVER_S
    reading: bool = False
    reading_s: float = -NEVER_S
    reads: int = 0
    read_s: float = -NEVER_S
    watching: bool = False
    renew_at_s: float = -NEVER_S
    lost_s: float = NEVER_S
    lost_why: str = ""
    sound: bool = True
    stopping: bool = False
    ended: bool = False
    due_s: float = 0.0


class Turn:
    """One step on its way: the state so far, and the effects so far.

    Attributes:
        state: Replaced by every `set`, `set_group` and `set_mine`; nothing in it is ever changed in place.
        due: When to come back at the latest.
    """

    def __init__(self, state: State, now_s: float, dice: Dice) -> None:
        self.state = state
        self.now_s = now_s
        self.dice = dice
        self.effects: list[Effect] = []
        self.due_s = NEVER_S

    def set(self, **changes: Any) -> None:  # noqa: ANN401 - any field of the state
        """Replace fields of the state."""
        self.state = structs.replace(self.state, **changes)

    def set_mine(self, **changes: Any) -> None:  # noqa: ANN401 - any field of `Mine`
        """Replace fields of this agent's session."""
        self.set(mine=structs.replace(self.state.mine, **changes))

    def set_group(self, name: str, **changes: Any) -> None:  # noqa: ANN401 - any field of `GroupState`
        """Replace fields of one group."""
        group = structs.replace(self.state.groups[name], **changes)
        if "phase" in changes and changes["phase"] != self.state.groups[name].phase:
            group = structs.replace(group, begun_s=self.now_s)
        self.set(groups={**self.state.groups, name: group})

    def set_peer(self, name: str, **changes: Any) -> None:  # noqa: ANN401 - any field of `Peer`
        """Replace fields of what is known of a peer."""
        self.set(peers={**self.state.peers, name: structs.replace(self.state.peers[name], **changes)})

    def do(self, effect: Effect) -> None:
        """Have something done."""
        self.effects.append(effect)

    def tell(self, kind: type[ClusterFact], **values: Any) -> None:  # noqa: ANN401 - the fact's own fields
        """Have a fact published."""
        self.do(Tell(fact=kind(at_s=self.now_s, agent=self.state.name, **values)))

    @property
    def is_alive(self) -> bool:
        """This agent has a session, and need not stop yet."""
        return self.now_s < self.state.mine.stop_s

    def wake(self, at_s: float) -> None:
        """Come back by then, if it is still to come."""
        if at_s > self.now_s:
            self.due_s = min(self.due_s, at_s)
