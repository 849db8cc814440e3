"""Dates of game days in every zone: in order, once a day, on the wall clock, through gaps and folds of the clocks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, time, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.drill.gameday import calendar
from bascule.drill.gameday.calendar import Closed, Date, Plan, Rule, between, dates, upcoming
from bascule.drill.gameday.due import Past, decide, seen_until_s

ZONES = [
    "UTC",
    "Europe/Paris",
    "America/New_York",
    "Australia/Lord_Howe",  # goes forward by half an hour
    "Africa/Casablanca",
    "Asia/Kathmandu",
    "America/Sao_Paulo",  # used to go forward at midnight
    "Pacific/Apia",  # left out 2011-12-30 altogether
    "Antarctica/Troll",  # goes forward by two hours
]
RULES = st.builds(
    Rule,
    days=st.sets(st.integers(0, 6), min_size=1).map(lambda days: tuple(sorted(days))),
    at=st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59])),
    ordinal=st.sampled_from([0, 1, 2, 3, 4, -1]),
    months=st.sampled_from([1, 3]),
)
MOMENTS = st.floats(1_200_000_000, 2_000_000_000)


def plan_of(rule: Rule, zone: str, closed: tuple[Closed, ...] = ()) -> Plan:
    return Plan(rule=rule, zone=ZoneInfo(zone), closed=closed)


PLANS = st.builds(plan_of, RULES, st.sampled_from(ZONES))
Every = Callable[[Plan, float], list[Date]]


def some(plan: Plan, after_s: float) -> list[Date]:
    return list(islice(dates(plan, after_s), 60))


def check_order(every: Every, plan: Plan, after_s: float) -> None:
    found = every(plan, after_s)
    assert found
    assert found[0].at_s > after_s
    assert all(one.at_s < two.at_s for one, two in pairwise(found))


def check_wall(every: Every, plan: Plan, after_s: float) -> None:
    for one in every(plan, after_s):
        assert one.wall.timestamp() == one.at_s
        if not one.moved:
            assert one.wall.time() == plan.rule.at
            assert one.wall.weekday() in plan.rule.days


@settings(deadline=None)
@given(PLANS, MOMENTS)
def test_dates_come_in_order_after_the_moment(plan: Plan, after_s: float) -> None:
    check_order(some, plan, after_s)


@settings(deadline=None)
@given(PLANS, MOMENTS)
def test_a_date_is_at_the_rules_time_on_the_wall_unless_that_is_left_out(plan: Plan, after_s: float) -> None:
    check_wall(some, plan, after_s)


@settings(deadline=None)
@given(PLANS, MOMENTS, st.floats(0, 40 * 86400))
def test_where_one_looks_from_changes_no_date(plan: Plan, after_s: float, later_s: float) -> None:
    whole = between(plan, after_s, after_s + 100 * 86400)
    assert [one for one in whole if one.at_s > after_s + later_s] == between(
        plan, after_s + later_s, after_s + 100 * 86400
    )


@settings(deadline=None)
@given(st.sampled_from(ZONES), MOMENTS, st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30])))
def test_every_day_has_one_date_but_those_that_the_zone_leaves_out(zone: str, after_s: float, at: time) -> None:
    found = some(plan_of(Rule(days=tuple(range(7)), at=at), zone), after_s)
    walls = [one.wall.date() for one in found]
    assert len(set(walls)) == len(walls)
    assert all((two - one).days in {1, 2} for one, two in pairwise(walls))


@settings(deadline=None)
@given(PLANS, MOMENTS)
def test_a_gap_is_left_forward_by_its_own_length(plan: Plan, after_s: float) -> None:
    for one in some(plan, after_s):
        if one.moved:
            meant = datetime.combine(one.wall.date(), plan.rule.at)
            late = one.wall.replace(tzinfo=None) - meant
            assert timedelta(0) < late <= timedelta(hours=2) or "2011-12-30" in one.moved


@settings(deadline=None)
@given(RULES.filter(lambda rule: rule.ordinal != 0), st.sampled_from(ZONES), MOMENTS)
def test_of_a_period_there_is_one_date(rule: Rule, zone: str, after_s: float) -> None:
    walls = [datetime.strptime(one.moved[-10:], "%Y-%m-%d").replace(tzinfo=UTC) if one.moved else one.wall
             for one in islice(dates(plan_of(rule, zone), after_s), 12)]  # fmt: skip
    periods = [(one.year * 12 + one.month - 1) // rule.months for one in walls]
    assert all(two == one + 1 for one, two in pairwise(periods))


@settings(deadline=None)
@given(PLANS, MOMENTS, st.integers(0, 60), st.integers(1, 30))
def test_no_date_within_a_blackout_is_held_and_all_others_are(plan: Plan, now_s: float, start: int, days: int) -> None:
    begin = datetime.fromtimestamp(now_s, UTC).replace(tzinfo=None) + timedelta(days=start)
    closed = Closed(because="freeze", begin=begin, end=begin + timedelta(days=days))
    found = some(Plan(rule=plan.rule, zone=plan.zone, closed=(closed,)), now_s)
    assert found
    for one in found:
        inside = begin <= one.wall.replace(tzinfo=None) < begin + timedelta(days=days)
        assert bool(one.against) == inside


@settings(deadline=None)
@given(PLANS, MOMENTS, st.lists(st.floats(-3 * 86400, 9 * 86400), max_size=40), st.booleans())
def test_whatever_the_clock_does_no_date_is_held_twice_or_both_held_and_missed(
    plan: Plan, now_s: float, steps: list[float], catch_up: bool
) -> None:
    past = Past()
    for step in steps:
        now_s += step
        found = decide(plan, past, now_s, late_s=3600.0, catch_up=catch_up)
        told = {one.at_s for one in found.missed}
        held = {found.due.at_s} if found.due else set()
        assert not held & past.held
        assert not told & (past.held | past.told | held)
        past = Past(since_s=seen_until_s(past, now_s), held=past.held | held, told=past.told | told)


@settings(deadline=None)
@given(PLANS, MOMENTS, st.integers(60, 1800))
def test_who_looks_often_enough_holds_every_date_and_misses_none(plan: Plan, now_s: float, every_s: int) -> None:
    past = Past(since_s=now_s)
    until_s = upcoming(plan, now_s, 2)[-1].at_s
    meant = {one.at_s for one in between(plan, now_s, until_s)}
    # Only around the dates: between them nothing can happen.
    looks = sorted({at_s + offset * every_s - 7 for at_s in meant for offset in range(-2, 4)})
    for look_s in looks:
        found = decide(plan, past, look_s, late_s=3600.0)
        assert not found.missed
        held = {found.due.at_s} if found.due else set()
        past = Past(since_s=look_s, held=past.held | held)
    assert past.held == meant


def forgets_the_gap(plan: Plan, after_s: float) -> list[Date]:
    """A calendar that takes the second offset of a gap: an hour too early, at a time that nobody meant."""
    return [
        Date(at_s=one.at_s - 3600, wall=one.wall - timedelta(hours=1)) if one.moved else one
        for one in some(plan, after_s)
    ]


def reckons_in_utc(plan: Plan, after_s: float) -> list[Date]:
    """A calendar that adds days of 24 hours."""
    first = some(plan, after_s)[0]
    every = [first.at_s + 86400 * day for day in range(300)]
    return [Date(at_s=one, wall=datetime.fromtimestamp(one, UTC).astimezone(plan.zone)) for one in every]


def repeats_the_fold(plan: Plan, after_s: float) -> list[Date]:
    """A calendar that has no order where the clocks go back."""
    found = some(plan, after_s)
    return [*found[:3], *found[2:]]


@pytest.mark.parametrize("mutant", [forgets_the_gap, reckons_in_utc, repeats_the_fold])
def test_these_checks_catch_a_broken_calendar(mutant: Every) -> None:
    plan = plan_of(Rule(days=tuple(range(7)), at=time(2, 30)), "Europe/Paris")
    before_gap_s = datetime(2026, 3, 1, tzinfo=UTC).timestamp()

    def checked(every: Every) -> None:
        check_order(every, plan, before_gap_s)
        check_wall(every, plan, before_gap_s)

    checked(some)
    with pytest.raises(AssertionError):
        checked(mutant)


def test_the_gap_and_the_fold_of_paris() -> None:
    plan = plan_of(Rule(days=(6,), at=time(2, 30)), "Europe/Paris")
    (gap,) = between(plan, datetime(2026, 3, 28, tzinfo=UTC).timestamp(), datetime(2026, 3, 30, tzinfo=UTC).timestamp())
    assert gap.wall.isoformat() == "2026-03-29T03:30:00+02:00"
    assert gap.moved == "no 02:30 on 2026-03-29"
    (fold,) = between(
        plan, datetime(2026, 10, 24, tzinfo=UTC).timestamp(), datetime(2026, 10, 26, tzinfo=UTC).timestamp()
    )
    assert fold.wall.isoformat() == "2026-10-25T02:30:00+02:00"
    assert fold.moved == ""


def test_ten_years_are_the_end() -> None:
    never = Plan(rule=Rule(days=(0,), at=time(10)), zone=UTC, not_after=time(9))
    assert calendar.following(never, 1_800_000_000) is None
