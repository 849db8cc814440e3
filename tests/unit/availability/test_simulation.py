"""A simulation says what it simulated, gives the same for the same seed, and stops when it is told."""

import itertools
import math

import pytest

from bascule.availability.simulation.months import Months
from bascule.availability.simulation.simulating import MONTH_S, simulate
from bascule.availability.structure import Basic, Event, Fixed, Gate, Node, Not, Structure, all_of, any_of, at_least
from bascule.kernel.errors import InputError

HOUR_S = 3600.0
DAY_S = 86400.0
PAIR = (Basic("a"), Basic("b"))
EVENTS = {
    "a": Event(unavailability=0.05, mean_down_s=DAY_S),
    "b": Event(unavailability=0.02, mean_down_s=HOUR_S),
    "never": Event(unavailability=0.0, mean_down_s=HOUR_S),
    "always": Event(unavailability=1.0),
}


def run(top: Node, months: int = 2000, seed: int = 1, events: dict[str, Event] = EVENTS, **more: object) -> Months:
    return simulate(Structure(top, events), months=months, seed=seed, **({"expired": lambda: False} | more))  # type: ignore[arg-type]  # options by name


def after(calls: int) -> object:
    """Time that is up when it was asked for so often."""
    asked = iter(range(calls))
    return lambda: next(asked, None) is None


def test_the_same_seed_gives_the_same_months_and_another_one_others() -> None:
    first, again, other = run(all_of(*PAIR)), run(all_of(*PAIR)), run(all_of(*PAIR), seed=2)
    assert first == again
    assert first.probability_within(60.0) == again.probability_within(60.0)
    assert first.downtime_s != other.downtime_s


def test_what_time_allowed_is_the_beginning_of_what_more_time_would_have_given() -> None:
    cut = run(any_of(*PAIR), months=1_000_000, expired=after(1))
    assert not cut.complete
    assert 0 < cut.months < 1_000_000
    whole = run(any_of(*PAIR), months=cut.months)
    assert whole.complete
    assert (whole.downtime_s, whole.quantiles, whole.outages) == (cut.downtime_s, cut.quantiles, cut.outages)


def test_no_batch_repeats_another_one() -> None:
    batches: list[float] = []
    months = run(PAIR[0], months=10_000, on_progress=batches.append)
    assert len(batches) > 1
    partial = [one for one in months._sorted_s.tolist() if one < MONTH_S]
    assert len(set(partial)) == len(partial)


def test_there_are_some_months_even_when_time_is_up_at_once() -> None:
    assert 1 <= run(any_of(*PAIR), months=1_000_000, expired=lambda: True).months <= 64


def test_progress_grows_to_one() -> None:
    told: list[float] = []
    run(any_of(*PAIR), months=50_000, on_progress=told.append)
    assert len(told) > 1
    assert told == sorted(told)
    assert told[-1] == 1.0


@pytest.mark.parametrize(
    "top",
    [
        Fixed(failed=False),
        Basic("never"),
        Not(Basic("always")),
        any_of(),
        all_of(Basic("a"), Basic("never")),
        at_least(3, *PAIR),
        Not(Not(Fixed(failed=False))),
    ],
)
def test_what_cannot_fail_has_no_downtime(top: Node) -> None:
    months = run(top, months=300)
    assert months.downtime_s == (0.0, 0.0, 0.0)
    assert months.no_downtime.value == 1.0
    assert months.histogram.zero == 300
    assert not months.histogram.counts
    assert all(one.downtime_s.value == 0.0 for one in months.quantiles)
    assert months.outages.count == 0
    assert months.outages.mean_s is None
    assert months.outages.p95_s is None
    assert months.probability_within(0.0).value == 1.0
    assert months.probability_within(-1.0).value == 0.0


@pytest.mark.parametrize(
    "top", [Fixed(failed=True), Basic("always"), Not(Basic("never")), all_of(), Gate(0, PAIR), any_of(*PAIR, all_of())]
)
def test_what_has_failed_for_good_is_down_all_month(top: Node) -> None:
    months = run(top, months=300)
    assert months.downtime_s.value == pytest.approx(MONTH_S, rel=1e-12)
    assert months.no_downtime.value == 0.0
    assert sum(months.histogram.counts) == 300
    assert months.outages.count == 0
    assert months.probability_within(MONTH_S).value == 1.0
    assert months.probability_within(MONTH_S * 0.999).value == 0.0


def test_a_system_is_down_exactly_when_its_opposite_is_not() -> None:
    down, up = run(at_least(1, *PAIR)), run(Not(at_least(1, *PAIR)))
    assert down.downtime_s.value + up.downtime_s.value == pytest.approx(MONTH_S, rel=1e-9)
    assert run(all_of(Basic("a"), Not(Basic("a")))).downtime_s.value == 0.0
    either = run(any_of(Basic("a"), Not(Basic("a"))))
    assert either.outages.count == 0, "an outage that another one follows at once is one outage"
    assert either.downtime_s.value == pytest.approx(MONTH_S)


