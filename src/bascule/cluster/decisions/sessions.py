"""Sessions: how this agent gets and keeps its own, and how it ends those that are not renewed any more. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.cluster import facts
from bascule.cluster.decisions import effects
from bascule.cluster.decisions.state import NEVER_S, Mine, Peer, Pending, Sent, Turn
from bascule.cluster.records import AGENTS, Session, encode

WORD = "0123456789abcdefghijkmnpqrstuvwxyz"
WORD_LENGTH = 12
REMEMBERED = 8
CLOCK_AFTER_TTLS = 20
CLOCK_AFTER_S = 5.0


def word(turn: Turn) -> str:
    """A random word."""
    return "".join(turn.dice.choice(WORD) for _ in range(WORD_LENGTH))


def send(turn: Turn, key: str, value: bytes, expected: int) -> None:
    """Ask the store for a swap, unless one of this register is on its way."""
    if key not in turn.state.pending:
        turn.set(pending={**turn.state.pending, key: Pending(value=value)})
        turn.do(effects.Swap(key=key, value=value, expected=expected))


# -- our own


def advance_mine(turn: Turn) -> None:
    """Begin to stop when it is time; otherwise renew, or start."""
    mine = turn.state.mine
    if mine.until_s > -NEVER_S and not turn.is_alive:
        lose(turn, "it was not renewed in time")
    if not turn.state.mine.session:
        _start(turn)
    elif turn.now_s >= turn.state.renew_at_s:
        _renew(turn)
    if turn.state.mine.session:
        turn.wake(turn.state.renew_at_s)
        turn.wake(turn.state.mine.stop_s)


def lose(turn: Turn, why: str) -> None:
    """This session is over. Whoever acts in its name is stopped by `groups.advance`."""
    mine = turn.state.mine
    if mine.until_s > -NEVER_S:
        turn.tell(facts.SessionLost, session=mine.session, why=why)
    ours = (*mine.ours, mine.session)[-REMEMBERED:]
    past_s = max(mine.until_s, mine.past_s)
    turn.set(mine=Mine(ours=ours, revision=mine.revision, past_s=past_s), renew_at_s=turn.now_s)


def _start(turn: Turn) -> None:
    """Take our register, once nobody can be acting in the name of the session that stands in it."""
    state = turn.state
    key = AGENTS + state.name
    stopped = not any(group.acts for group in state.groups.values())
    if state.stopping or not stopped or state.complete_s == -NEVER_S or key in state.pending:
        return
    there = state.peers.get(state.name)
    if there is not None and there.record.state == "alive" and there.record.session not in state.mine.ours:
        # Whoever wrote it may still be acting: a copy of us, or an earlier process that is only frozen.
        free_s = there.seen_s + there.record.ttl_s
        if turn.now_s < free_s:
            turn.wake(free_s)
            if there.record.number > 1 and there.seen_s > there.first_s:
                _tell_taken(turn, there)
            return
        if _may_be_held(turn, there):
            _tell_taken(turn, there)
            return  # a witness ends it, once it confirms it no more
    turn.set_mine(session=word(turn), number=0, sent={}, until_s=-NEVER_S, stop_s=-NEVER_S)
    turn.set_mine(revision=there.revision if there else 0)
    _renew(turn)


def _may_be_held(turn: Turn, there: Peer) -> bool:
    """Whether somebody else of our name may go on by the word of its witnesses, without the store, for any time.

    How fresh the witnesses look says nothing: they may be on the holder's side of a cut. But what they confirm is sent
    to the address of the session; where that is ours, it reaches nobody else, and is over one ttl after we came.
    """
    address = turn.state.address
    ours = bool(address) and there.record.address == address
    return bool(there.record.witnesses) and not ours and not is_freed(turn, turn.state.name, there.record.session)


def _tell_taken(turn: Turn, there: Peer) -> None:
    if not there.silent:
        turn.set_peer(turn.state.name, silent=True)
        turn.tell(facts.AgentNameTaken, session=there.record.session)


def _renew(turn: Turn) -> None:
    state, mine = turn.state, turn.state.mine
    key = AGENTS + state.name
    if key in state.pending:
        return
    fresh = (name for name, peer in state.peers.items() if name != state.name and is_fresh(turn, peer))
    witnesses = frozenset(fresh if state.failsafe else ())
    number = mine.number + 1
    turn.set_mine(
        number=number,
        sent={**mine.sent, number: Sent(at_s=turn.now_s, witnesses=witnesses)},
        witnesses=mine.witnesses | witnesses,
        anyone=mine.anyone or not witnesses,
    )
    turn.set(renew_at_s=turn.now_s + state.timing.renew_s)
    record = Session(
        agent=state.name,
        session=mine.session,
        ttl_s=state.timing.ttl_s,
        number=number,
        sent_s=turn.now_s,
        witnesses=tuple(sorted(witnesses)),
        address=state.address,
    )
    send(turn, key, encode(record), mine.revision)


def confirm(turn: Turn, number: int) -> None:
    """The store has this renewal: its validity counts from before it was sent."""
    mine, timing = turn.state.mine, turn.state.timing
    sent = mine.sent.get(number)
    if sent is None:
        return
    first = mine.until_s == -NEVER_S
    later = {other: one for other, one in mine.sent.items() if other > number}
    maybe = [sent.witnesses, *(one.witnesses for one in later.values())]
    turn.set_mine(sent=later, witnesses=frozenset().union(*maybe), anyone=not all(maybe))
    hold(turn, sent.at_s)
    turn.set_mine(confirmed_s=max(mine.confirmed_s, sent.at_s), held=False)
    if first:
        _forget_what_was_seen(turn)
    if first and turn.state.mine.stop_s > turn.now_s:
        turn.tell(facts.SessionStarted, session=mine.session)
    turn.wake(sent.at_s + timing.renew_s)


def _forget_what_was_seen(turn: Turn) -> None:
    """Count the time of what witnesses may hold anew: whoever had our name before may just have confirmed it."""
    for name, peer in turn.state.peers.items():
        if peer.record.witnesses:
            turn.set_peer(name, seen_s=turn.now_s)


def hold(turn: Turn, since_s: float) -> None:
    """The validity ends one ttl, less the margin, after `since_s`, if that is later than it did."""
    mine, timing = turn.state.mine, turn.state.timing
    until_s = timing.valid_until_s(since_s)
    if until_s > mine.until_s:
        turn.set_mine(until_s=until_s, stop_s=timing.stop_at_s(since_s))
        if any(group.acts for group in turn.state.groups.values()):
            turn.do(effects.Extend(until_s=until_s))


def answered(turn: Turn, record: Session, revision: int | None) -> None:
    """The store answered a swap of a session; None: somebody else was there first, and what is there must be read."""
    if revision is None:
        turn.set(read_s=turn.now_s)
        return
    see(turn, record, revision)
    if record.state == "ended" and record.agent != turn.state.name:
        turn.tell(facts.PeerEnded, peer=record.agent, session=record.session, why=record.why)


# -- everybody's


def is_fresh(turn: Turn, peer: Peer) -> bool:
    """The session is alive, as far as we know."""
    return peer.record.state == "alive" and turn.now_s < peer.seen_s + peer.record.ttl_s


def see(turn: Turn, record: Session, revision: int) -> None:
    """A session as the store has it, our own included."""
    known = turn.state.peers.get(record.agent)
    if known is not None and revision <= known.revision:
        return
    same = known is not None and known.record.session == record.session
    first_s, first_sent_s = turn.now_s, record.sent_s
    if known and same and not _came_late(known, turn.now_s, record.sent_s):
        first_s, first_sent_s = known.first_s, known.first_sent_s
    peer = Peer(
        record=record,
        revision=revision,
        seen_s=turn.now_s,
        first_s=first_s,
        first_sent_s=first_sent_s,
        ending=known.ending if known else 0,
        silent=known.silent if known and same else False,
        past=_past(known, record),
    )
    peer = structs.replace(peer, rate=_rate(peer, turn.now_s))
    if known is not None and record.agent != turn.state.name and not is_fresh(turn, known) and record.state == "alive":
        turn.do(effects.Announce())
    turn.set(peers={**turn.state.peers, record.agent: peer})
    if record.agent == turn.state.name:
        _see_ours(turn, record, revision)


def _came_late(known: Peer, now_s: float, sent_s: float) -> bool:
    """Whether the first record came so late, as to who was frozen, that the clocks cannot be compared by it."""
    return sent_s - known.first_sent_s > 3 * (now_s - known.first_s)


def _past(known: Peer | None, record: Session) -> tuple[str, ...]:
    if known is None or known.record.session == record.session:
        return known.past if known else ()
    return (*known.past, known.record.session)[-REMEMBERED:]


def _see_ours(turn: Turn, record: Session, revision: int) -> None:
    mine = turn.state.mine
    if record.session == mine.session and record.state == "alive":
        turn.set_mine(revision=revision)
        confirm(turn, record.number)
    elif mine.session and revision > mine.revision:
        turn.set_mine(revision=revision)
        lose(turn, record.why or "somebody else took this agent's place")


def _rate(peer: Peer, now_s: float) -> float:
    """How fast its clock runs by ours; 1 where the time is too short, or the difference too small, to tell."""
    elapsed_s = now_s - peer.first_s
    theirs_s = peer.record.sent_s - peer.first_sent_s
    if elapsed_s < max(CLOCK_AFTER_S, CLOCK_AFTER_TTLS * peer.record.ttl_s) or theirs_s <= 0:
        return 1.0
    # A renewal may have been on its way for up to a ttl: only what is beyond that is surely the clock's doing.
    unsure_s = peer.record.ttl_s
    surely_s = max(elapsed_s, theirs_s - unsure_s) if theirs_s > elapsed_s else min(elapsed_s, theirs_s + unsure_s)
    return surely_s / elapsed_s


def compare_clocks(turn: Turn) -> None:
    """This agent stands back while its clock differs from those of most peers by more than the margin allows for."""
    drift = turn.state.timing.drift
    rates = [p.rate for name, p in turn.state.peers.items() if name != turn.state.name and is_fresh(turn, p)]
    wrong = [rate for rate in rates if not (1 - drift) / (1 + drift) <= rate <= (1 + drift) / (1 - drift)]
    sound = 2 * len(wrong) <= len(rates) if len(rates) > 1 else not wrong
    if sound != turn.state.sound:
        turn.set(sound=sound)
        if sound:
            turn.tell(facts.ClockSound)
        else:
            turn.tell(facts.ClockUnsound, rate=round(sorted(wrong)[len(wrong) // 2], 4))


def is_freed(turn: Turn, agent: str, session: str) -> bool:
    """It is sure that nobody acts in the name of this session: a fence was confirmed, or an operator says so."""
    fence = turn.state.fences.get(agent)
    fenced = fence is not None and fence.session == session and fence.phase == "confirmed"
    return fenced or f"{agent}/{session}" in turn.state.settings.freed


def end_the_dead(turn: Turn) -> None:
    """Ask the store to end each session that was not renewed for its whole ttl since we saw it."""
    if not turn.is_alive or turn.state.settings.paused:
        return
    for name, peer in turn.state.peers.items():
        if name == turn.state.name or peer.record.state == "ended":
            continue
        freed = is_freed(turn, name, peer.record.session)
        if not freed and turn.now_s < peer.seen_s + peer.record.ttl_s:
            turn.wake(peer.seen_s + peer.record.ttl_s)
        elif not freed and peer.record.witnesses and turn.state.name not in peer.record.witnesses:
            _orphaned(turn, name, peer)
        elif AGENTS + name not in turn.state.pending and not peer.asked:
            why = (
                f"freed, says {turn.state.name}"
                if freed
                else f"not renewed for {peer.record.ttl_s:g} s, says {turn.state.name}"
            )
            ended = structs.replace(peer.record, state="ended", why=why)
            turn.set_peer(name, ending=peer.revision, asked=True)
            send(turn, AGENTS + name, encode(ended), peer.revision)


def _orphaned(turn: Turn, name: str, peer: Peer) -> None:
    there = turn.state.peers
    if not peer.silent and not any(one in there and is_fresh(turn, there[one]) for one in peer.record.witnesses):
        turn.set_peer(name, silent=True)
        turn.tell(facts.LeaseOrphaned, peer=name)


def end_mine(turn: Turn) -> None:
    """Give our session back; only once nothing acts."""
    mine, state = turn.state.mine, turn.state
    key = AGENTS + state.name
    if not mine.session or key in state.pending:
        return
    record = Session(
        agent=state.name,
        session=mine.session,
        ttl_s=state.timing.ttl_s,
        number=mine.number,
        state="ended",
        why="stopped",
    )
    send(turn, key, encode(record), mine.revision)
