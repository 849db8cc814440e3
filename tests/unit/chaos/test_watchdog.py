"""When the watchdog must act: a table of stories, and the mutants that break it."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bascule.chaos.watchdog import Effect, Event, Lease, step

Step = Callable[[Lease, Event, float], tuple[Lease, Effect | None]]
Story = tuple[tuple[Event, float, Effect | None], ...]
LEASE = Lease(until_s=10.0, ttl_s=10.0, attempts_left=3)
STORIES: dict[str, Story] = {
    "renewals keep it waiting": (("renewed", 5, None), ("tick", 14, None), ("renewed", 15, None), ("tick", 25, None)),
    "a renewal counts from when it is heard": (("renewed", 2, None), ("tick", 12, None), ("tick", 12.1, "undo")),
    "silence ends its patience at once": (("renewed", 1, None), ("silence", 1.1, "undo")),
    "time runs out": (("tick", 9.9, None), ("tick", 10, None), ("tick", 10.1, "undo")),
    "a renewal that comes too late is the end as well": (("renewed", 10.1, "undo"),),
    "a goodbye ends it, even at the last moment": (("tick", 9, None), ("goodbye", 10.5, "end")),
    "once it undoes, a late drill cannot call it back": (
        ("tick", 11, "undo"),
        ("renewed", 11.1, None),
        ("goodbye", 11.2, None),
        ("silence", 11.3, None),
        ("tick", 30, None),
        ("repaired", 31, "end"),
    ),
    "a failed undoing is tried again, and not for ever": (
        ("silence", 1, "undo"),
        ("failed", 2, "undo"),
        ("failed", 3, "undo"),
        ("failed", 4, "end"),
    ),
    "a second attempt may work": (("silence", 1, "undo"), ("failed", 2, "undo"), ("repaired", 3, "end")),
}


def deviations(decide: Step) -> list[str]:
    """Where a decision differs from the table."""
    found: list[str] = []
    for name, story in STORIES.items():
        lease = LEASE
        for event, now_s, wanted in story:
            lease, effect = decide(lease, event, now_s)
            if effect != wanted:
                found.append(f"{name}: {event} at {now_s}: {effect}")
    return found


def test_every_story_ends_as_it_must() -> None:
    assert deviations(step) == []


def never_expires(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    return step(lease, event, min(now_s, lease.until_s))


def believes_late_renewals(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    if event == "renewed":
        return Lease(until_s=now_s + lease.ttl_s, ttl_s=lease.ttl_s, attempts_left=lease.attempts_left), None
    return step(lease, event, now_s)


def deaf_to_silence(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    return step(lease, "tick" if event == "silence" else event, now_s)


def gives_up_at_once(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    return (lease, "end") if event == "failed" else step(lease, event, now_s)


def never_gives_up(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    return (lease, "undo") if event == "failed" else step(lease, event, now_s)


def deaf_to_goodbye(lease: Lease, event: Event, now_s: float) -> tuple[Lease, Effect | None]:
    return step(lease, "silence" if event == "goodbye" else event, now_s)


@pytest.mark.parametrize(
    "mutant",
    [never_expires, believes_late_renewals, deaf_to_silence, gives_up_at_once, never_gives_up, deaf_to_goodbye],
)
def test_mutant_decisions_are_caught(mutant: Step) -> None:
    assert deviations(mutant)
