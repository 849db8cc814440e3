"""An experiment in outline: what is broken, when and for how long. What both formats can say. Pure."""

from __future__ import annotations

from msgspec import Struct, field


class PlannedFault(Struct, frozen=True, kw_only=True):
    """One fault on the experiment's timeline.

    Attributes:
        kind: As in `bascule fault list`.
        at_s: Seconds after the experiment's first step.
        for_s: How long it acts; None: to the experiment's end.
    """

    kind: str
    parameters: dict[str, object] = field(default_factory=dict)
    at_s: float = 0.0
    for_s: float | None = None


class PlannedDrill(Struct, frozen=True, kw_only=True):
    """A drill on the experiment's timeline: it judges by itself.

    Attributes:
        experiments: As in `bascule drill --list`.
        hold: How long each fault acts (`2s`); empty: until the clients are served again.
        timelines: A file with further experiments beside the system's; empty for none.
    """

    experiments: tuple[str, ...]
    trials: int = 1
    at_s: float = 0.0
    hold: str = ""
    timelines: str = ""


class Outline(Struct, frozen=True, kw_only=True):
    """A whole experiment.

    Attributes:
        served: It is part of the steady state that a client is answered.
        whole: It is part of the steady state that every member is whole.
        abilities: What its lab must be given, by the names of the control's arguments: `disks`, `clocks`, `names`.
    """

    title: str
    description: str
    faults: tuple[PlannedFault, ...] = ()
    drills: tuple[PlannedDrill, ...] = ()
    served: bool = True
    whole: bool = False
    abilities: tuple[str, ...] = ()
