"""Groups: from free to claimed, promoted, active, demoted and given back. Pure.

::

    standby -> claiming -> promoting -> active
       ^          |            |          |
       |<---------+            v          v
       |<------------------ demoting <----+
       |                       |
       +<---- releasing <------+

Only `promoting`, `active` and `demoting` act. A session that is over puts all of them into `demoting` at once.
"""

from __future__ import annotations

from bascule.cluster import facts
from bascule.cluster.decisions import effects, eligibility, fences, sessions
from bascule.cluster.decisions.state import NEVER_S, GroupState, Turn
from bascule.cluster.records import GROUPS, Claim, encode


def advance(turn: Turn) -> None:
    """Take every group as far as it can be taken now."""
    for name, before in turn.state.groups.items():
        if before.acts and not turn.is_alive:
            _stop_for_good(turn, name, before)
        elif before.phase == "demoting" and turn.now_s >= before.retry_s:
            _demote(turn, name, turn.state.groups[name].why)
        elif before.phase == "active":
            eligibility.succeeded(turn, name)
        elif before.phase == "standby":
            _standby(turn, name)
        after = turn.state.groups.get(name)
        if after is not None and after.phase == "demoting":
            turn.wake(after.retry_s)


def _stop_for_good(turn: Turn, name: str, group: GroupState) -> None:
    """Our session is over: nothing will be given back, and stopping has until the end of the validity."""
    if group.phase == "demoting" and group.then == "drop":
        if turn.now_s >= group.retry_s:
            _demote(turn, name, group.why)
        return
    turn.set_group(name, then="drop")
    _demote(turn, name, "the session is over")


def stop(turn: Turn, name: str, why: str, *, handed_to: str = "", order: str = "") -> None:
    """Stop to act for the group, then give it back."""
    turn.set_group(name, then="release", handed_to=handed_to, order=order)
    _demote(turn, name, why)


def drop(turn: Turn, name: str, why: str) -> None:
    """Stop to act for a group which is not ours any more."""
    turn.set_group(name, then="drop")
    _demote(turn, name, why)


def _demote(turn: Turn, name: str, why: str) -> None:
    group = turn.state.groups[name]
    turn.set_group(name, phase="demoting", why=why, retry_s=NEVER_S)
    until_s = NEVER_S
    if group.then == "drop":
        mine = turn.state.mine
        until_s = max(mine.until_s if mine.until_s > -NEVER_S else mine.past_s, turn.now_s)
    turn.do(effects.Demote(group=name, token=group.token, until_s=until_s, why=why))


def is_free(turn: Turn, group: GroupState) -> bool:
    """Nobody may be acting for the group: nobody has it, or its holder's session is over."""
    claim = group.claim
    if turn.state.complete_s == -NEVER_S or not group.readable or group.stale:
        return False
    if claim is None or not claim.holder:
        return True
    holder = turn.state.peers.get(claim.holder)
    if holder is None:
        return sessions.is_freed(turn, claim.holder, claim.session)
    if holder.record.session == claim.session:
        return holder.record.state == "ended"
    # An unknown session may be over, or so new that we have not seen it: news of two registers come in any order. What
    # was read after we knew of the claim is no older than the claim.
    if claim.session in holder.past or turn.state.complete_from_s >= group.known_s:
        return True
    turn.set(read_s=turn.now_s)
    return False


def _standby(turn: Turn, name: str) -> None:
    group = turn.state.groups[name]
    if group.removed:
        rest = {other: one for other, one in turn.state.groups.items() if other != name}
        turn.set(groups=rest, gone={**turn.state.gone, name: max(group.revision, group.floor)})
        return
    claim, ours = group.claim, turn.state.mine.session
    is_ours = claim is not None and claim.holder == turn.state.name and claim.session == ours
    if is_ours and turn.is_alive and group.readable and not group.stale:
        won(turn, name, group.revision)  # the answer to our claim was lost
        return
    if not is_free(turn, group):
        turn.set_group(name, free_s=NEVER_S, clash=_clashes(turn, group))
        fences.suspect(turn, turn.state.groups[name])
        return
    if group.free_s == NEVER_S:
        turn.set_group(name, free_s=turn.now_s, clash=False)
    _claim_if_our_turn(turn, turn.state.groups[name])


