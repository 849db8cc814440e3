"""What an agent says of itself and of the cluster as it sees it. Pure."""

from __future__ import annotations

from msgspec import Struct

from bascule.cluster.decisions.eligibility import STILL_STOPPING, candidates, reason_against
from bascule.cluster.decisions.sessions import is_fresh
from bascule.cluster.decisions.state import NEVER_S, GroupState, State, Turn
from bascule.cluster.records import Claim
from bascule.kernel.dice import LoadedDice


class GroupStatus(Struct, frozen=True, kw_only=True):
    """One group.

    Attributes:
        holder: Who has it, as the store says; empty: nobody.
        holder_alive: The holder's session is alive.
        serving: Somebody acts for it, as far as this agent knows.
        waits_for: What keeps it from being served; empty while it is.
        token: The fencing token of the holder's term.
        phase: What this agent is doing with it: `standby`, `claiming`, `promoting`, `active`, `demoting`, `releasing`.
        eligible: This agent may be chosen.
        why_not: Why it may not.
        next: Who may follow, the best one first.
        candidates: Every agent that stands for it: name -> priority, or why it may not be chosen.
    """

    group: str
    holder: str
    holder_alive: bool
    serving: bool
    waits_for: str
    token: int
    phase: str
    eligible: bool
    why_not: str
    lag_bytes: int | None
    next: tuple[str, ...]
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
        waits_for: Why this agent has no session; empty: it has one.
        store_lost_s: Since when the store does not answer; None: it does.
        store_why: What came instead of its last answer; empty while it answers.
        watching: Changes in the store are told as they happen; otherwise it is read again and again.
    """

    agent: str
    cluster: str
    session: str
    waits_for: str
    valid_s: float
    store: str
    store_lost_s: float | None
    store_why: str
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
        waits_for=_no_session(turn),
        valid_s=round(max(0.0, state.mine.until_s - now_s), 3) if state.mine.session else 0.0,
        store=store,
        store_lost_s=None if lost_s == NEVER_S else round(now_s - lost_s, 3),
        store_why="" if lost_s == NEVER_S else state.lost_why,
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


def _no_session(turn: Turn) -> str:
    state = turn.state
    own = state.peers.get(state.name)
    if turn.is_alive and state.mine.session:
        return ""
    if state.complete_s == -NEVER_S:
        return "the store was not read yet"
    if own is not None and own.silent and own.record.session not in state.mine.ours:
        if turn.now_s < own.seen_s + own.record.ttl_s:
            return f"another agent is called {state.name} too, and renews its session"
        return (
            f"an agent called {state.name} may be held by its witnesses ({', '.join(own.record.witnesses)}): one of "
            f"them must end its session, or an operator: bascule cluster fence {state.name} --confirmed"
        )
    return "its last session is over, and no new one was written yet"


def _group(turn: Turn, group: GroupState) -> GroupStatus:
    claim, name = group.claim, group.config.name
    holder = claim.holder if claim else ""
    peer = turn.state.peers.get(holder)
    alive = peer is not None and claim is not None and peer.record.session == claim.session and is_fresh(turn, peer)
    stands = {
        agent: reason_against(turn, name, agent)
        for agent, profile in sorted(turn.state.profiles.items())
        if name in profile.groups
    }
    waits = _waits(turn, group, alive=alive)
    return GroupStatus(
        group=name,
        holder=holder,
        holder_alive=alive,
        serving=alive and not waits,
        waits_for=waits,
        token=group.revision if claim and claim.holder else 0,
        phase=group.phase,
        eligible=bool(group.eligible),
        why_not="" if group.eligible else (stands.get(turn.state.name) or group.health_why),
        lag_bytes=group.lag_bytes,
        next=tuple(one for one in candidates(turn, name) if one != holder),
        candidates={
            agent: why or f"priority {turn.state.profiles[agent].groups[name].priority}"
            for agent, why in stands.items()
        },
    )


def _waits(turn: Turn, group: GroupState, *, alive: bool) -> str:
    """What keeps the group from being served, as far as this agent knows; empty if nothing does."""
    claim = group.claim
    if claim is None or not claim.holder:
        return "the cluster is paused" if turn.state.settings.paused else "nobody has taken it"
    mine = turn.state.mine
    is_ours = claim.holder == turn.state.name and claim.session in {mine.session, *mine.ours}
    if is_ours and group.phase != "active":
        return {
            "promoting": "it is being promoted",
            "demoting": f"it has to stop, and is being demoted: {group.why}",
        }.get(group.phase, "it does not act")
    if alive:
        why = reason_against(turn, group.config.name, claim.holder)
        return why if why == STILL_STOPPING else ""
    return _why_not_followed(turn, group, claim)


def _why_not_followed(turn: Turn, group: GroupState, claim: Claim) -> str:
    """Why nobody has taken the group from a holder whose session is over."""
    fence = turn.state.fences.get(claim.holder)
    if fence is not None and fence.session == claim.session and fence.phase != "confirmed":
        told = f" ({fence.why})" if fence.why else ""
        off = f"bascule cluster fence {claim.holder} --confirmed, once it is off for sure"
        return f"{claim.holder} must be fenced{told}: {off}"
    if turn.state.settings.paused:
        return "the cluster is paused: nobody follows a dead holder"
    if claim.identity != group.config.identity:
        return f"{claim.holder}'s group of this name is made of something else, and is left alone (identity)"
    return "its session is over"
