"""Concurrency limits that are learned: each algorithm's steps, and what they find at a server of known capacity."""

from __future__ import annotations

import heapq
import math
from dataclasses import dataclass, field
from statistics import mean
from typing import Any

import pytest

from bascule.guard.limits import Aimd, Gradient2, LimitEstimator, LimitOptions, Vegas
from bascule.kernel.dice import SeededDice
from bascule.kernel.errors import InputError

ALL: list[LimitOptions] = [Aimd(), Vegas(), Gradient2(queue_size=8)]


def middle(low: float, high: float) -> float:
    return (low + high) / 2


def a_round_trip(
    estimator: LimitEstimator, latency_s: float, in_flight: int | None = None, *, dropped: bool = False
) -> int:
    """As many calls as one step is taken on, all alike."""
    limit = estimator.limit
    for _ in range(max(10, int(estimator._steps.estimate))):
        limit = estimator.update(latency_s, estimator.limit if in_flight is None else in_flight, dropped)
    return limit


@dataclass
class Server:
    """Serves `capacity` calls at a time, each in about `base_s`; the others queue, first come first served."""

    capacity: int
    base_s: float = 0.01
    timeout_s: float = math.inf
    demand: int = 10**9
    now_s: float = 0.0
    dice: SeededDice = field(default_factory=lambda: SeededDice(1))

    def limits(self, estimator: LimitEstimator, calls: int) -> list[int]:
        """The limit after each of so many calls, while clients always want more, up to `demand` at once."""
        free_s = [self.now_s] * self.capacity
        running: list[tuple[float, int, float, int]] = []
        limits: list[int] = []
        number = 0
        while len(limits) < calls:
            while len(running) < min(estimator.limit, self.demand):
                number += 1
                end_s = max(heapq.heappop(free_s), self.now_s) + self.base_s * self.dice.uniform(0.9, 1.1)
                heapq.heappush(free_s, end_s)
                heapq.heappush(running, (end_s, number, self.now_s, len(running) + 1))
            self.now_s, _, began_s, in_flight = heapq.heappop(running)
            latency_s = self.now_s - began_s
            limits.append(estimator.update(latency_s, in_flight, latency_s > self.timeout_s))
        return limits


@pytest.mark.parametrize("options", ALL)
def test_it_begins_where_it_is_told_and_takes_a_step_for_each_round_trip(options: LimitOptions) -> None:
    estimator = options.estimator(middle)
    assert [estimator.update(0.01, 20) for _ in range(19)] == [20] * 19
    assert estimator.update(0.01, 20) > 20


@pytest.mark.parametrize("options", ALL)
def test_a_limit_of_which_less_than_half_is_used_does_not_grow(options: LimitOptions) -> None:
    estimator = options.estimator(middle)
    assert [a_round_trip(estimator, 0.01, in_flight=9) for _ in range(5)] == [20] * 5
    assert a_round_trip(estimator, 0.01, in_flight=10) > 20


@pytest.mark.parametrize("options", ALL)
def test_one_dropped_call_of_a_round_trip_costs_a_tenth_once(options: LimitOptions) -> None:
    estimator = options.estimator(middle)
    for number in range(20):
        estimator.update(0.01, 20, number == 3)
    assert estimator.limit == 18
    assert a_round_trip(estimator, 0.01, dropped=True) == 16


@pytest.mark.parametrize("options", [Aimd(5, 3, 6), Vegas(5, 3, 6), Gradient2(5, 3, 6)])
def test_the_bounds_hold(options: LimitOptions) -> None:
    estimator = options.estimator(middle)
    assert [a_round_trip(estimator, 0.01, dropped=True) for _ in range(20)][-1] == 3
    assert [a_round_trip(estimator, 0.01) for _ in range(20)][-1] == 6


@pytest.mark.parametrize("options", ALL)
@pytest.mark.parametrize("latency_s", [math.nan, math.inf, -1.0, 1e10])
def test_what_is_no_latency_teaches_nothing(options: LimitOptions, latency_s: float) -> None:
    estimator = options.estimator(middle)
    if not (isinstance(options, Aimd) and latency_s > 0):  # too slow is too slow
        before = [a_round_trip(estimator, 0.01) for _ in range(3)]
        odd = options.estimator(middle)
        for _ in range(3):
            for number in range(max(10, int(odd._steps.estimate))):
                odd.update(latency_s if number % 2 else 0.01, odd.limit)
        assert odd.limit == before[-1]


