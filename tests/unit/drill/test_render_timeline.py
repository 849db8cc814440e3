from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from bascule.drill.render_timeline import Axis, Entry, axis, entries, fault_at_s, flags, lanes, numbers
from bascule.drill.report import Mark, Report, Trial
from bascule.measure.verdict import Verdict

SCALE = Axis(zero_s=0.0, begin_s=0.0, end_s=60.0, width_px=900.0)


def marked(*marks: Mark) -> Trial:
    return Trial(experiment="x", title="", scope="", verdict=Verdict(outcome="PASS", reasons=()), marks=marks)


def test_instants_stand_where_the_monotonic_clock_says(sample_report: Report) -> None:
    found = {entry.label: entry for entry in entries(sample_report.trials[1]) if entry.kind == "instant"}
    assert list(found) == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert round(found["t0"].at_s, 6) == 10.184
    assert round(found["t4"].shown_s, 6) == 20.62


def test_without_the_trials_start_the_fault_mark_stands_for_t0(sample_report: Report) -> None:
    trial = replace(sample_report.trials[1], started_s=None)
    assert fault_at_s(trial) == 10.184
    assert [entry.label for entry in entries(trial)] == [entry.label for entry in entries(sample_report.trials[1])]


def test_instants_that_are_marks_already_are_not_told_twice(sample_report: Report) -> None:
    trial = sample_report.trials[1]
    marks = (*trial.marks, Mark(at_s=30.8, kind="instant", text="t4: stable again"))
    found = [entry for entry in entries(replace(trial, marks=marks)) if entry.kind == "instant"]
    assert [entry.label for entry in found] == ["t0", "t1", "t2", "t3", "t4", "t5"]
    assert found[4].text == "stable again"


def test_a_fault_that_names_t0_stays_an_event_beside_the_instant(sample_report: Report) -> None:
    mark = Mark(at_s=10.184, kind="fault", text="t0: the drill killed m")
    found = entries(replace(sample_report.trials[1], started_s=None, marks=(mark,)))
    assert [(entry.label, entry.text) for entry in found][:2] == [
        ("t0", "the fault is witnessed active"), ("1", "the drill killed m"),
    ]  # fmt: skip


def test_events_are_numbered_in_time_order_and_the_drill_has_the_first_lane() -> None:
    found = entries(
        marked(
            Mark(at_s=2.0, kind="noticed", text="b", source="one"),
            Mark(at_s=3.0, kind="fault", text="c"),
            Mark(at_s=1.0, kind="noticed", text="a", source="two"),
        )
    )
    assert [(entry.label, entry.text, entry.shown_s) for entry in found] == [
        ("1", "a", -2.0), ("2", "b", -1.0), ("3", "c", 0.0),
    ]  # fmt: skip
    assert lanes(found) == ("the drill", "two", "one")


def test_events_too_close_for_a_number_each_share_one() -> None:
    found = entries(marked(*(Mark(at_s=at_s, kind="e", text="", source="m") for at_s in (1, 1.02, 1.05, 1.1, 9))))
    assert [label.text for label in numbers(found, "m", SCALE)] == ["1-4", "5"]


def test_a_shared_number_says_when_some_of_it_are_in_other_lanes() -> None:
    sources = ("m", "n", "m", "m")
    marks = (Mark(at_s=1 + i / 100, kind="e", text="", source=source) for i, source in enumerate(sources))
    assert [label.text for label in numbers(entries(marked(*marks)), "m", SCALE)] == ["1..4 (3)"]


@given(st.lists(st.floats(min_value=0, max_value=59), min_size=1, max_size=60))
def test_no_number_hides_another_however_close_the_events(moments: list[float]) -> None:
    found = entries(marked(*(Mark(at_s=at_s, kind="e", text="", source="m") for at_s in moments)))
    labels = numbers(found, "m", SCALE)
    for before, after in pairwise(labels):
        assert SCALE.px(before.shown_s) + 9 + 6 * len(before.text) < SCALE.px(after.shown_s)


@given(st.lists(st.floats(min_value=0, max_value=59), min_size=6, max_size=6))
def test_no_flag_hides_another(moments: list[float]) -> None:
    found = [
        Entry(label=f"t{n}", at_s=at_s, shown_s=at_s, kind="instant", lane="", text="")
        for n, at_s in enumerate(sorted(moments))
    ]
    placed = flags(found, SCALE)
    for label in placed:
        for other in placed:
            if other is not label and other.row == label.row and label.shown_s <= other.shown_s:
                assert SCALE.px(label.shown_s) + 14 < SCALE.px(other.shown_s)


def test_the_axis_holds_marks_outside_the_bins() -> None:
    scale = axis(marked(Mark(at_s=-1.0, kind="e", text=""), Mark(at_s=99.0, kind="e", text="")), 900)
    assert (scale.begin_s, scale.end_s) == (-1.0, 99.0)
    assert axis(marked(), 900).end_s == 1.0
