"""A timeline becomes single strikes: repeated, ramped, rolled and chosen by luck before anything acts."""

from hypothesis import given
from hypothesis import strategies as st
from paper import scenario

from bascule.drill.scenarios.schedule import is_timed, length_s, strikes
from bascule.kernel.dice import LoadedDice, SeededDice
from bascule.kernel.quantities import Duration
from bascule.system.scenario import Repeat, Scenario, Step, Whom


def three(_: Whom) -> int:
    return 3


def test_a_step_without_more_is_one_strike_until_clients_are_served() -> None:
    (strike,) = strikes(scenario("timeline: [{at: 2s, fault: process-kill}]"), three, LoadedDice([]))
    assert (strike.at_s, strike.until_s, strike.starts_clock) == (2.0, None, True)
    assert strike.on.who == "primary"
    assert not is_timed((strike,))


def test_strikes_come_in_the_order_of_their_time_whatever_the_order_of_the_file() -> None:
    found = strikes(
        scenario("timeline: [{at: 9s, fault: b}, {at: 1s, fault: a, for: 3s}, {at: 4s, fault: c}]"),
        three,
        LoadedDice([]),
    )
    assert [one.fault for one in found] == ["a", "c", "b"]
    assert [one.starts_clock for one in found] == [True, False, False]
    assert length_s(found) == 9.0


def test_the_clock_starts_where_the_file_says() -> None:
    found = strikes(scenario("timeline: [{fault: a}, {at: 3s, fault: b, starts_clock: true}]"), three, LoadedDice([]))
    assert [one.starts_clock for one in found] == [False, True]


def test_a_repeated_step_starts_the_clock_once() -> None:
    text = "timeline: [{fault: a}, {at: 3s, fault: b, for: 1s, repeat: {every: 2s, times: 3}, starts_clock: true}]"
    found = strikes(scenario(text), three, LoadedDice([]))
    assert [one.at_s for one in found] == [0.0, 3.0, 5.0, 7.0]
    assert [one.starts_clock for one in found] == [False, True, False, False]
    assert [one.turn for one in found] == [0, 0, 1, 2]


def test_what_rolls_without_a_number_strikes_each_member_once() -> None:
    text = "timeline: [{fault: a, on: {who: replicas, rolling: true}, for: 1s, repeat: {every: 5s}}]"
    assert [one.at_s for one in strikes(scenario(text), three, LoadedDice([]))] == [0.0, 5.0, 10.0]
    assert len(strikes(scenario(text), lambda _: 0, LoadedDice([]))) == 1, (
        "that it hits nobody is told when it is tried"
    )


def test_a_ramp_takes_its_first_and_its_last_value_and_all_of_its_time() -> None:
    text = "timeline: [{fault: a, with: {x: 1}, for: 9s, ramp: {parameter: y, start: 10, to: 30, steps: 3}}]"
    found = strikes(scenario(text), three, LoadedDice([]))
    assert [one.settings for one in found] == [{"x": 1, "y": 10.0}, {"x": 1, "y": 20.0}, {"x": 1, "y": 30.0}]
    assert [(one.at_s, one.until_s) for one in found] == [(0.0, 3.0), (3.0, 6.0), (6.0, 9.0)]


def test_luck_chooses_anew_each_time_and_the_seed_repeats_it() -> None:
    text = """
timeline:
  - {for: 1s, repeat: {every: 2s, times: 3}, one_of: [{fault: a}, {fault: b, on: standbys, with: {x: 2}}]}
"""
    found = strikes(scenario(text), three, LoadedDice([0.9, 0.1, 0.6]))
    assert [one.fault for one in found] == ["b", "a", "b"]
    assert found[0].on.who == "standbys"
    assert found[0].settings == {"x": 2}
    assert strikes(scenario(text), three, SeededDice(7)) == strikes(scenario(text), three, SeededDice(7))


_steps = st.builds(
    Step,
    at=st.floats(0, 100).map(Duration),
    fault=st.just("f"),
    lasts=st.none() | st.floats(0.1, 10).map(Duration),
    repeat=st.none() | st.builds(Repeat, every=st.floats(0.1, 10).map(Duration), times=st.integers(1, 5)),
)


@given(st.lists(_steps, min_size=1, max_size=6))
def test_every_timeline_is_in_order_and_starts_one_clock(timeline: list[Step]) -> None:
    found = strikes(Scenario(timeline=tuple(timeline)), three, SeededDice(1))
    assert [one.at_s for one in found] == sorted(one.at_s for one in found)
    assert sum(one.starts_clock for one in found) == 1
    assert len(found) == sum(step.repeat.times if step.repeat else 1 for step in timeline)
    assert is_timed(found) == all(step.lasts is not None for step in timeline)
    assert length_s(found) >= max(one.at_s for one in found)