def _clashes(turn: Turn, group: GroupState) -> bool:
    claim = group.claim
    clash = claim is not None and bool(claim.holder) and claim.identity != group.config.identity
    if clash and claim is not None and not group.clash:
        turn.tell(facts.GroupNameClashed, group=group.config.name, holder=claim.holder)
    return clash


def _claim_if_our_turn(turn: Turn, group: GroupState) -> None:
    name, claim = group.config.name, group.claim
    if not turn.is_alive or eligibility.why_not(turn, group):
        return
    if turn.state.settings.paused and not (claim and turn.state.name in {claim.holder, claim.handed_to}):
        return  # what its holder gave us by itself is no takeover
    if claim and claim.holder and claim.identity != group.config.identity:
        _strangers(turn, group)
        return
    wait_s = eligibility.rank(turn, group) * turn.state.timing.stagger_s
    if claim and not claim.holder and claim.handed_to == turn.state.name:
        wait_s = 0.0
    elif claim and not claim.holder and claim.handed_to in eligibility.others(turn, name):
        wait_s += turn.state.timing.ttl_s
    if turn.now_s < group.free_s + wait_s:
        turn.wake(group.free_s + wait_s)
        return
    if fences.allow(turn, group):
        _claim(turn, group)


def _strangers(turn: Turn, group: GroupState) -> None:
    """A stranger's group of the same name, whose holder is dead, stays the stranger's."""
    if not group.clash and group.claim:
        turn.set_group(group.config.name, clash=True)
        turn.tell(facts.GroupNameClashed, group=group.config.name, holder=group.claim.holder)


def _claim(turn: Turn, group: GroupState) -> None:
    name, claim = group.config.name, group.claim
    if GROUPS + name in turn.state.pending:
        return
    why = "the first" if claim is None else f"{claim.holder} is gone" if claim.holder else claim.why
    wanted = Claim(
        group=name,
        holder=turn.state.name,
        session=turn.state.mine.session,
        identity=group.config.identity,
        order=claim.order if claim else "",
        why=why[:400],
    )
    turn.set_group(name, phase="claiming")
    sessions.send(turn, GROUPS + name, encode(wanted), group.revision)


def won(turn: Turn, name: str, token: int) -> None:
    """The store says that the group is ours."""
    turn.set_group(name, phase="promoting", token=token, free_s=NEVER_S, better_s=NEVER_S)
    turn.do(effects.Promote(group=name, token=token, until_s=turn.state.mine.until_s))


def answered(turn: Turn, name: str, claim: Claim, revision: int | None) -> None:
    """The store answered a claim or a release; None: somebody else was there first."""
    group = turn.state.groups.get(name)
    if revision is not None:
        see(turn, claim, revision)
        group = turn.state.groups.get(name)
        alive = turn.is_alive and claim.session == turn.state.mine.session
        if group and group.phase == "claiming":
            if alive and claim.holder == turn.state.name:
                won(turn, name, revision)
            else:
                turn.set_group(name, phase="standby")
        elif group and group.phase == "releasing":
            turn.set_group(name, phase="standby")
        return
    turn.set(read_s=turn.now_s)
    if group and group.phase in {"claiming", "releasing"}:
        turn.set_group(name, phase="standby", free_s=NEVER_S, stale=True, seen_by=turn.state.reads + 1)


def resolved(turn: Turn, name: str) -> None:
    """What became of a swap of unknown fate is in `claim` now; a claim of ours is taken up from `standby`."""
    group = turn.state.groups.get(name)
    if group is None:
        return
    if group.phase == "claiming":
        turn.set_group(name, phase="standby")
    elif group.phase == "releasing":
        if group.claim and group.claim.holder == turn.state.name and group.claim.session == turn.state.mine.session:
            release(turn, name)
        else:
            turn.set_group(name, phase="standby")


