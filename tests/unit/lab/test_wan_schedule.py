"""Frames leave the WAN no earlier than their delay, in order, and never more than a queue holds."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.kernel.dice import LoadedDice, SeededDice
from bascule.lab.wan_schedule import Line, Schedule

THERE, BACK = (1, 2), (2, 1)
NO_DICE = LoadedDice(())


def late(jitter_s: float = 0.0, loss: float = 0.0) -> Schedule:
    schedule = Schedule()
    schedule.set_line(THERE, Line(delay_s=0.010, jitter_s=jitter_s, loss=loss))
    return schedule


def test_a_pair_without_a_line_passes_at_once() -> None:
    assert late().admit(BACK, b"x", 0.0, NO_DICE)


def test_a_frame_leaves_when_its_delay_is_over_and_no_earlier() -> None:
    schedule = late()
    assert not schedule.admit(THERE, b"x", 1.0, NO_DICE)
    assert schedule.next_s() == 1.010
    assert schedule.leaving(1.0099) == []
    assert schedule.leaving(1.010) == [(2, b"x")]
    assert schedule.next_s() is None


@given(st.lists(st.floats(0.0, 0.01), min_size=1, max_size=30), st.integers())
def test_jitter_keeps_the_order_and_the_lower_bound(gaps_s: list[float], seed: int) -> None:
    schedule = late(jitter_s=0.02)
    dice, now_s = SeededDice(seed), 0.0
    came_s: dict[bytes, float] = {}
    for number, gap_s in enumerate(gaps_s):
        now_s += gap_s
        frame = number.to_bytes(2, "big")
        came_s[frame] = now_s
        schedule.admit(THERE, frame, now_s, dice)
    left: list[bytes] = []
    while (due_s := schedule.next_s()) is not None:
        for _, frame in schedule.leaving(due_s):
            assert due_s >= came_s[frame] + 0.010
            left.append(frame)
    assert left == sorted(came_s)


def test_a_roll_below_the_loss_loses_the_frame() -> None:
    schedule = late(loss=0.3)
    schedule.admit(THERE, b"lost", 0.0, LoadedDice([0.29]))
    schedule.admit(THERE, b"kept", 0.0, LoadedDice([0.31]))
    assert schedule.leaving(1.0) == [(2, b"kept")]


def test_a_cut_loses_what_comes_and_what_is_on_its_way_in_one_direction() -> None:
    schedule = late()
    schedule.set_line(BACK, Line(delay_s=0.010))
    schedule.admit(THERE, b"on its way", 0.0, NO_DICE)
    schedule.admit(BACK, b"other direction", 0.0, NO_DICE)
    schedule.set_line(THERE, Line(delay_s=0.010, cut=True))
    schedule.admit(THERE, b"too late", 0.0, NO_DICE)
    assert schedule.leaving(9.0) == [(1, b"other direction")]


def test_a_line_that_became_plain_does_not_let_frames_overtake() -> None:
    schedule = late()
    schedule.admit(THERE, b"first", 0.0, NO_DICE)
    schedule.set_line(THERE, Line())
    assert not schedule.admit(THERE, b"second", 0.001, NO_DICE)
    assert schedule.leaving(0.010) == [(2, b"first"), (2, b"second")]
    assert schedule.admit(THERE, b"third", 0.011, NO_DICE)


def test_a_full_queue_drops_and_counts() -> None:
    schedule = Schedule(limit_bytes=10)
    schedule.set_line(THERE, Line(delay_s=1.0))
    for _ in range(3):
        schedule.admit(THERE, b"12345", 0.0, NO_DICE)
    assert schedule.dropped == 1
    assert len(schedule.leaving(1.0)) == 2
    schedule.admit(THERE, b"12345", 2.0, NO_DICE)
    assert schedule.dropped == 1


def test_only_a_line_that_loses_frames_or_is_unsteady_decides_about_each_frame() -> None:
    assert not late().is_for_each_frame(THERE)
    assert not late(loss=0.5).is_for_each_frame(BACK)
    assert late(loss=0.5).is_for_each_frame(THERE)
    assert late(jitter_s=0.001).is_for_each_frame(THERE)
