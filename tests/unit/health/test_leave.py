"""How a process leaves: a table of stories, and the mutants that break it."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from itertools import product
from typing import get_args

import pytest

from bascule.health.leave import TABLE, Cause, Effect, Event, Leave, Phase, step

Step = Callable[[Leave, Event, float, int], tuple[Leave, tuple[Effect, ...]]]
# Event, when, requests in flight; the phase after it, and its effects.
Line = tuple[Event, float, int, Phase, tuple[Effect, ...]]
LEAVE = Leave(drain_s=5.0, finish_s=10.0, to_close=("b", "a"))
NOT_READY: tuple[Effect, ...] = ("turn not ready",)
STOP: tuple[Effect, ...] = ("stop accepting",)
CLOSE: tuple[Effect, ...] = ("close the next",)
ABANDON: tuple[Effect, ...] = ("abandon", "close the next")
END: tuple[Effect, ...] = ("end",)
DIE: tuple[Effect, ...] = ("die",)
STORIES: dict[str, tuple[Line, ...]] = {
    "an ordinary leave": (
        ("tick", 1, 3, "working", ()),
        ("asked", 2, 3, "draining", NOT_READY),
        ("tick", 6.9, 3, "draining", ()),
        ("tick", 7, 3, "finishing", STOP),
        ("tick", 8, 1, "finishing", ()),
        ("tick", 9, 0, "finishing", ()),  # the server may still hold one that nobody has counted
        ("ended", 9, 0, "closing", CLOSE),
        ("closed", 10, 0, "closing", CLOSE),
        ("closed", 11, 0, "left", END),
        ("tick", 12, 0, "left", ()),
    ),
    "the drain is kept even when nothing is in flight": (
        ("asked", 0, 0, "draining", NOT_READY),
        ("tick", 4.9, 0, "draining", ()),
        ("tick", 5, 0, "finishing", STOP),
    ),
    "a server that ends first leaves its threads' requests to be waited for": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("tick", 5, 1, "finishing", STOP),
        ("ended", 6, 1, "finishing", ()),
        ("tick", 7, 0, "closing", CLOSE),
    ),
    "the deadline counts from when nothing new is accepted": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("tick", 6, 1, "finishing", STOP),
        ("tick", 15.9, 1, "finishing", ()),
        ("tick", 16, 1, "closing", ABANDON),
        ("ended", 17, 1, "closing", ()),
        ("closed", 18, 1, "closing", CLOSE),
        ("closed", 19, 1, "left", END),
    ),
    "a server that ends by itself is no reason to drain": (
        ("ended", 0, 1, "finishing", NOT_READY),
        ("tick", 1, 0, "closing", CLOSE),
    ),
    "a server that ends while it drains": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("ended", 1, 1, "finishing", ()),
        ("tick", 11, 1, "closing", ABANDON),
    ),
    "asked again while it leaves": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("asked", 1, 1, "draining", ()),
        ("tick", 5, 1, "finishing", STOP),
        ("asked", 6, 1, "finishing", ()),
    ),
    "a second signal at once": (("second signal", 0, 1, "forced", DIE), ("tick", 9, 0, "forced", ())),
    "a second signal while draining": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("second signal", 1, 1, "forced", DIE),
    ),
    "a second signal while finishing": (
        ("asked", 0, 1, "draining", NOT_READY),
        ("tick", 5, 1, "finishing", STOP),
        ("second signal", 6, 1, "forced", DIE),
    ),
    "a second signal while closing, and nothing is closed after it": (
        ("ended", 0, 0, "finishing", NOT_READY),
        ("tick", 0, 0, "closing", CLOSE),
        ("second signal", 1, 0, "forced", DIE),
        ("closed", 2, 0, "forced", ()),
    ),
    "a second signal after it has left, when something else keeps it": (
        ("ended", 0, 0, "finishing", NOT_READY),
        ("tick", 0, 0, "closing", CLOSE),
        ("closed", 1, 0, "closing", CLOSE),
        ("closed", 2, 0, "left", END),
        ("second signal", 3, 0, "forced", DIE),
    ),
}


def deviations(decide: Step) -> list[str]:
    found: list[str] = []
    for name, story in STORIES.items():
        leave = LEAVE
        for event, now_s, in_flight, phase, effects in story:
            leave, got = decide(leave, event, now_s, in_flight)
            if (leave.phase, got) != (phase, effects):
                found.append(f"{name}: {event} at {now_s}: {leave.phase} {got}")
    return found


def test_every_story_goes_as_it_must() -> None:
    assert deviations(step) == []


def no_drain(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, drain_s=0.0), event, now_s, in_flight)


def drains_only_while_busy(
    leave: Leave, event: Event, now_s: float, in_flight: int
) -> tuple[Leave, tuple[Effect, ...]]:
    idle = leave.phase == "draining" and not in_flight
    return step(replace(leave, until_s=now_s) if idle else leave, event, now_s, in_flight)


def no_deadline(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, finish_s=math.inf), event, now_s, in_flight)


def counts_from_the_signal(
    leave: Leave, event: Event, now_s: float, in_flight: int
) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, finish_s=leave.finish_s - leave.drain_s), event, now_s, in_flight)


def closes_under_requests(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    return step(leave, event, now_s, min(in_flight, 0))


def trusts_the_count_alone(
    leave: Leave, event: Event, now_s: float, in_flight: int
) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, has_ended=leave.phase == "finishing"), event, now_s, in_flight)


def forgets_that_it_ended(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, has_ended=False), event, now_s, in_flight)


def deaf_to_the_second_signal(
    leave: Leave, event: Event, now_s: float, in_flight: int
) -> tuple[Leave, tuple[Effect, ...]]:
    return step(leave, "asked" if event == "second signal" else event, now_s, in_flight)


def closes_one_only(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    return step(replace(leave, to_close=leave.to_close[:1]), event, now_s, in_flight)


def dies_when_asked_twice(leave: Leave, event: Event, now_s: float, in_flight: int) -> tuple[Leave, tuple[Effect, ...]]:
    again = event == "asked" and leave.phase != "working"
    return step(leave, "second signal" if again else event, now_s, in_flight)


MUTANTS: tuple[Step, ...] = (
    no_drain,
    drains_only_while_busy,
    no_deadline,
    counts_from_the_signal,
    closes_under_requests,
    trusts_the_count_alone,
    forgets_that_it_ended,
    deaf_to_the_second_signal,
    closes_one_only,
    dies_when_asked_twice,
)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.__name__)
def test_the_stories_catch_every_mutant(mutant: Step) -> None:
    assert deviations(mutant)


def test_a_second_signal_is_the_end_in_every_phase() -> None:
    for phase in get_args(Phase):
        after, _ = step(replace(LEAVE, phase=phase), "second signal", 0.0, 1)
        assert after.phase == "forced"


def test_whatever_happens_it_ends_within_its_limits() -> None:
    """From any state, ticks and closings alone lead to the end, and none lasts longer than its limit."""
    events: tuple[Event, ...] = ("asked", "ended")
    for first, in_flight, drain_s, finish_s in product(events, (0, 1), (0.0, 5.0), (0.0, 10.0)):
        leave, effects = step(Leave(drain_s=drain_s, finish_s=finish_s, to_close=("a",)), first, 0.0, in_flight)
        now_s = 0.0
        for _ in range(10):
            if leave.is_over:
                break
            now_s = max(now_s, leave.until_s if leave.until_s < math.inf else now_s)
            event: Event = "closed" if "close the next" in effects else "tick"
            leave, effects = step(leave, event, now_s, in_flight)
        assert leave.phase == "left"
        assert now_s <= drain_s + finish_s


def test_the_table_names_every_cause_and_phase() -> None:
    assert {cause for _, cause in TABLE} == set(get_args(Cause))
    assert {phase for phase, _ in TABLE.values()} | {"working"} == set(get_args(Phase))
    assert {effect for _, effects in TABLE.values() for effect in effects} == set(get_args(Effect))