def see(turn: Turn, claim: Claim, revision: int) -> None:
    """A group as the store has it."""
    group = turn.state.groups.get(claim.group)
    if group is None:
        if revision >= turn.state.gone.get(claim.group, 0):
            turn.set(gone={**turn.state.gone, claim.group: revision})
            _give_back(turn, claim, revision)
        return
    if revision <= group.revision or revision < group.floor:
        return
    if claim.holder and (
        group.claim is None or group.claim.holder != claim.holder or group.claim.session != claim.session
    ):
        turn.tell(facts.LeaderElected, group=claim.group, holder=claim.holder, token=revision)
        if group.phase == "claiming" and claim.holder != turn.state.name:
            turn.tell(facts.ClaimLost, group=claim.group, holder=claim.holder)
    turn.set_group(
        claim.group,
        claim=claim,
        revision=revision,
        known_s=turn.now_s,
        readable=True,
        stale=False,
        free_s=NEVER_S,
    )
    if group.phase in {"promoting", "active"} and revision > group.token:
        drop(turn, claim.group, f"{claim.holder or 'somebody'} wrote the group's record")


def _give_back(turn: Turn, claim: Claim, revision: int) -> None:
    """Give back a group that is claimed in our name, and that we do not have any more: its claim was under way."""
    if turn.is_alive and claim.holder == turn.state.name and claim.session == turn.state.mine.session:
        given = Claim(group=claim.group, identity=claim.identity, order=claim.order, why="its agent has it no more")
        sessions.send(turn, GROUPS + claim.group, encode(given), revision)


def vanished(turn: Turn, name: str) -> None:
    """The group's register does not exist although it did: somebody removed it."""
    group = turn.state.groups[name]
    if group.revision == 0 or group.known_s >= turn.state.reading_s:
        return  # it was never there, or written while everything was read
    turn.set_group(name, claim=None, revision=0, free_s=NEVER_S)
    if group.phase in {"promoting", "active"}:
        turn.tell(facts.ClaimVanished, group=name)
        drop(turn, name, "the group's record was removed")


def release(turn: Turn, name: str) -> None:
    """Give the group back in the store, if the session still holds; otherwise it is free already."""
    group = turn.state.groups[name]
    if not turn.is_alive or group.revision != group.token:
        turn.set_group(name, phase="standby", free_s=NEVER_S)
        return
    claim = group.claim
    given = Claim(
        group=name,
        identity=group.config.identity,
        handed_to=group.handed_to,
        order=group.order or (claim.order if claim else ""),
        why=group.why[:400],
    )
    turn.set_group(name, phase="releasing")
    sessions.send(turn, GROUPS + name, encode(given), group.revision)


def promoted(turn: Turn, name: str) -> None:
    """Everything that follows the lease was done."""
    group = turn.state.groups.get(name)
    if group and group.phase == "promoting":
        turn.set_group(name, phase="active")
        turn.tell(facts.BecameActive, group=name, token=group.token, took_s=turn.now_s - group.begun_s)


def promoting_failed(turn: Turn, name: str, why: str, *, conflict: bool) -> None:
    """Something was not done: all of it is undone, and others may try."""
    group = turn.state.groups.get(name)
    if group and group.phase == "promoting":
        turn.tell(facts.PromotionFailed, group=name, token=group.token, why=why, conflict=conflict)
        eligibility.failed(turn, name, why)
        stop(turn, name, f"the promotion failed: {why}")


def acting_failed(turn: Turn, name: str, why: str) -> None:
    """What followed the lease does so no more: all of it is undone, and others may try."""
    group = turn.state.groups.get(name)
    if group and group.phase == "active":
        eligibility.failed(turn, name, why)
        stop(turn, name, why)


def demoted(turn: Turn, name: str) -> None:
    """Everything was undone."""
    group = turn.state.groups.get(name)
    if group and group.phase == "demoting":
        turn.tell(facts.StoppedActing, group=name, token=group.token, why=group.why)
        if group.then == "release":
            release(turn, name)
        else:
            turn.set_group(name, phase="standby", free_s=NEVER_S)


def demoting_failed(turn: Turn, name: str, why: str) -> None:
    """Something may still act: it is tried again, and again."""
    group = turn.state.groups.get(name)
    if group and group.phase == "demoting":
        turn.tell(facts.DemotionFailed, group=name, token=group.token, why=why)
        turn.set_group(name, retry_s=turn.now_s + group.config.retry_s)
