"""When a holder gives its group away: because it is told to, because it fails, or because somebody is better. Pure.

The old holder stops first; what was to follow the lease is undone and seen to be; only then does the store say that the
group is free, and for whom. The one named takes it at once, the others wait a while for it.
"""

from __future__ import annotations

from bascule.cluster import facts
from bascule.cluster.decisions import eligibility, groups
from bascule.cluster.decisions.state import NEVER_S, GroupState, Turn

REFUSED_KEPT = 50


def advance(turn: Turn) -> None:
    """Begin a handover of each active group for which there is a reason."""
    for name, group in turn.state.groups.items():
        if group.phase == "active":
            _advance(turn, name)


def _advance(turn: Turn, name: str) -> None:
    group = turn.state.groups[name]
    order = turn.state.orders.get(name)
    if group.removed or turn.state.stopping:
        groups.stop(turn, name, "the agent stops", handed_to=eligibility.best(turn, name))
    elif order is not None and order.token == group.token and order.id not in turn.state.refused:
        _obey(turn, name, order.id, order.to)
    elif turn.state.settings.paused:
        return
    elif group.claim and group.claim.identity != group.config.identity:
        groups.stop(turn, name, "its configuration changed", handed_to=turn.state.name)
    elif _is_ill(turn, group):
        to = eligibility.best(turn, name)
        if to:
            why = eligibility.why_not(turn, group)
            eligibility.failed(turn, name, why)
            _begin(turn, name, to, why)
    else:
        _yield_to_the_better(turn, name)


def _is_ill(turn: Turn, group: GroupState) -> bool:
    unhealthy = group.config.checked and group.checked and not group.healthy
    return unhealthy or not turn.state.sound


def _obey(turn: Turn, name: str, order: str, to: str) -> None:
    there = eligibility.others(turn, name)
    wanted = to or eligibility.best(turn, name)
    if wanted == turn.state.name:
        why = f"{wanted} holds it already"
    elif not wanted:
        why = "nobody else may be chosen"
    elif wanted not in there:
        why = eligibility.refusal(turn, name, wanted)
    else:
        _begin(turn, name, wanted, "it was ordered", order)
        return
    refused = [*turn.state.refused.items(), (order, why)][-REFUSED_KEPT:]
    turn.set(refused=dict(refused))
    turn.tell(facts.HandoverRefused, group=name, to=to, why=why)


def _begin(turn: Turn, name: str, to: str, why: str, order: str = "") -> None:
    turn.tell(facts.HandoverStarted, group=name, to=to, why=why)
    groups.stop(turn, name, why, handed_to=to, order=order)


def _yield_to_the_better(turn: Turn, name: str) -> None:
    group = turn.state.groups[name]
    after_s = group.config.preempt_after_s
    to = eligibility.better(turn, group) if after_s is not None else ""
    if not to or after_s is None:
        if group.better_s != NEVER_S:
            turn.set_group(name, better_s=NEVER_S)
        return
    if group.better_s == NEVER_S:
        turn.set_group(name, better_s=turn.now_s)
    since_s = turn.state.groups[name].better_s
    if turn.now_s >= since_s + after_s:
        _begin(turn, name, to, f"{to} has a higher priority")
    else:
        turn.wake(since_s + after_s)
