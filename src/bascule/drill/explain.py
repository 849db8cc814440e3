"""What happened, in sentences, each drawn from an event on the timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bascule.drill.events import TimedEvent
from bascule.measure.verdict import Instants


def _first(events: Iterable[TimedEvent], *kinds: str) -> TimedEvent | None:
    return next((event for event in events if event.event.kind in kinds), None)


def _after(event_s: float, t0_s: float) -> str:
    return f"{event_s - t0_s:+.2f} s" if event_s != t0_s else "0 s"


def explain(
    events: Sequence[TimedEvent],
    instants: Instants,
    *,
    component: str,
    old_primary: str,
    new_primary: str,
    action: str,
    shared: bool = False,
) -> tuple[str, ...]:
    """Tell the incident from the fault to the last repair.

    Args:
        events: In time order.
        instants: Of this trial.
        component: The component that was aimed at.
        old_primary: Primary when the fault came, or whoever had the entry's address.
        new_primary: Who it was at the end.
        action: What was done, in words: `killed database-paris-a-1`.
        shared: Nobody is in charge of the component: clients know all of its members.
    """
    t0_s = instants.t0_s
    own = [event for event in events if event.component == component and event.at_s >= t0_s]
    down = _first((event for event in events if event.at_s >= t0_s), "server_down")
    noticed = _first(own, "noticed")
    rejoined = _first((e for e in own if e.member == old_primary and e.at_s >= (instants.healed_s or t0_s)), "rejoined")
    told: list[tuple[float, str]] = [(t0_s, f"the drill {action}")]
    if down is not None:
        told.append((down.at_s, f"{down.member} took it out of service: {down.event.text}"))
    if noticed is not None:
        told.append((noticed.at_s, f"{noticed.member} noticed: {noticed.event.text}"))
    if not shared:
        told.append(_outcome(own, t0_s, old_primary, new_primary))
    told += [(at_s, text) for at_s, text in _landmarks(instants) if at_s is not None]
    if rejoined is not None:
        told.append((rejoined.at_s, f"{old_primary} was back: {rejoined.event.text}"))
    return tuple(f"At {_after(at_s, t0_s)} {text}." for at_s, text in sorted(told, key=lambda one: one[0]))


def _landmarks(instants: Instants) -> tuple[tuple[float | None, str], ...]:
    stable_s = instants.t4_s if instants.t1_s is not None else None
    return (
        (instants.t3_s, "a client got the first acknowledgement of the new epoch"),
        (stable_s, "the first stable window of the service began"),
        (instants.healed_s, "the fault was undone"),
        (instants.t5_s, "full redundancy was restored"),
    )


def _outcome(own: Sequence[TimedEvent], t0_s: float, old_primary: str, new_primary: str) -> tuple[float, str]:
    """Whether it failed over, was restarted in place, or neither; with the moment, or t0 where no event tells it."""
    promoted = _first((event for event in own if event.member != old_primary), "promoted")
    if promoted is not None:
        return promoted.at_s, f"it failed over to {promoted.member}: {promoted.event.text}"
    restarted = _first((event for event in own if event.member == old_primary), "restarted", "ready")
    if restarted is not None and new_primary == old_primary:
        text = f"it did not fail over: {old_primary} was restarted in place: {restarted.event.text}"
        return restarted.at_s, text
    if new_primary and new_primary == old_primary:
        return t0_s, f"it did not fail over: {old_primary} stayed primary"
    return t0_s, f"it failed over to {new_primary}" if new_primary else "nobody became primary"
