"""One step of an agent. Pure.

What it knows, what it hears and the time give what it knows next, and what is to be done.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from msgspec import structs

from bascule.cluster import facts
from bascule.cluster.decisions import effects, eligibility, events, failsafe, fences, groups, handover, sessions
from bascule.cluster.decisions.effects import Effect
from bascule.cluster.decisions.events import Event
from bascule.cluster.decisions.group import Group
from bascule.cluster.decisions.lease import Timing, check
from bascule.cluster.decisions.state import NEVER_S, GroupState, Orders, State, Turn
from bascule.cluster.records import (
    AGENTS,
    GROUPS,
    PROFILES,
    Claim,
    Order,
    Profile,
    Session,
    Settings,
    UnreadableError,
    decode,
)
from bascule.cluster.stores.port import Entry
from bascule.kernel.dice import Dice


def begin(
    name: str, timing: Timing, configured: Sequence[Group], *, address: str = "", failsafe: bool = False
) -> State:
    """An agent that knows nothing yet.

    Raises:
        InputError: The times leave no room for a lost renewal.
    """
    return State(
        name=name,
        timing=check(timing),
        address=address,
        failsafe=failsafe,
        groups={one.name: GroupState(config=one) for one in configured},
    )


def step(state: State, event: Event, now_s: float, dice: Dice) -> tuple[State, list[Effect]]:
    """What the agent knows next, and what is to be done.

    Args:
        state: What it knows; `due_s` says when it wants to hear `Ticked` if it hears nothing else.
        event: What it hears.
        now_s: Its own clock, which never goes back, and goes on while the machine sleeps.
        dice: For the words of sessions.
    """
    return step_once(state, (event,), now_s, dice)


def step_once(state: State, heard: Iterable[Event], now_s: float, dice: Dice) -> tuple[State, list[Effect]]:
    """As `step`, for all that came at once: with many groups one step for each answer would take too long."""
    turn = Turn(state, now_s, dice)
    for event in heard:
        _hear(turn, event)
    _advance(turn)
    turn.set(due_s=turn.due_s)
    return turn.state, turn.effects


def _advance(turn: Turn) -> None:
    """Everything that follows from what is known and from the time; once more changes nothing."""
    sessions.advance_mine(turn)
    sessions.compare_clocks(turn)
    sessions.end_the_dead(turn)
    groups.advance(turn)
    handover.advance(turn)
    eligibility.publish(turn)
    failsafe.advance(turn)
    _read_if_due(turn)
    _end_if_done(turn)


def _read_if_due(turn: Turn) -> None:
    state = turn.state
    if state.ended or state.reading:
        return
    if turn.now_s >= state.read_s:
        every_s = state.timing.ttl_s if state.watching else state.timing.renew_s / 2
        turn.set(reading=True, reading_s=turn.now_s, reads=state.reads + 1, read_s=turn.now_s + every_s)
        turn.do(effects.Read())
    else:
        turn.wake(state.read_s)


def _end_if_done(turn: Turn) -> None:
    state = turn.state
    if not state.stopping or state.ended:
        return
    if any(group.phase not in {"standby", "claiming"} for group in state.groups.values()):
        return
    if state.mine.session and turn.is_alive:
        sessions.end_mine(turn)
    else:
        turn.set(ended=True)
        turn.do(effects.End())


def _hear(turn: Turn, event: Event) -> None:
    match event:
        case events.Seen() | events.Watched() | events.Swapped() | events.SwapUnknown() | events.ReadFailed():
            _hear_of_store(turn, event)
        case events.Stopping():
            turn.set(stopping=True)
        case events.Reconfigured():
            _reconfigure(turn, event.groups)
        case events.Asked():
            failsafe.asked(turn, event)
        case events.Confirmed():
            failsafe.confirmed(turn, event)
        case events.Fenced():
            fences.fenced(turn, event)
        case _:
            _hear_of_group(turn, event)


def _hear_of_store(turn: Turn, event: Event) -> None:
    match event:
        case events.Seen():
            _see(turn, event)
        case events.Watched():
            turn.set(watching=event.works, read_s=turn.state.read_s if event.works else turn.now_s)
        case events.Swapped():
            _swapped(turn, event)
        case events.SwapUnknown():
            _unknown(turn, event)
        case events.ReadFailed():
            turn.set(reading=False, read_s=turn.now_s + turn.state.timing.renew_s / 4)
            _lost(turn, event.why)


def _hear_of_group(turn: Turn, event: Event) -> None:
    match event:
        case events.Promoted():
            groups.promoted(turn, event.group)
        case events.PromotingFailed():
            groups.promoting_failed(turn, event.group, event.why, conflict=event.conflict)
        case events.ActingFailed():
            groups.acting_failed(turn, event.group, event.why)
        case events.Demoted():
            groups.demoted(turn, event.group)
        case events.DemotingFailed():
            groups.demoting_failed(turn, event.group, event.why)
        case events.Checked(group=group) if group in turn.state.groups:
            turn.set_group(group, checked=True, healthy=event.ok, health_why=event.why, lag_bytes=event.lag_bytes)


def _lost(turn: Turn, why: str) -> None:
    if turn.state.lost_s == NEVER_S:
        turn.set(lost_s=turn.now_s)
        turn.tell(facts.StoreLost, why=why)
    turn.set(lost_why=why)


def _back(turn: Turn) -> None:
    if turn.state.lost_s != NEVER_S:
        turn.tell(facts.StoreBack, away_s=turn.now_s - turn.state.lost_s)
        turn.set(lost_s=NEVER_S)


def _unknown(turn: Turn, event: events.SwapUnknown) -> None:
    pending = turn.state.pending.get(event.key)
    if pending is not None:
        unknown = structs.replace(pending, unknown=True, seen_by=turn.state.reads + 1)
        turn.set(pending={**turn.state.pending, event.key: unknown}, read_s=turn.now_s)
    _lost(turn, event.why)


def _swapped(turn: Turn, event: events.Swapped) -> None:
    _back(turn)
    turn.set(pending={key: one for key, one in turn.state.pending.items() if key != event.key})
    kind, _, name = event.key.partition("/")
    match kind + "/":
        case "agents/":
            sessions.answered(turn, decode(event.value, Session), event.revision)
        case "groups/":
            groups.answered(turn, name, decode(event.value, Claim), event.revision)
        case "profiles/":
            if event.revision is None:
                turn.set(read_s=turn.now_s)
            else:
                turn.set(told=event.value, profile_revision=event.revision)


def _see(turn: Turn, event: events.Seen) -> None:
    _back(turn)
    for entry in event.entries:
        try:
            _see_one(turn, entry)
        except UnreadableError as error:
            _unreadable(turn, entry, str(error))
    if event.complete:
        turn.set(reading=False, complete_s=turn.now_s, complete_from_s=turn.state.reading_s)
        for name, group in turn.state.groups.items():
            if group.stale and turn.state.reads >= group.seen_by:
                turn.set_group(name, stale=False)
        there = {entry.key for entry in event.entries}
        for name in turn.state.groups:
            if GROUPS + name not in there and GROUPS + name not in turn.state.pending:
                groups.vanished(turn, name)
        _forget_the_missing(turn, there)
        _resolve(turn)


def _see_one(turn: Turn, entry: Entry) -> None:
    kind, _, name = entry.key.partition("/")
    match kind + "/" if name else kind:
        case "agents/":
            record = decode(entry.value, Session)
            if record.agent != name:
                raise UnreadableError(f"it is about {record.agent}")
            sessions.see(turn, record, entry.revision)
        case "profiles/":
            profile = decode(entry.value, Profile)
            turn.set(profiles={**turn.state.profiles, name: profile})
            if name == turn.state.name:
                turn.set(profile_revision=entry.revision, told=entry.value)
        case "groups/":
            claim = decode(entry.value, Claim)
            if claim.group != name:
                raise UnreadableError(f"it is about {claim.group}")
            groups.see(turn, claim, entry.revision)
        case "orders/":
            order = decode(entry.value, Order)
            seen = Orders(group=name, id=order.id, token=order.token, to=order.to)
            turn.set(orders={**turn.state.orders, name: seen})
        case "settings":
            _settle(turn, decode(entry.value, Settings), entry.revision)


def _settle(turn: Turn, settings: Settings, revision: int) -> None:
    before = turn.state.settings
    if revision <= turn.state.settings_revision:
        return
    turn.set(settings=settings, settings_revision=revision)
    if settings.paused and not before.paused:
        turn.tell(facts.ClusterPaused, by=settings.by)
    elif before.paused and not settings.paused:
        turn.tell(facts.ClusterResumed, by=settings.by)


def _unreadable(turn: Turn, entry: Entry, why: str) -> None:
    kind, _, name = entry.key.partition("/")
    group = turn.state.groups.get(name) if kind + "/" == GROUPS else None
    if group is not None and (entry.revision <= group.revision or not group.readable):
        return
    if group is not None:
        turn.set_group(name, readable=False, revision=entry.revision)
        if group.phase in {"promoting", "active"}:
            groups.drop(turn, name, "the group's record cannot be read")
    turn.tell(facts.RecordUnreadable, key=entry.key, why=why)


def _forget_the_missing(turn: Turn, there: set[str]) -> None:
    """Sessions whose register was removed: ours is written anew; what a forgotten holder has does not become free."""
    for name, peer in turn.state.peers.items():
        written = peer.seen_s >= turn.state.reading_s or AGENTS + name in turn.state.pending
        if AGENTS + name not in there and not written:
            turn.set(peers={other: peer for other, peer in turn.state.peers.items() if other != name})
            if name == turn.state.name and turn.state.mine.session:
                turn.set_mine(revision=0)
                sessions.lose(turn, "this agent's record was removed")
    if PROFILES + turn.state.name not in there and PROFILES + turn.state.name not in turn.state.pending:
        turn.set(profile_revision=0, told=b"")


def _resolve(turn: Turn) -> None:
    """What is now known of swaps whose fate was not; a read that began before cannot tell."""
    pending, reads = turn.state.pending, turn.state.reads
    unknown = [key for key, one in pending.items() if one.unknown and one.seen_by <= reads]
    turn.set(pending={key: one for key, one in pending.items() if key not in unknown})
    for key in unknown:
        if key.startswith(GROUPS):
            groups.resolved(turn, key.removeprefix(GROUPS))
        elif key.startswith(AGENTS) and (name := key.removeprefix(AGENTS)) in turn.state.peers:
            turn.set_peer(name, asked=False)


def _reconfigure(turn: Turn, configured: tuple[Group, ...]) -> None:
    wanted = {one.name: one for one in configured}
    for name in turn.state.groups:
        if name in wanted:
            turn.set_group(name, config=wanted[name], removed=False)
        else:
            turn.set_group(name, removed=True)
    gone = turn.state.gone
    fresh = {
        name: GroupState(config=one, floor=gone.get(name, 0))
        for name, one in wanted.items()
        if name not in turn.state.groups
    }
    if fresh:
        turn.set(groups={**turn.state.groups, **fresh}, read_s=turn.now_s)