@pytest.mark.parametrize("options", ALL)
def test_a_latency_of_nothing_is_a_short_one(options: LimitOptions) -> None:
    estimator = options.estimator(middle)
    assert [a_round_trip(estimator, 0.0) for _ in range(5)][-1] > 20


def test_aimd_adds_one_and_takes_a_tenth() -> None:
    estimator = Aimd(20, timeout_s=1.0).estimator(middle)
    assert [a_round_trip(estimator, 0.5) for _ in range(4)] == [21, 22, 23, 24]
    assert a_round_trip(estimator, 1.5) == 21
    assert [a_round_trip(estimator, 0.5, dropped=True) for _ in range(3)] == [18, 16, 14]


def test_aimd_always_takes_at_least_one() -> None:
    estimator = Aimd(3, backoff_ratio=0.99).estimator(middle)
    assert [a_round_trip(estimator, 0.5, dropped=True) for _ in range(3)] == [2, 1, 1]


def test_vegas_grows_fast_without_a_queue_slowly_with_a_small_one_and_shrinks_with_a_long_one() -> None:
    estimator = Vegas(50).estimator(middle)
    assert a_round_trip(estimator, 0.1) == 56
    assert a_round_trip(estimator, 0.1 / (1 - 1.5 / 56)) == 57  # two calls wait
    assert a_round_trip(estimator, 0.1 / (1 - 3.5 / 57)) == 57  # four: neither few nor many
    assert a_round_trip(estimator, 0.1 / (1 - 6.5 / 57)) == 56  # seven
    assert a_round_trip(estimator, 0.2) == 45  # half of all: 22 are too many, and half of them go


def test_vegas_moves_more_boldly_where_the_limit_has_more_digits() -> None:
    estimator = Vegas(150).estimator(middle)
    assert a_round_trip(estimator, 0.1) == 162


def test_vegas_smoothes_its_steps() -> None:
    estimator = Vegas(50, smoothing=0.5).estimator(middle)
    assert a_round_trip(estimator, 0.1) == 53


def test_vegas_lowers_the_limit_for_two_round_trips_to_measure_the_lowest_latency_anew() -> None:
    estimator = Vegas(50, probe_every=4).estimator(lambda _low, high: high)
    limits = [a_round_trip(estimator, 0.1, in_flight=10) for _ in range(10)]
    assert limits == [50, 50, 50, 38, 38, 50, 50, 50, 50, 38]


def test_vegas_learns_that_the_lowest_latency_has_risen() -> None:
    estimator = Vegas(50, probe_every=4).estimator(middle)
    a_round_trip(estimator, 0.1)
    limits = [a_round_trip(estimator, 0.5) for _ in range(12)]
    assert min(limits) < 40  # it took the rise for a queue
    assert limits[-1] > min(limits) + 6


def test_vegas_probes_when_luck_says_and_does_not_measure_a_drop() -> None:
    drawn: list[tuple[float, float]] = []

    def lowest(low: float, high: float) -> float:
        drawn.append((low, high))
        return low

    estimator = Vegas(50, probe_every=4).estimator(lowest)
    assert [a_round_trip(estimator, 0.1, in_flight=10) for _ in range(3)] == [50, 38, 38]
    assert a_round_trip(estimator, 0.1, in_flight=10, dropped=True) == 33  # nine tenths, and still lowered
    assert a_round_trip(estimator, 0.1, in_flight=10) == 45
    assert drawn == [(0.5, 1.0)] * 2


def test_gradient2_grows_by_a_share_of_the_queue_it_allows() -> None:
    estimator = Gradient2(25, smoothing=0.2).estimator(middle)
    assert a_round_trip(estimator, 0.1) == 26  # the root of 25, by a fifth
    steady = Gradient2(25, queue_size=10).estimator(middle)
    assert a_round_trip(steady, 0.1) == 27


def test_gradient2_puts_up_with_a_latency_within_its_tolerance_and_halves_at_most() -> None:
    estimator = Gradient2(100, queue_size=10, smoothing=1.0).estimator(middle)
    for _ in range(20):
        a_round_trip(estimator, 0.1, in_flight=10)
    assert a_round_trip(estimator, 0.149) == 110
    assert a_round_trip(estimator, 0.3) == pytest.approx(110 * 0.5 + 10.5, abs=1)
    assert a_round_trip(estimator, 9.0) == pytest.approx(66 * 0.5 + 10, abs=1)


