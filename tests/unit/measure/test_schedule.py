from collections import Counter

import pytest

from bascule.measure.schedule import Mix, due_by, due_s, in_flight_bound, lag_bound_s, share_of


def test_an_operation_is_due_by_its_place_alone() -> None:
    assert due_s(100.0, 200.0, 0) == 100.0
    assert due_s(100.0, 200.0, 300) == pytest.approx(101.5)


@pytest.mark.parametrize("rate", [1.0, 3.0, 7.0, 200.0, 1999.0])
def test_the_count_of_due_operations_agrees_with_each_due_time(rate: float) -> None:
    for index in range(500):
        at_s = due_s(12345.678, rate, index)
        assert due_by(12345.678, rate, at_s) == index + 1
    assert due_by(12345.678, rate, 12345.0) == 0


def test_the_mix_follows_the_weights_and_the_seed() -> None:
    mix = Mix([3.0, 1.0, 0.0], seed=7)
    counts = Counter(mix.kind(index) for index in range(20_000))
    assert counts[2] == 0
    assert 0.73 < counts[0] / 20_000 < 0.77
    assert [mix.kind(i) for i in range(50)] == [Mix([3.0, 1.0, 0.0], seed=7).kind(i) for i in range(50)]
    assert [mix.kind(i) for i in range(50)] != [Mix([3.0, 1.0, 0.0], seed=8).kind(i) for i in range(50)]


def test_shares_lie_between_nought_and_one() -> None:
    shares = [share_of(seed, index) for seed in range(20) for index in range(200)]
    assert all(0 <= share < 1 for share in shares)
    assert 0.48 < sum(shares) / len(shares) < 0.52


@pytest.mark.parametrize("weights", [[], [0.0, 0.0], [1.0, -1.0]])
def test_weights_that_cannot_be_chosen_from_are_refused(weights: list[float]) -> None:
    with pytest.raises(ValueError, match="weights"):
        Mix(weights, seed=1)


def test_the_lag_bound_is_stated() -> None:
    assert lag_bound_s(200.0, 0.2) == 0.1
    assert lag_bound_s(10.0, 0.2) == 0.5
    assert lag_bound_s(200.0, 1.0) == 0.25


def test_in_flight_has_room_for_a_silent_system() -> None:
    assert in_flight_bound(200.0, 1.0) == 400
    assert in_flight_bound(1.0, 1.0) == 64
