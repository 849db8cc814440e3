"""What an agent says of itself and of the cluster as it sees it. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.cluster.decisions.sessions import is_fresh
from bascule.cluster.decisions.state import NEVER_S, GroupState, State, Turn
from bascule.cluster.records import Profile, Standing
from bascule.kernel.dice import LoadedDice


class GroupStatus(Struct, frozen=True, kw_only=True):
    """One group.

    Attributes:
        holder: Who has it, as the store says; empty: nobody.
        holder_alive: The holder's session is alive.
        token: The fencing token of the holder's term.
        phase: What this agent is doing with it: `standby`, `claiming`, `promoting`, `active`, `demoting`, `releasing`.
        eligible: This agent may be chosen.
        why_not: Why it may not.
        candidates: Every agent that stands for it: name -> priority, or why it may not be chosen.
    """

    group: str
    holder: str
    holder_alive: bool
    token: int
    phase: str
    eligible: bool
    why_not: str
    lag_bytes: int | None
    candidates: dict[str, str]


class PeerStatus(Struct, frozen=True, kw_only=True):
    """One agent as this one sees it; `seen_s` is how long ago its last sign of life was seen."""

    agent: str
    session: str
    alive: bool
    seen_s: float
    ttl_s: float
    clock_rate: float
    why: str


class Status(Struct, frozen=True, kw_only=True):
    """An agent and its cluster.

    Attributes:
        session: This agent's session; empty: it has none.
        valid_s: For how long it may still act without another renewal.
        store_lost_s: Since when the store does not answer; None: it does.
        watching: Changes in the store are told as they happen; otherwise it is read again and again.
    """

    agent: str
    cluster: str
    session: str
    valid_s: float
    store: str
    store_lost_s: float | None
    watching: bool
    paused: str
    clock_sound: bool
    stopping: bool
    ttl_s: float
    groups: tuple[GroupStatus, ...]
    peers: tuple[PeerStatus, ...]


def status(state: State, now_s: float, *, cluster: str, store: str) -> Status:
    """What the agent knows, in the words of operators."""
    turn = Turn(state, now_s, LoadedDice(()))
    lost_s = state.lost_s
    return Status(
        agent=state.name,
        cluster=cluster,
        session=state.mine.session if turn.is_alive else "",
        valid_s=round(max(0.0, state.mine.until_s - now_s), 3) if state.mine.session else 0.0,
        store=store,
        store_lost_s=None if lost_s == NEVER_S else round(now_s - lost_s, 3),
        watching=state.watching,
        paused=(state.settings.by or "paused") if state.settings.paused else "",
        clock_sound=state.sound,
        stopping=state.stopping,
        ttl_s=state.timing.ttl_s,
        groups=tuple(_group(turn, group) for group in state.groups.values()),
        peers=tuple(
            PeerStatus(
                agent=name,
                session=peer.record.session,
                alive=is_fresh(turn, peer),
                seen_s=round(now_s - peer.seen_s, 3),
                ttl_s=peer.record.ttl_s,
                clock_rate=round(peer.rate, 4),
                why=peer.record.why,
            )
            for name, peer in sorted(state.peers.items())
        ),
    )


def _group(turn: Turn, group: GroupState) -> GroupStatus:
    claim, name = group.claim, group.config.name
    holder = turn.state.peers.get(claim.holder) if claim else None
    alive = holder is not None and claim is not None and holder.record.session == claim.session
    own = turn.state.profiles.get(turn.state.name)
    stands = own.groups.get(name) if own else None
    return GroupStatus(
        group=name,
        holder=claim.holder if claim else "",
        holder_alive=bool(alive and holder is not None and is_fresh(turn, holder)),
        token=group.revision if claim and claim.holder else 0,
        phase=group.phase,
        eligible=bool(group.eligible),
        why_not="" if group.eligible else (stands.why if stands and stands.why else group.health_why),
        lag_bytes=group.lag_bytes,
        candidates={
            agent: _stands(turn, profile, one)
            for agent, profile in sorted(turn.state.profiles.items())
            if (one := profile.groups.get(name)) is not None
        },
    )


def _stands(turn: Turn, profile: Profile, one: Standing) -> str:
    """The priority of an agent that may be chosen, or why it may not."""
    peer = turn.state.peers.get(profile.agent)
    if peer is None or not is_fresh(turn, peer) or peer.record.session != profile.session:
        return "its session is over"
    return f"priority {one.priority}" if one.eligible else one.why