def test_gradient2_soon_forgets_an_overload_that_is_over() -> None:
    estimator = Gradient2(100).estimator(middle)
    for _ in range(30):
        a_round_trip(estimator, 1.0, in_flight=10)
    for _ in range(30):
        a_round_trip(estimator, 0.1, in_flight=10)
    limit = estimator.limit
    assert a_round_trip(estimator, 0.5) < limit  # half a second is long again


@pytest.mark.parametrize(
    ("options", "most_times"),
    [(Vegas(), 1.0), (Gradient2(maximum=1000), 2.5), (Aimd(maximum=1000, timeout_s=0.02), 1.9)],
)
@pytest.mark.parametrize("capacity", [20, 90])
def test_at_a_server_of_fixed_capacity_the_limit_keeps_it_busy_without_a_long_queue(
    options: LimitOptions, most_times: float, capacity: int
) -> None:
    server = Server(capacity)
    limits = server.limits(options.estimator(server.dice.uniform), 30_000)[15_000:]
    assert capacity <= mean(limits) <= capacity * most_times + 12


@pytest.mark.parametrize("options", [Vegas(), Aimd(maximum=1000, timeout_s=0.02)])
@pytest.mark.parametrize(("before", "after"), [(80, 20), (20, 80)])
def test_the_limit_follows_a_capacity_that_changes(options: LimitOptions, before: int, after: int) -> None:
    server = Server(before)
    estimator = options.estimator(server.dice.uniform)
    server.limits(estimator, 20_000)
    server.capacity = after
    limits = server.limits(estimator, 30_000)[20_000:]
    assert after <= mean(limits) <= after * 1.9


def test_lasting_load_does_not_let_vegas_creep_up() -> None:
    server = Server(20)
    limits = server.limits(Vegas().estimator(server.dice.uniform), 60_000)
    assert mean(limits[-5_000:]) == pytest.approx(mean(limits[5_000:10_000]), rel=0.1)


@pytest.mark.parametrize("options", [Vegas(), Gradient2(), Aimd()])
def test_without_demand_the_limit_stays_where_it_was(options: LimitOptions) -> None:
    server = Server(100, demand=5)
    assert set(server.limits(options.estimator(server.dice.uniform), 5_000)) <= {10, 20}  # 10: Vegas measures


def test_new_options_take_effect_and_what_was_learned_stays() -> None:
    estimator = Aimd(20, timeout_s=1.0).estimator(middle)
    a_round_trip(estimator, 0.5)
    estimator.reconfigure(Aimd(5, 1, 15, timeout_s=0.1))
    assert estimator.limit == 15
    assert a_round_trip(estimator, 0.5) == 13
    with pytest.raises(InputError, match=r"LimitEstimator\.options: .* must be options of Aimd"):
        estimator.reconfigure(Vegas())


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        (Aimd, {"minimum": 0}, "Aimd.minimum: 0 must be a whole number from 1 to 1000000"),
        (Aimd, {"initial": 500}, "Aimd.initial: 500 must be from minimum to maximum, which are 1 and 200"),
        (Vegas, {"minimum": 30, "maximum": 20}, "Vegas.maximum: 20 must be at least minimum, which is 30"),
        (Gradient2, {"minimum": 30}, "Gradient2.initial: 20 must be from minimum to maximum, which are 30 and 200"),
        (Gradient2, {"window": 0}, "Gradient2.window: 0 must be"),
        (Aimd, {"backoff_ratio": 1.0}, "Aimd.backoff_ratio: 1.0 must be a number of at least 0.5 and at most 0.99"),
        (Aimd, {"timeout_s": 0}, "Aimd.timeout_s: 0 must be"),
        (Vegas, {"alpha": 0}, "Vegas.alpha: 0 must be"),
        (Vegas, {"beta": 2}, "Vegas.beta: 2 must be at least alpha, which is 3"),
        (Vegas, {"smoothing": 0}, "Vegas.smoothing: 0 must be a number above 0 and at most 1"),
        (Vegas, {"probe_every": 3}, "Vegas.probe_every: 3 must be"),
        (Gradient2, {"tolerance": 0.9}, "Gradient2.tolerance: 0.9 must be"),
        (Gradient2, {"queue_size": 0}, "Gradient2.queue_size: 0 must be"),
        (Gradient2, {"long_window": 9}, "Gradient2.long_window: 9 must be"),
    ],
)
def test_an_impossible_option_is_refused_with_its_name_value_and_rule(
    kind: Any, options: dict[str, Any], words: str
) -> None:
    with pytest.raises(InputError) as caught:
        kind(**options)
    assert str(caught.value).startswith(words)