def test_a_name_is_one_event_however_many_objects_bear_it() -> None:
    assert run(all_of(Basic("a"), Basic("a"))) == run(Basic("a"))
    assert (
        run(at_least(2, Basic("a"), Basic("b"), Basic("a"))).downtime_s
        == run(any_of(PAIR[0], all_of(*PAIR))).downtime_s
    )


def test_quantiles_shares_and_histogram_tell_of_the_same_months() -> None:
    months = run(all_of(*PAIR), months=20_000)
    values = [one.downtime_s.value for one in months.quantiles]
    assert [one.probability for one in months.quantiles] == [0.5, 0.9, 0.95, 0.99, 0.999]
    assert values == sorted(values)
    for one in months.quantiles:
        assert one.downtime_s.low <= one.downtime_s.value <= one.downtime_s.high
        assert months.probability_within(one.downtime_s.value).value >= one.probability
    histogram = months.histogram
    assert histogram.zero + sum(histogram.counts) == 20_000
    assert months.no_downtime.value == histogram.zero / 20_000
    below = histogram.zero
    for edge_s, count in zip(histogram.edges_s[1:], histogram.counts, strict=True):
        below += count
        assert months.probability_within(math.nextafter(edge_s, 0)).value == pytest.approx(below / 20_000)


def test_of_few_months_a_high_quantile_has_no_upper_bound_but_the_month() -> None:
    months = run(any_of(*PAIR), months=100)
    assert months.quantiles[-1].downtime_s.high == MONTH_S
    assert months.quantiles[0].downtime_s.high < MONTH_S
    one = run(any_of(*PAIR), months=1)
    assert (one.downtime_s.low, one.downtime_s.high) == (0.0, MONTH_S)


def test_more_confidence_widens_every_interval() -> None:
    usual, sure = run(all_of(*PAIR), months=20_000), run(all_of(*PAIR), months=20_000, confidence=0.999)
    for narrow, wide in (
        (usual.downtime_s, sure.downtime_s),
        (usual.no_downtime, sure.no_downtime),
        (usual.probability_within(HOUR_S), sure.probability_within(HOUR_S)),
        (usual.quantiles[-1].downtime_s, sure.quantiles[-1].downtime_s),
    ):
        assert wide.value == narrow.value
        assert wide.low < narrow.low
        assert wide.high > narrow.high


def test_few_outages_are_called_rare_unless_nothing_is_left_to_luck() -> None:
    seldom = {"a": Event(unavailability=1e-7, mean_down_s=HOUR_S)}
    assert run(Basic("a"), events=seldom).rare
    assert not run(Basic("a")).rare
    assert not run(Fixed(failed=True)).rare


def test_outages_that_last_much_longer_than_a_month_are_counted_once() -> None:
    events = {"a": Event(unavailability=0.5, mean_down_s=20 * MONTH_S)}
    months = run(Basic("a"), months=60_000, events=events)
    assert months.outages.per_year == pytest.approx(12 / 40, rel=0.1)
    assert months.outages.mean_s == pytest.approx(20 * MONTH_S, rel=0.1)
    # Of exponential lengths one of twenty is longer than three means.
    assert months.outages.p95_s == pytest.approx(math.log(20) * 20 * MONTH_S, rel=0.1)


def test_of_an_outage_that_has_not_ended_no_length_is_told() -> None:
    events = {"a": Event(unavailability=0.99, mean_down_s=1e5 * MONTH_S)}
    months = run(Basic("a"), months=60, events=events)
    assert months.downtime_s.value == pytest.approx(MONTH_S)
    assert months.outages.p95_s is None


def test_the_shorter_outages_are_the_shorter_are_batches_whose_clock_is_a_float() -> None:
    told: list[float] = [0.0]
    events = {"a": Event(unavailability=1e-10, mean_down_s=0.001)}
    run(Basic("a"), months=1000, events=events, on_progress=told.append)
    longest_s = max(after - before for before, after in itertools.pairwise(told)) * 1000 * MONTH_S
    assert math.ulp(longest_s) < 0.001 / 5000


def test_outages_of_milliseconds_keep_their_length() -> None:
    events = {"a": Event(unavailability=1e-6, mean_down_s=0.001)}
    months = run(Basic("a"), months=400, events=events)
    assert months.outages.count > 100_000
    assert months.downtime_s.value == pytest.approx(1e-6 * MONTH_S, rel=0.01)
    assert months.outages.mean_s == pytest.approx(0.001, rel=0.01)
    assert months.outages.p95_s == pytest.approx(math.log(20) * 0.001, rel=0.02)


