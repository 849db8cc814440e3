"""What happened, in sentences, each drawn from an event on the timeline. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bascule.drill.events import TimedEvent
from bascule.measure.verdict import Instants


def _first(events: Iterable[TimedEvent], *kinds: str) -> TimedEvent | None:
    return next((event for event in events if event.event.kind in kinds), None)


def _after(event_s: float, t0_s: float) -> str:
    return f"{event_s - t0_s:+.2f} s"


def explain(
    events: Sequence[TimedEvent], instants: Instants, *, component: str, old_primary: str, new_primary: str, action: str
) -> tuple[str, ...]:
    """Tell the incident from the fault to the last repair.

    Args:
        events: In time order.
        instants: Of this trial.
        component: The component whose primary was aimed at.
        old_primary: Primary when the fault came.
        new_primary: Primary at the end.
        action: What was done, in words: `killed database-paris-a-1`.
    """
    t0_s = instants.t0_s
    own = [event for event in events if event.component == component and event.at_s >= t0_s]
    sentences = [f"At 0 s the drill {action}."]
    noticed = _first(own, "noticed")
    if noticed is not None:
        sentences.append(f"At {_after(noticed.at_s, t0_s)} {noticed.member} noticed: {noticed.event.text}.")
    down = _first((event for event in events if event.at_s >= t0_s), "server_down")
    if down is not None:
        sentences.append(f"At {_after(down.at_s, t0_s)} {down.member} took it out of service: {down.event.text}.")
    sentences.append(_outcome(own, t0_s, old_primary, new_primary))
    if instants.t3_s is not None:
        sentences.append(f"At {_after(instants.t3_s, t0_s)} a client got the first acknowledgement of the new epoch.")
    if instants.t4_s is not None and instants.t1_s is not None:
        sentences.append(f"From {_after(instants.t4_s, t0_s)} on the service was stable again.")
    if instants.healed_s is not None:
        sentences.append(f"At {_after(instants.healed_s, t0_s)} the fault was undone.")
    rejoined = _first((e for e in own if e.member == old_primary and e.at_s >= (instants.healed_s or t0_s)), "rejoined")
    if rejoined is not None:
        sentences.append(f"At {_after(rejoined.at_s, t0_s)} {old_primary} was back: {rejoined.event.text}.")
    if instants.t5_s is not None:
        sentences.append(f"At {_after(instants.t5_s, t0_s)} full redundancy was restored.")
    return tuple(sentences)


def _outcome(own: Sequence[TimedEvent], t0_s: float, old_primary: str, new_primary: str) -> str:
    promoted = _first((event for event in own if event.member != old_primary), "promoted")
    if promoted is not None:
        return f"At {_after(promoted.at_s, t0_s)} it failed over to {promoted.member}: {promoted.event.text}."
    restarted = _first((event for event in own if event.member == old_primary), "restarted", "ready")
    if restarted is not None and new_primary == old_primary:
        return (
            f"It did not fail over: {old_primary} was restarted in place at {_after(restarted.at_s, t0_s)}: "
            f"{restarted.event.text}."
        )
    if new_primary and new_primary == old_primary:
        return f"It did not fail over: {old_primary} stayed primary."
    return f"It failed over to {new_primary}." if new_primary else "Nobody became primary."
