"""What the report draws of a trial: its marks on the timeline. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from bascule.drill.events import TimedEvent
from bascule.drill.report import Mark
from bascule.measure.evidence import Stall
from bascule.measure.verdict import Instants

_INSTANTS = (
    ("t1_s", "t1", "first bad operation was due"),
    ("t2_s", "t2", "the system noticed"),
    ("t3_s", "t3", "first acknowledgement in the new epoch"),
    ("t4_s", "t4", "service was stable again"),
    ("t5_s", "t5", "full redundancy was restored"),
)


def marks(
    instants: Instants | None,
    events: Sequence[TimedEvent],
    stalls: Sequence[Stall],
    started_s: float,
    action: str,
    *,
    acts: Sequence[Mark] = (),
) -> tuple[Mark, ...]:
    """Every mark of a trial, in time order, in seconds since it started.

    Args:
        instants: None when no fault was witnessed.
        events: Of the engines.
        stalls: Of this machine's disk.
        started_s: When the trial started.
        action: What the drill did, in words.
        acts: What it did when, where that was more than one fault; they stand for the one mark of the fault.
    """
    found = [*acts]
    found += [
        Mark(at_s=one.at_s - started_s, kind=one.event.kind, text=one.event.text, source=one.member) for one in events
    ]
    found += [
        Mark(at_s=one.start_s - started_s, kind="disk", text=f"stalled for {one.length_s:.2f} s", source="this machine")
        for one in stalls
    ]
    if instants is not None:
        kind = "instant" if acts else "fault"
        found.append(Mark(at_s=instants.t0_s - started_s, kind=kind, text=f"t0: the drill {action}"))
        if instants.healed_s is not None and not acts:
            found.append(Mark(at_s=instants.healed_s - started_s, kind="heal", text="the fault was undone"))
        for field, name, text in _INSTANTS:
            at_s = getattr(instants, field)
            if at_s is not None:
                found.append(Mark(at_s=at_s - started_s, kind="instant", text=f"{name}: {text}"))
    return tuple(sorted(found, key=lambda mark: mark.at_s))
