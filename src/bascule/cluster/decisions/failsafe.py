"""Holding without the store, by the word of every agent that could end the session. Pure.

An agent that confirms counts the holder's ttl anew from then, and ends nothing before. The holder goes on from when it
*asked*, and only if every witness confirmed: each agent by whose word its session could be ended. Whoever is no
witness may not end it, so that a newcomer which the holder knows nothing of does no harm.

Source: Patroni's failsafe mode (documentation, "DCS failsafe mode") has the same idea; here it does not depend on a
list of members that changes by itself.
"""

from __future__ import annotations

from bascule.cluster import facts
from bascule.cluster.decisions import effects, sessions
from bascule.cluster.decisions.events import Asked, Confirmed
from bascule.cluster.decisions.state import Turn


def advance(turn: Turn) -> None:
    """Ask the witnesses once the store is late with its answer."""
    state, mine = turn.state, turn.state.mine
    if not state.failsafe or not turn.is_alive or mine.anyone:
        return
    late_s = mine.confirmed_s + 1.5 * state.timing.renew_s
    again_s = mine.asked_s + state.timing.renew_s
    if turn.now_s < max(late_s, again_s):
        turn.wake(max(late_s, again_s))
        return
    turn.set_mine(asked=mine.asked + 1, asked_s=turn.now_s, confirmed=frozenset())
    turn.do(effects.Ask(session=mine.session, number=mine.asked + 1, witnesses=tuple(sorted(mine.witnesses))))
    turn.wake(turn.now_s + state.timing.renew_s)


def confirmed(turn: Turn, event: Confirmed) -> None:
    """A witness confirmed; once all have, the validity counts from when they were asked."""
    mine = turn.state.mine
    if event.session != mine.session or event.number != mine.asked or event.peer not in mine.witnesses:
        return
    turn.set_mine(confirmed=mine.confirmed | {event.peer})
    if turn.is_alive and not mine.anyone and mine.witnesses <= turn.state.mine.confirmed:
        sessions.hold(turn, mine.asked_s)
        if not mine.held:
            turn.set_mine(held=True)
            turn.tell(facts.FailsafeHeld, witnesses=len(mine.witnesses))


def asked(turn: Turn, event: Asked) -> None:
    """Confirm a peer's session if it is the one that we know of, and we have not asked the store to end it."""
    peer = turn.state.peers.get(event.peer)
    if peer is None or peer.record.session != event.session or peer.record.state != "alive":
        return
    if peer.ending >= peer.revision:
        return  # what we asked for may still happen
    if not turn.is_alive:
        return  # somebody else may have our name by now, and end what we confirm
    turn.set_peer(event.peer, seen_s=turn.now_s)
    turn.do(effects.Confirm(peer=event.peer, session=event.session, number=event.number))
