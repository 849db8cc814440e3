"""Whether a game day is due now, and which were missed. Pure."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from msgspec import Struct

from bascule.drill.gameday.calendar import Date, Plan, against, between, following

LONGEST_LOOK_BACK_S = 400 * 86400.0
A_YEAR_S = 366 * 86400.0


class Past(Struct, frozen=True, kw_only=True):
    """What a history knows of dates.

    Attributes:
        since_s: When it was last asked what is due: all before was held or told then. None: never yet.
        held: Dates for which a run was begun, however it ended.
        told: Dates that were told to be missed.
    """

    since_s: float | None = None
    held: frozenset[float] = frozenset()
    told: frozenset[float] = frozenset()


class Decision(Struct, frozen=True, kw_only=True):
    """What is to be done now.

    Attributes:
        due: The date that is held now; None when none is.
        missed: Dates that nobody held and that were not told yet, in their order.
        late: The latest date that was missed and could be caught up with; None when there is none.
        against: Why it is not caught up with now, though that was asked for.
        next: The date that comes next.
    """

    due: Date | None = None
    missed: tuple[Date, ...] = ()
    late: Date | None = None
    against: tuple[str, ...] = ()
    next: Date | None = None


def decide(plan: Plan, past: Past, now_s: float, *, late_s: float, catch_up: bool = False) -> Decision:
    """What is due at this moment. However often it is asked, and whatever the clock does, each date is held once.

    Args:
        plan: Of the dates.
        past: What was done about them.
        now_s: Seconds since the Unix epoch.
        late_s: A date is held at most so much later; then it is missed.
        catch_up: Hold the latest date that was missed, if nothing speaks against this moment.
    """
    known_s = [now_s - late_s, *([] if past.since_s is None else [past.since_s]), *sorted(past.told)[-1:]]
    begin_s = max(min(known_s) - 1, now_s - LONGEST_LOOK_BACK_S)
    unheld = [one for one in between(plan, begin_s, now_s) if not one.against]
    due = unheld[-1] if unheld and now_s - unheld[-1].at_s <= late_s and unheld[-1].at_s not in past.held else None
    unheld = [one for one in unheld if one is not due and one.at_s not in past.held]
    missed = tuple(one for one in unheld if one.at_s not in past.told and _is_new(one, past))
    late = _late([one for one in unheld if one.at_s in past.told or one in missed], past.held) if due is None else None
    against_now: tuple[str, ...] = ()
    if catch_up and late is not None:
        against_now = against(plan, now_s)
        if not against_now:
            due, missed = late, tuple(one for one in missed if one is not late)
    return Decision(due=due, missed=missed, late=late, against=against_now, next=following(plan, now_s))


def seen_until_s(past: Past, now_s: float) -> float:
    """Until when everything was looked at, now that somebody looks: a clock that was set back makes no new misses.

    One that was once more than a year ahead was wrong, and is forgotten.
    """
    if past.since_s is None or past.since_s > now_s + A_YEAR_S:
        return now_s
    return max(past.since_s, now_s)


def _is_new(one: Date, past: Past) -> bool:
    """Whether nobody can have looked at it yet. A rule that was changed since makes no misses of the past."""
    return past.since_s is not None and one.at_s > past.since_s


def _late(unheld: list[Date], held: AbstractSet[float]) -> Date | None:
    """The latest date that was missed, unless a later one was held since: then there is nothing to catch up with."""
    if not unheld or any(at_s > unheld[-1].at_s for at_s in held):
        return None
    return unheld[-1]
