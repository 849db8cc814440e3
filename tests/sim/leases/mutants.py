"""Agents and worlds that are broken on purpose: the simulation must find out each of them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from msgspec import structs

from bascule.cluster.decisions import eligibility, failsafe, groups, sessions, step
from bascule.cluster.decisions.effects import Confirm
from bascule.cluster.decisions.lease import Timing
from bascule.cluster.decisions.state import GroupState, Mine, Peer, Sent, Turn

from .parts import Mutation


@contextlib.contextmanager
def _instead(owner: Any, name: str, other: Any) -> Iterator[Mutation]:
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield Mutation()
    finally:
        setattr(owner, name, before)


def no_drift_margin() -> contextlib.AbstractContextManager[Mutation]:
    """The holder acts for the whole ttl of its own clock."""
    return _instead(Timing, "valid_s", property(lambda self: self.ttl_s))


def renewed_from_the_reply() -> contextlib.AbstractContextManager[Mutation]:
    """The validity counts from when the store's answer came."""
    real = sessions.confirm

    def confirm(turn: Turn, number: int) -> None:
        sent = turn.state.mine.sent
        turn.set_mine(sent={key: Sent(at_s=turn.now_s, witnesses=one.witnesses) for key, one in sent.items()})
        real(turn, number)

    return _instead(sessions, "confirm", confirm)


@contextlib.contextmanager
def token_not_checked() -> Iterator[Mutation]:
    """The resource takes every write."""
    yield Mutation(token_unchecked=True)


@contextlib.contextmanager
def clock_of_the_wall() -> Iterator[Mutation]:
    """Agents count on a clock that somebody may set."""
    yield Mutation(wall_clock=True)


def no_hold_down() -> contextlib.AbstractContextManager[Mutation]:
    """An agent that failed tries again at once."""

    def failed(turn: Turn, name: str, why: str) -> None:
        del turn, name, why

    return _instead(eligibility, "failed", failed)


def impatient_rival() -> contextlib.AbstractContextManager[Mutation]:
    """A rival waits for half of the ttl."""
    real = sessions.end_the_dead

    def end_the_dead(turn: Turn) -> None:
        peers = turn.state.peers
        hurried = {
            name: structs.replace(peer, record=structs.replace(peer.record, ttl_s=max(0.05, peer.record.ttl_s / 2)))
            for name, peer in peers.items()
        }
        turn.set(peers=hurried)
        real(turn)
        now = turn.state.peers
        turn.set(peers={name: structs.replace(now[name], record=peers[name].record) for name in now})

    return _instead(sessions, "end_the_dead", end_the_dead)


def given_back_too_early() -> contextlib.AbstractContextManager[Mutation]:
    """The group is given back before it is known that nothing acts."""
    real = groups.stop

    def stop(turn: Turn, name: str, why: str, *, handed_to: str = "", order: str = "") -> None:
        real(turn, name, why, handed_to=handed_to, order=order)
        groups.release(turn, name)

    return _instead(groups, "stop", stop)


def claim_of_the_living() -> contextlib.AbstractContextManager[Mutation]:
    """A group is free whoever has it."""

    def is_free(turn: Turn, group: GroupState) -> bool:
        claim = group.claim
        return claim is None or claim.holder != turn.state.name or claim.session != turn.state.mine.session

    return _instead(groups, "is_free", is_free)


def any_witness_will_do() -> contextlib.AbstractContextManager[Mutation]:
    """Without the store, one witness is enough."""

    def confirmed(turn: Turn, event: Any) -> None:
        mine: Mine = turn.state.mine
        if event.session == mine.session and event.number == mine.asked and turn.is_alive:
            sessions.hold(turn, mine.asked_s)

    return _instead(failsafe, "confirmed", confirmed)


def confirmed_and_ended() -> contextlib.AbstractContextManager[Mutation]:
    """A witness confirms a session that it will end all the same."""

    def asked(turn: Turn, event: Any) -> None:
        turn.do(Confirm(peer=event.peer, session=event.session, number=event.number))

    return _instead(failsafe, "asked", asked)


def old_reads_believed() -> contextlib.AbstractContextManager[Mutation]:
    """A read tells what became of a swap that was answered, or given up, after the read began."""
    return _instead(step, "_see", _believing(step._see))


def _believing(real: Callable[[Turn, Any], None]) -> Callable[[Turn, Any], None]:
    def see(turn: Turn, event: Any) -> None:
        for name in turn.state.groups:
            turn.set_group(name, seen_by=0)
        pending = turn.state.pending
        turn.set(pending={key: structs.replace(one, seen_by=0) for key, one in pending.items()})
        real(turn, event)

    return see


def late_claims_kept() -> contextlib.AbstractContextManager[Mutation]:
    """A claim that is answered after its group went from the file is never given back."""

    def kept(turn: Turn, claim: Any, revision: int) -> None:
        del turn, claim, revision

    return _instead(groups, "_give_back", kept)


def a_name_that_a_witness_holds() -> contextlib.AbstractContextManager[Mutation]:
    """A second agent takes a name although a witness may still confirm the first one."""
    return _instead(sessions, "_may_be_held", lambda _turn, _there: False)


def witnesses_that_look_dead() -> contextlib.AbstractContextManager[Mutation]:
    """A second agent takes a name once it has heard nothing of the first one's witnesses for a while."""

    def may_be_held(turn: Turn, there: Peer) -> bool:
        peers = turn.state.peers
        return any(one in peers and sessions.is_fresh(turn, peers[one]) for one in there.record.witnesses)

    return _instead(sessions, "_may_be_held", may_be_held)


def confirmed_by_nobody() -> contextlib.AbstractContextManager[Mutation]:
    """An agent without a session confirms those of others."""
    real = failsafe.asked

    def asked(turn: Turn, event: Any) -> None:
        mine = turn.state.mine
        turn.set_mine(stop_s=turn.now_s + 1)
        real(turn, event)
        turn.set_mine(stop_s=mine.stop_s)

    return _instead(failsafe, "asked", asked)


def a_name_that_is_taken() -> contextlib.AbstractContextManager[Mutation]:
    """A second agent takes a name as soon as it has seen it."""
    real = sessions._start

    def start(turn: Turn) -> None:
        there = turn.state.peers.get(turn.state.name)
        if there is not None:
            turn.set_peer(turn.state.name, seen_s=there.seen_s - there.record.ttl_s * 0.7)
        real(turn)
        if there is not None:
            turn.set_peer(turn.state.name, seen_s=there.seen_s)

    return _instead(sessions, "_start", start)


MUTANTS: tuple[Callable[[], contextlib.AbstractContextManager[Mutation]], ...] = (
    no_drift_margin,
    renewed_from_the_reply,
    token_not_checked,
    clock_of_the_wall,
    no_hold_down,
    impatient_rival,
    given_back_too_early,
    claim_of_the_living,
    any_witness_will_do,
    confirmed_and_ended,
    old_reads_believed,
    late_claims_kept,
    a_name_that_a_witness_holds,
    a_name_that_is_taken,
    witnesses_that_look_dead,
    confirmed_by_nobody,
)