def test_lognormal_repairs_keep_the_mean_and_lengthen_the_tail() -> None:
    events = {"a": Event(unavailability=0.002, mean_down_s=HOUR_S)}
    usual = run(Basic("a"), months=100_000, events=events)
    skewed = run(Basic("a"), months=100_000, events=events, repair="lognormal", shape=1.5)
    assert skewed.outages.mean_s == pytest.approx(usual.outages.mean_s, rel=0.05)
    # The quantile of the lognormal with this mean.
    location = math.log(HOUR_S) - 1.5**2 / 2
    assert skewed.outages.p95_s == pytest.approx(math.exp(location + 1.5 * 1.6449), rel=0.03)
    assert skewed.quantiles[-1].downtime_s.value > 1.5 * usual.quantiles[-1].downtime_s.value


def test_hundreds_of_events_and_deep_chains_of_gates_are_no_trouble() -> None:
    events = {f"e{number}": Event(unavailability=0.01, mean_down_s=HOUR_S) for number in range(300)}
    chain: Node = Basic("e0")
    for name in events:
        chain = Not(any_of(Not(chain), all_of(Basic(name), Basic("e1"), Basic("e2"))))
    assert run(chain, months=20, events=events).complete
    many = at_least(9, *map(Basic, events))
    # By the binomial distribution: nine or more of 300.
    exact = 1 - sum(math.comb(300, k) * 0.01**k * 0.99 ** (300 - k) for k in range(9))
    months = run(many, months=500, events=events, confidence=0.999)
    assert months.downtime_s.low < exact * MONTH_S < months.downtime_s.high


@pytest.mark.parametrize(
    ("event", "complaint"),
    [
        (Event(unavailability=0.1), "not how long"),
        (Event(unavailability=-0.1, mean_down_s=1.0), "from 0 to 1"),
        (Event(unavailability=1.1, mean_down_s=1.0), "from 0 to 1"),
        (Event(unavailability=math.nan, mean_down_s=1.0), "from 0 to 1"),
        (Event(unavailability=0.1, mean_down_s=-1.0), "mean down time"),
        (Event(unavailability=0.1, mean_down_s=math.inf), "mean down time"),
        (Event(unavailability=0.1, mean_down_s=math.nan), "mean down time"),
        (Event(unavailability=0.5, mean_down_s=1e-9), "too many"),
    ],
)
def test_an_event_without_usable_figures_is_named(event: Event, complaint: str) -> None:
    with pytest.raises(InputError, match=complaint) as error:
        run(any_of(Basic("x")), events={"x": event})
    assert error.value.where in {"x", ""}


def test_an_event_of_which_nothing_is_known_is_named() -> None:
    with pytest.raises(InputError, match="nothing is known") as error:
        run(any_of(Basic("stranger")))
    assert error.value.where == "stranger"


@pytest.mark.parametrize(
    "wrong",
    [
        {"months": 0},
        {"months": 10_000_001},
        {"month_s": 0.0},
        {"month_s": math.nan},
        {"month_s": math.inf},
        {"seed": -1},
        {"shape": 0.0, "repair": "lognormal"},
        {"shape": math.nan, "repair": "lognormal"},
        {"shape": 6.0, "repair": "lognormal"},
        {"confidence": 0.5},
        {"confidence": 1.0},
        {"confidence": math.nan},
        {"repair": "weibull"},
    ],
)
def test_an_argument_out_of_range_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError) as error:
        run(Basic("a"), **wrong)  # type: ignore[arg-type]  # wrong on purpose
    assert error.value.where in wrong


def test_too_many_gates_are_refused() -> None:
    chain: Node = Basic("a")
    for _ in range(100_001):
        chain = Not(chain)
    with pytest.raises(InputError, match="more than 100000"):
        run(chain)


def test_so_many_failures_through_so_many_gates_are_refused() -> None:
    events = {"a": Event(unavailability=0.5, mean_down_s=10.0), "b": Event(unavailability=0.1, mean_down_s=HOUR_S)}
    chain: Node = PAIR[1]
    for _ in range(600):
        chain = any_of(chain, PAIR[0])
    with pytest.raises(InputError, match="too many to simulate with 602 gates and events"):
        run(chain, events=events)
    assert run(any_of(*PAIR), months=2, events=events).complete


def test_events_that_fail_less_than_once_in_all_time_do_not_fail() -> None:
    events = {"a": Event(unavailability=5e-324, mean_down_s=1.0), "b": Event(unavailability=1e-200, mean_down_s=1e12)}
    assert run(any_of(*PAIR), events=events).downtime_s.value == 0.0
