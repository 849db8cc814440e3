"""When a peer must be cut off for sure before its group may be taken. Pure."""

from __future__ import annotations

from bascule.cluster import facts
from bascule.cluster.decisions import effects, eligibility, sessions
from bascule.cluster.decisions.events import Fenced
from bascule.cluster.decisions.state import FenceState, GroupState, Turn

SUSPECT_AFTER = 2 / 3
"""A fence may be asked for once a session was not renewed for this share of its ttl: two renewals are missing."""

MOST_DOUBLINGS = 10
MOST_RETRY_S = 60.0
"""A fence that fails is tried again, each time after twice as long: what it asks locks out who asks too often."""


def suspect(turn: Turn, group: GroupState) -> None:
    """With the policy `fence`, cut off a holder that is late, without waiting for its lease to end.

    Late means that a read which began afterwards does not know of a renewal: our own slow read kills nobody.
    """
    claim = group.claim
    if group.config.fencing != "fence" or claim is None or not claim.holder or turn.state.settings.paused:
        return
    holder = turn.state.peers.get(claim.holder)
    if holder is None or claim.holder == turn.state.name:
        return
    late_s = holder.seen_s + SUSPECT_AFTER * holder.record.ttl_s
    if turn.now_s < late_s:
        turn.wake(late_s)
    elif turn.is_alive and not eligibility.why_not(turn, group) and _is_next(turn, group, claim.holder):
        if turn.state.complete_from_s >= late_s:
            _ask(turn, group, claim.holder, claim.session)
        else:
            turn.set(read_s=turn.now_s)


def _is_next(turn: Turn, group: GroupState, holder: str) -> bool:
    return eligibility.rank(turn, group, without=holder) == 0


def allow(turn: Turn, group: GroupState) -> bool:
    """Whether the group, which is free, may be claimed now; asks for the fence that is missing."""
    claim = group.claim
    if group.config.fencing == "lease" or claim is None or not claim.holder or claim.holder == turn.state.name:
        return True
    if sessions.is_freed(turn, claim.holder, claim.session):
        return True
    holder = turn.state.peers.get(claim.holder)
    if holder is not None and holder.record.state == "alive" and holder.record.session != claim.session:
        return True  # it started anew, and an agent undoes everything before it does
    if holder is not None and holder.record.why == "stopped":
        return True  # it gave its session back by itself
    _ask(turn, group, claim.holder, claim.session)
    return False


def _ask(turn: Turn, group: GroupState, peer: str, session: str) -> None:
    known = turn.state.fences.get(peer)
    if known is not None and known.session == session:
        again_s = known.at_s + min(
            MOST_RETRY_S, group.config.retry_s * 2 ** min(max(0, known.failures - 1), MOST_DOUBLINGS)
        )
        if known.phase != "failed" or turn.now_s < again_s:
            turn.wake(again_s if known.phase == "failed" else turn.now_s)
            return
    failures = known.failures if known is not None and known.session == session else 0
    fence = FenceState(session=session, phase="asked", at_s=turn.now_s, failures=failures)
    turn.set(fences={**turn.state.fences, peer: fence})
    turn.tell(facts.FenceRequested, peer=peer)
    turn.do(effects.Fence(peer=peer, session=session, group=group.config.name))


def fenced(turn: Turn, event: Fenced) -> None:
    """The fence was confirmed, or failed."""
    known = turn.state.fences.get(event.peer)
    if known is None or known.session != event.session:
        return
    after = FenceState(
        session=event.session,
        phase="confirmed" if event.confirmed else "failed",
        at_s=turn.now_s,
        failures=0 if event.confirmed else known.failures + 1,
        why=event.why,
    )
    turn.set(fences={**turn.state.fences, event.peer: after})
    if event.confirmed:
        turn.tell(facts.FenceConfirmed, peer=event.peer)
    else:
        turn.tell(facts.FenceFailed, peer=event.peer, why=event.why)
