"""Who may be chosen for a group, and in which order. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.cluster import facts
from bascule.cluster.decisions import sessions
from bascule.cluster.decisions.state import NEVER_S, GroupState, Turn
from bascule.cluster.records import PROFILES, Profile, Standing, encode

MOST_DOUBLINGS = 4
STILL_STOPPING = "it is still stopping to act"


def why_not(turn: Turn, group: GroupState) -> str:
    """Why this agent may not be chosen for the group; empty if it may."""
    return next(_reasons(turn, group), "")


def _reasons(turn: Turn, group: GroupState) -> Iterator[str]:
    config = group.config
    if turn.state.stopping or group.removed:
        yield "it is stopping"
    if not turn.state.sound:
        yield "its clock is not sound"
    if config.checked and not group.healthy:
        yield group.health_why or "its check fails"
    if config.most_lag_bytes is not None and (group.lag_bytes is None or group.lag_bytes > config.most_lag_bytes):
        behind = "an unknown number of" if group.lag_bytes is None else str(group.lag_bytes)
        yield f"it is {behind} bytes behind, more than {config.most_lag_bytes}"
    if turn.now_s < group.hold_until_s:
        turn.wake(group.hold_until_s)
        yield "it failed a short while ago"
    if not group.readable:
        yield "the group's record cannot be read"
    if group.phase == "demoting":
        yield STILL_STOPPING


def standing(turn: Turn, group: GroupState) -> Standing:
    """How this agent stands for the group; lag is told in powers of two, so that it is not written all the time."""
    why = why_not(turn, group)
    lag_bytes = None if group.lag_bytes is None else (1 << group.lag_bytes.bit_length()) // 2
    return Standing(priority=group.config.priority, eligible=not why, why=why[:400], lag_bytes=lag_bytes)


def publish(turn: Turn) -> None:
    """Write our profile when it has changed, and tell of groups for which we became eligible or ceased to be."""
    state = turn.state
    for name, group in state.groups.items():
        why = why_not(turn, group)
        if group.eligible is not (not why):
            turn.set_group(name, eligible=not why)
            if why:
                turn.tell(facts.BecameIneligible, group=name, why=why)
            else:
                turn.tell(facts.BecameEligible, group=name)
    if not turn.is_alive or PROFILES + state.name in state.pending:
        return
    groups = {name: standing(turn, group) for name, group in state.groups.items() if not group.removed}
    value = encode(Profile(agent=state.name, session=state.mine.session, groups=groups))
    if value != state.told:
        sessions.send(turn, PROFILES + state.name, value, state.profile_revision)


Order = tuple[int, float, str]


def _order(name: str, one: Standing) -> Order:
    return (-one.priority, float(one.lag_bytes or 0), name)


def is_alive(turn: Turn, agent: str) -> bool:
    """The agent's session is alive, as far as we know."""
    peer = turn.state.peers.get(agent)
    return peer is not None and sessions.is_fresh(turn, peer)


def reason_against(turn: Turn, group: str, agent: str) -> str:
    """Why an agent may not be chosen for the group, by its own word and our knowledge; empty if it may."""
    profile, peer = turn.state.profiles.get(agent), turn.state.peers.get(agent)
    stands = profile.groups.get(group) if profile else None
    if profile is None or stands is None:
        return "it does not stand for it"
    if peer is None or not sessions.is_fresh(turn, peer) or peer.record.session != profile.session:
        return "its session is over"
    return "" if stands.eligible else stands.why or "it says so"


def refusal(turn: Turn, group: str, agent: str) -> str:
    """As `reason_against`, as a sentence."""
    if agent not in turn.state.profiles:
        return f"nobody called {agent} stands for it"
    why = reason_against(turn, group, agent)
    return f"{agent} may not be chosen: {why}" if why else ""


def candidates(turn: Turn, group: str) -> dict[str, Standing]:
    """Every agent that is alive and may be chosen for the group, the best one first."""
    found = {name: p.groups[group] for name, p in turn.state.profiles.items() if not reason_against(turn, group, name)}
    return dict(sorted(found.items(), key=lambda one: _order(*one)))


def others(turn: Turn, group: str) -> dict[str, Standing]:
    """As `candidates`, without this agent."""
    return {name: stands for name, stands in candidates(turn, group).items() if name != turn.state.name}


def best(turn: Turn, group: str) -> str:
    """The best of the others; empty when there is none."""
    return next(iter(others(turn, group)), "")


def better(turn: Turn, group: GroupState) -> str:
    """The best of the others, if it has a higher priority than this agent; empty otherwise."""
    name = best(turn, group.config.name)
    found = others(turn, group.config.name)
    return name if name and found[name].priority > group.config.priority else ""


def rank(turn: Turn, group: GroupState, *, without: str = "") -> int:
    """How many others come before this agent; `without` one that is thought to be dead."""
    ours = _order(turn.state.name, standing(turn, group))
    there = others(turn, group.config.name)
    return sum(name != without and _order(name, one) < ours for name, one in there.items())


def failed(turn: Turn, name: str, why: str) -> None:
    """This agent failed at the group: it stays away, the longer the more often it failed in a row."""
    group = turn.state.groups[name]
    for_s = group.config.hold_down_s * 2 ** min(group.failures, MOST_DOUBLINGS)
    turn.set_group(name, failures=group.failures + 1, hold_until_s=turn.now_s + for_s)
    if for_s > 0:
        turn.tell(facts.HeldDown, group=name, for_s=for_s, why=why)


def succeeded(turn: Turn, name: str) -> None:
    """This agent has been active for longer than it would have been held down: earlier failures are forgotten."""
    group = turn.state.groups[name]
    settled_s = group.begun_s + group.config.hold_down_s * 2 ** min(group.failures, MOST_DOUBLINGS)
    if group.failures and turn.now_s >= settled_s:
        turn.set_group(name, failures=0, hold_until_s=-NEVER_S)
    elif group.failures:
        turn.wake(settled_s)
