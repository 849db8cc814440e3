"""When trials and faults were: each fault with its own undo, and no damaged report that breaks it."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from bascule.drill.report import Mark, Report, Trial
from bascule.drill.wall_times import LATEST_NS, drill_span, faults, nanoseconds, placed
from bascule.kernel.errors import InputError
from bascule.measure.verdict import Instants, Verdict


def timeline(*marks: tuple[float, str, str], **more: Any) -> Trial:
    told = tuple(Mark(at_s=at_s, kind=kind, text=text) for at_s, kind, text in marks)
    verdict = Verdict(outcome=more.pop("outcome", "PASS"), reasons=())
    return Trial(experiment="storm", title="Storm", scope="", verdict=verdict, marks=told, duration_s=60.0, **more)


def test_each_strike_of_a_timeline_has_its_own_undo_also_where_they_overlap() -> None:
    found = faults(
        timeline(
            (1.0, "fault", "delay on db-1"),
            (2.0, "fault", "kill on db-2"),
            (4.0, "heal", "kill on db-2 was undone"),
            (5.0, "fault", "kill on db-2"),
            (6.0, "heal", "delay on db-1 was undone"),
            (7.0, "heal", "kill on db-2 was undone"),
        )
    )
    told = [(one.name, one.target, one.begin_s, one.end_s, one.undone) for one in found]
    assert told == [
        ("delay", "db-1", 1.0, 6.0, True),
        ("kill", "db-2", 2.0, 4.0, True),
        ("kill", "db-2", 5.0, 7.0, True),
    ]


def test_a_strike_without_an_undo_lasts_to_the_end_and_is_not_called_undone() -> None:
    (one, other) = faults(
        timeline((1.0, "fault", "a on x"), (2.0, "fault", "b on x"), (3.0, "heal", "b on x was undone"))
    )
    assert (one.end_s, one.undone, other.end_s) == (60.0, False, 3.0)


def test_a_planned_change_is_a_moment_and_what_was_aborted_lasts_to_the_end() -> None:
    asked = (2.0, "fault", "t0: the drill asked db-1 to hand over")
    assert faults(timeline(asked, target="db-1"))[0].end_s == 2.0
    (aborted,) = faults(timeline(asked, outcome="ABORTED", target="db-1"))
    assert (aborted.name, aborted.target, aborted.end_s) == ("asked db-1 to hand over", "db-1", 60.0)


def test_an_undo_before_its_fault_is_none() -> None:
    (one,) = faults(timeline((1.0, "heal", "the fault was undone"), (2.0, "fault", "t0: the drill did it")))
    assert not one.undone


def test_instants_stand_for_marks_that_are_missing() -> None:
    verdict = Verdict(outcome="PASS", reasons=(), instants=Instants(t0_s=103.0, healed_s=109.0))
    (one,) = faults(replace(timeline(), verdict=verdict, started_s=100.0))
    assert (one.name, one.begin_s, one.end_s) == ("Storm", 3.0, 9.0)


def test_a_skipped_trial_stands_where_the_last_one_ended(sample_report: Report) -> None:
    found = placed(sample_report)
    assert found[-1].trial.skipped
    assert found[-1].span.begin_ns == found[-1].span.end_ns == max(one.span.end_ns for one in found[:-1])


def test_the_drill_holds_every_trial_whatever_the_report_says(sample_report: Report) -> None:
    for hostile in (
        replace(sample_report, started_wall_s=0.0),
        replace(sample_report, started_wall_s=1e300),
        replace(sample_report, started_wall_s=-1e300, duration_s=-5.0),
    ):
        found = placed(hostile)
        span = drill_span(hostile, found)
        assert all(span.begin_ns <= one.span.begin_ns <= one.span.end_ns <= span.end_ns for one in found)
        assert span.begin_ns >= 0
        assert span.end_ns <= LATEST_NS


def test_a_report_without_any_time_is_refused(sample_report: Report) -> None:
    timeless = tuple(replace(one, started_wall_s=0.0) for one in sample_report.trials)
    with pytest.raises(InputError, match="does not say when"):
        placed(replace(sample_report, started_wall_s=0.0, trials=timeless))


@pytest.mark.parametrize(
    ("seconds", "wanted"),
    [(1.5, 1_500_000_000), (float("nan"), 0), (float("inf"), LATEST_NS), (float("-inf"), -LATEST_NS)],
)
def test_seconds_become_whole_nanoseconds_that_tools_can_hold(seconds: float, wanted: int) -> None:
    assert nanoseconds(seconds) == wanted
