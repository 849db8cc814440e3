"""What matters most: measures of importance of each basic event, and of each part with all its events. Pure.

Of a system that is down with probability Q, with Q1 where the event has failed and Q0 where it cannot (of a part: where
all its events have, or none can):

- Birnbaum, the marginal importance: Q1 - Q0
- criticality: (Q - Q0) / Q; of an event that is its Birnbaum importance times its unavailability, over Q
- Fussell-Vesely, by minimal cut sets: the probability that all of some cut set with the event (with any of the part's)
  has failed, over Q; the table says whether it is exact or the rare-event approximation, the sum over those cut sets,
  which may exceed 1. Who defines it by Q0 instead finds that as criticality.
- risk achievement worth: Q1 / Q
- risk reduction worth: Q / Q0, infinite where nothing is left without it
- improvement potential: Q - Q0

Of a system that is never down, the ratios are those of no influence: 0 for shares, 1 for worths.

Source: van der Borst and Schoonakker, An overview of PSA importance measures, Reliability Engineering and System Safety
72(3), 2001.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from bascule.availability.structure import Event, Structure
from bascule.availability.trees.covering import covered
from bascule.availability.trees.cut_sets import of_solved
from bascule.availability.trees.evaluation import Odds
from bascule.availability.trees.network import ALWAYS, NEVER
from bascule.availability.trees.solved import FAILED, PERFECT, Solved
from bascule.availability.trees.solving import MOST_NODES, Engine, exactly
from bascule.kernel.errors import InputError

Covering: TypeAlias = Literal["exact", "rare-event", "none"]


@dataclass(frozen=True, slots=True)
class Importance:
    """How much an event, or a part, matters; the measures are those of the module's docstring.

    Attributes:
        name: That of the event or the part.
        failed: Q1, how likely the system is down when it has failed, in [0, 1].
        perfect: Q0, how likely the system is down when it cannot fail, in [0, 1].
        birnbaum: Q1 - Q0; negative only where the system has a NOT.
        criticality: (Q - Q0) / Q.
        fussell_vesely: By minimal cut sets; None where there are none to be had: with a NOT, or beyond the limits.
        risk_achievement: Q1 / Q.
        risk_reduction: Q / Q0.
        improvement: Q - Q0.
    """

    name: str
    failed: float
    perfect: float
    birnbaum: float
    criticality: float
    fussell_vesely: float | None
    risk_achievement: float
    risk_reduction: float
    improvement: float


@dataclass(frozen=True, slots=True)
class Importances:
    """What matters, the highest criticality first.

    Attributes:
        unavailability: Q, that of the system.
        events: One for each basic event.
        parts: One for each part that has a name.
        fussell_vesely: What that measure is here: exact, the rare-event approximation, or not known.
    """

    unavailability: float
    events: tuple[Importance, ...]
    parts: tuple[Importance, ...]
    fussell_vesely: Covering


def importances(
    structure: Structure, *, expired: Callable[[], bool], most_nodes: int = MOST_NODES, engine: Engine = "own"
) -> Importances:
    """All measures of all events and parts, exact but for what `fussell_vesely` says of itself.

    Args:
        structure: When the system fails, and how likely each basic event is.
        expired: Whether time is up.
        most_nodes: How many nodes a diagram may have.
        engine: Whose decision diagrams.

    Raises:
        InputError: The structure is too large to be solved exactly within the limits.
        MissingProgramError: The engine is not installed.
    """
    solved = exactly(structure, expired=expired, most_nodes=most_nodes, engine=engine)
    return of(solved, structure.events, expired=expired)


def of(solved: Solved, events: Mapping[str, Event], *, expired: Callable[[], bool]) -> Importances:
    """All measures of a fault tree that is solved already, of all events that it was made with."""
    names = solved.network.events
    groups = {name: (name,) for name in names}
    parts: dict[str, tuple[str, ...]] = {}
    for name in names:
        if part := events[name].part:
            parts[part] = (*parts.get(part, ()), name)
    wanted = [*groups.values(), *parts.values()]
    changes: list[Mapping[str, Odds]] = [dict.fromkeys(group, odds) for group in wanted for odds in (FAILED, PERFECT)]
    given = [odds[0] for odds in solved.given(changes)]
    birnbaum = solved.birnbaum()
    cover, kind = _cover(solved, wanted, expired)
    total = solved.top[0]
    found = [
        _measured(
            name,
            total,
            given[2 * number],
            given[2 * number + 1],
            (birnbaum[name], solved.events[number][0]) if number < len(names) else None,
            cover[number] if cover else None,
        )
        for number, name in enumerate([*groups, *parts])
    ]

    def matters(one: Importance) -> tuple[float, float, str]:
        return -one.criticality, -one.birnbaum, one.name

    split = len(names)
    return Importances(
        total, tuple(sorted(found[:split], key=matters)), tuple(sorted(found[split:], key=matters)), kind
    )


def _measured(  # noqa: PLR0917 - what the measures are made of
    name: str, total: float, failed: float, perfect: float, alone: tuple[float, float] | None, cover: float | None
) -> Importance:
    """The measures from three probabilities; of a single event, Birnbaum's with less subtracted from each other."""
    birnbaum = alone[0] if alone else failed - perfect
    improvement = alone[0] * alone[1] if alone else total - perfect
    return Importance(
        name=name,
        failed=failed,
        perfect=perfect,
        birnbaum=birnbaum,
        criticality=_ratio(improvement, total, 0.0),
        fussell_vesely=None if cover is None else _ratio(cover, total, 0.0),
        risk_achievement=_ratio(failed, total, 1.0),
        risk_reduction=_ratio(total, perfect, 1.0),
        improvement=improvement,
    )


def _ratio(above: float, below: float, of_nothing: float) -> float:
    if below:
        return above / below
    return math.inf if above > 0 else of_nothing


def _cover(
    solved: Solved, wanted: list[tuple[str, ...]], expired: Callable[[], bool]
) -> tuple[list[float] | None, Covering]:
    """For each group how likely a cut set with one of its events is down, and in which sense."""
    network = solved.network
    if network.top in (NEVER, ALWAYS):
        return [0.0] * len(wanted), "exact"
    if not network.coherent:
        return None, "none"
    place = {name: number for number, name in enumerate(network.events)}
    exact = covered(network, solved.events, [{place[name] for name in group} for group in wanted], expired=expired)
    if exact is not None:
        return exact, "exact"
    try:
        cuts = of_solved(solved, expired=expired)
    except InputError:
        return None, "none"
    singles = cuts.containing()
    alone = [singles[group[0]] for group in wanted if len(group) == 1]
    many = iter(cuts.hitting([group for group in wanted if len(group) > 1]))
    ones = iter(alone)
    return [next(ones) if len(group) == 1 else next(many) for group in wanted], "rare-event"
