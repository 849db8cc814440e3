"""A whole prediction: what it answers, and what it says of answers that it does not have."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import pytest
from described import AT_TIMES, TEXT, component, system

from bascule.availability.measured import Bounds, Measured
from bascule.availability.predict import Asked, predict
from bascule.availability.prediction import YEAR_S, Prediction
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration
from bascule.system import parse
from bascule.system.model import System

Q = 1 / 101
PAIR = component("web", "{north-a: 1, south-a: 1}")


def allow(_: float) -> Callable[[], bool]:
    return lambda: False


def of(described: System, **asked: int) -> Prediction:
    return predict(described, {}, {}, Asked(allow=allow, **asked))  # type: ignore[arg-type]  # numbers alone


def test_downtime_follows_from_unavailability() -> None:
    told = of(system(component("web", "{north-a: 1}")))
    assert told.uptime.unavailability == pytest.approx(Q, rel=1e-6)
    assert told.uptime.per_year_s == pytest.approx(Q * YEAR_S, rel=1e-6)
    assert told.uptime.nines == pytest.approx(2.00432, rel=1e-5)
    assert told.budget_s == pytest.approx(0.001 * 30 * 86400)
    assert told.meets is False
    assert told.single_points == ("web-north-a-1", "zone north-a", "region north")


def test_a_promise_that_is_kept_is_said_to_be() -> None:
    assert of(system(PAIR, target="99.9%")).meets is True


def test_each_single_change_has_its_gain_the_best_first() -> None:
    told = of(system(component("web", "{north-a: 1}", needs="{store: hard}") + component("store", "{north-a: 1}")))
    by_change = {one.change: one.saved_s for one in told.changes}
    alone, paired = 1 - (1 - Q) ** 2, 1 - (1 - Q) * (1 - Q**2)
    assert by_change["one more store, in north-b"] == pytest.approx((alone - paired) * YEAR_S, rel=1e-4)
    assert by_change["web needs store only to be whole (soft instead of hard)"] == pytest.approx(
        (alone - Q) * YEAR_S, rel=1e-4
    )
    gains = [one.saved_s for one in told.changes]
    assert gains == sorted(gains, reverse=True)
    assert told.untried == 0


def test_gain_per_cost_is_told_where_costs_are_given() -> None:
    costs = "costs: {currency: CHF, downtime_per_minute: 10, replicas: {web: 500}}"
    told = of(system(component("web", "{north-a: 1}"), rest=costs))
    more = next(one for one in told.changes if one.change.startswith("one more web"))
    assert more.gain_per_cost == pytest.approx(more.saved_s / 60 * 10 / 500)
    assert told.money is not None
    assert told.money.per_year == pytest.approx(told.uptime.per_year_s / 60 * 10)


def test_revenue_gives_the_cost_of_a_minute() -> None:
    rest = "costs: {revenue_per_year: 5259600, impact: 2}"
    told = of(system(PAIR, rest=rest))
    assert told.money is not None
    assert told.money.per_minute == pytest.approx(20.0)


def test_survival_says_what_breaks_and_what_may_fail_then() -> None:
    told = of(system(component("web", "{north-a: 1, north-b: 1}"), zone=AT_TIMES))
    by_place = {one.lost: one for one in told.survival}
    assert by_place["north-a",].survives
    assert set(by_place["north-a",].next_points) == {"web-north-b-1", "zone north-b", "region north"}
    assert by_place["north-a",].uptime.unavailability == pytest.approx(1 - (1 - Q) * (1 - 1 / 1000), rel=1e-4)
    assert not by_place["north",].survives
    assert by_place["north",].broken == ("web",)
    assert not by_place["north-a", "north-b"].survives


def test_months_are_simulated_and_agree_with_the_exact_mean() -> None:
    told = of(system(component("web", "{north-a: 1}")), months=20_000)
    assert told.months is not None
    assert told.months.downtime_s.low <= Q * 30 * 86400 <= told.months.downtime_s.high
    assert told.window_probability is not None
    value, low, high = told.window_probability
    assert 0 <= low <= value <= high <= 1


def test_no_months_no_probability() -> None:
    told = of(system(PAIR))
    assert told.months is None
    assert told.window_probability is None


def test_soft_needs_count_for_the_whole_service_alone() -> None:
    soft = '{extra: {kind: soft, degrades: "less"}}'
    told = of(system(component("web", "{north-a: 1}", needs=soft) + component("extra", "{north-a: 1}")))
    assert told.full is not None
    assert told.full.unavailability > told.uptime.unavailability
    assert told.not_reached == ("extra",)
    assert of(system(PAIR)).full is None


def test_out_of_time_is_said_and_no_answer_is_made_up() -> None:
    """Time is up at once: every question that was not answered says so."""
    names = [f"c{number}" for number in range(12)]
    parts = component("web", "{north-a: 2, south-a: 2}", needs="{" + ", ".join(f"{one}: hard" for one in names) + "}")
    parts += "".join(component(name, "{north-a: 2, north-b: 2, south-a: 2}") for name in names)
    told = predict(system(parts, zone=AT_TIMES, region=AT_TIMES), {}, {}, Asked(allow=lambda _: lambda: True))
    assert told.uptime.lower <= told.uptime.unavailability
    assert told.untried > 0
    assert told.changes == ()
    if not told.uptime.exact:
        assert told.method.startswith("rigorous bounds")
        assert told.weights == ()
        assert told.cut_sets.count is None


def test_a_time_limit_in_the_middle_leaves_what_was_done() -> None:
    described = system(component("web", "{north-a: 1}", needs="{store: hard}") + component("store", "{north-a: 1}"))

    def after_three(_: float) -> Callable[[], bool]:
        asked = count()
        return lambda: next(asked) >= 3

    told = predict(described, {}, {}, Asked(allow=after_three))
    assert told.untried > 0


def test_what_drills_measured_counts_before_what_is_assumed_and_is_listed() -> None:
    described = system(
        "  web:\n    engine: anything\n    replicas: {north-a: 1, south-a: 1}\n    reliability: {redundancy: standby}\n"
    )
    drilled = Measured(
        trials=20,
        failover_s=Bounds(estimate=12.0, low=10.0, high=15.0),
        recovered=Bounds(estimate=1.0, low=0.86, high=1.0),
        source="20 trials",
        parts=(("it was noticed", Duration(10.0)), ("another took over", Duration(2.0))),
    )
    before = predict(described, {}, {}, Asked(allow=allow))
    after = predict(described, {}, {"web": drilled}, Asked(allow=allow))
    assert {one.figure: one.used for one in after.measured} == {"failover": True, "coverage": True}
    assert after.measured[0].bounds == "10 s to 15 s"
    assert any(one.value == "12s" and one.source == "20 trials" for one in after.assumptions)
    assert after.uptime.unavailability > before.uptime.unavailability  # 86% sure is less than the assumed 99%
    assert before.measured == ()
    assert [part.name for part in after.recovery[0].parts] == ["web: it was noticed", "web: another took over"]


def test_the_file_counts_before_what_drills_measured() -> None:
    drilled = Measured(trials=1, failover_s=None, recovered=Bounds(estimate=1, low=0.1, high=1), source="one trial")
    told = predict(system(PAIR), {}, {"web": drilled}, Asked(allow=allow))
    assert [one.used for one in told.measured] == [False]


def test_a_beta_of_zero_is_warned_of() -> None:
    assert any("beta is 0" in one for one in of(system(PAIR)).warnings)
    five = PAIR.replace("beta: 0%", "beta: 5%")
    assert not any("beta is 0" in one for one in of(system(five)).warnings)


def test_a_refund_threshold_is_called_one() -> None:
    rest = "services: {names: {like: aws-elb}}"
    told = of(system(component("web", "{north-a: 1}", needs="{names: hard}"), rest=rest))
    assert any("refund threshold" in one for one in told.warnings)
    assert any(one.of == "names" and "sla" in one.source.lower() for one in told.assumptions)


def test_a_service_that_is_not_in_the_catalogue_is_refused_with_a_hint() -> None:
    rest = "services: {names: {like: aws-elbb}}"
    with pytest.raises(InputError, match="aws-elbb"):
        of(system(component("web", "{north-a: 1}", needs="{names: hard}"), rest=rest))


def test_strategies_are_asked_for_the_largest_loss_that_has_a_promise() -> None:
    promised = "{process: {rto: 1s, rpo: 0s}, region: {rto: 2h, rpo: 2h}}"
    told = of(system(PAIR, disruptions=promised))
    assert told.strategies[0].strategy.name == "pilot light"
    assert of(system(PAIR, disruptions="{}")).strategies == ()


def test_changes_have_names_of_their_own() -> None:
    """A region and a zone that are called as new ones would be are left as they are."""
    text = "regions:\n  north: {zones: [north-a, north-b]}\n  south: {zones: [south-a]}\n"
    filled = TEXT.replace(
        text.replace("{", "{{").replace("}", "}}"), "regions:\n  added: {{zones: [added-a, added-added]}}\n"
    )
    described = parse(
        filled.format(
            target="99.9%",
            disruptions="{}",
            zone=AT_TIMES,
            region=AT_TIMES,
            components=component("web", "{added-a: 1}"),
            rest="",
        ),
        "added.yaml",
    )
    changes = {one.kind: one.saved_s for one in of(described).changes}
    assert changes["region"] > 0
    assert changes["zone"] > 0


def test_a_proxy_cannot_do_without_what_is_behind_it() -> None:
    both = component("web", "{north-a: 1}", needs="{store: hard}") + component("store", "{north-a: 1}")
    kinds = {one.kind for one in of(system(both)).changes}
    assert "need" in kinds
    behind = both.replace("engine: anything", "engine: haproxy", 1)
    assert "need" not in {one.kind for one in of(system(behind)).changes}


def test_more_voters_need_a_larger_majority() -> None:
    voters = (
        component("web", "{north-a: 1, north-b: 1, south-a: 1}")
        .replace("anything", "etcd")
        .replace("needed: 1", "needed: 2")
    )
    more = next(one for one in of(system(voters)).changes if one.change.startswith("one more web"))
    assert more.saved_s < 0


def test_a_region_is_priced_as_it_says() -> None:
    costs = "costs: {downtime_per_minute: 1, replicas: {web: 100}, zone: 500, region: 9000}"
    told = of(system(component("web", "{north-a: 1, north-b: 1}"), rest=costs, zone=AT_TIMES, region=AT_TIMES))
    assert {one.cost_per_year for one in told.changes if one.kind == "region"} == {9200.0}
    assert told.currency == "EUR"


def test_months_that_cannot_be_simulated_are_said_and_the_rest_is_there() -> None:
    busy = component("web", "{north-a: 1, south-a: 1}").replace("mtbf: 100h, mttr: 1h", "mtbf: 100ms, mttr: 10ms")
    told = of(system(busy), months=10)
    assert told.months is None
    assert any("no months were simulated" in one for one in told.warnings)
    assert told.uptime.unavailability > 0


def test_pairs_of_zones_that_are_left_out_are_said() -> None:
    zones = [f"z{number}" for number in range(13)]
    text = TEXT.replace("[north-a, north-b]", f"[{', '.join(zones)}]")
    described = parse(
        text.format(
            target="99.9%",
            disruptions="{}",
            zone=AT_TIMES,
            region=AT_TIMES,
            components=component("web", "{" + ", ".join(f"{zone}: 1" for zone in zones) + "}"),
            rest="",
        ),
        "wide.yaml",
    )
    assert any("18 losses of places" in one for one in of(described).warnings)


def test_what_the_bounds_of_a_measurement_would_give_is_told() -> None:
    described = system(
        "  web:\n    engine: anything\n    replicas: {north-a: 1, south-a: 1}\n    reliability: {redundancy: standby}\n"
    )
    drilled = Measured(
        trials=20,
        failover_s=Bounds(estimate=12.0, low=10.0, high=15.0),
        recovered=Bounds(estimate=1.0, low=0.86, high=1.0),
        source="20 trials",
    )
    told = predict(described, {}, {"web": drilled}, Asked(allow=allow))
    assert told.calibration is not None
    assert told.calibration.best.unavailability < told.uptime.unavailability < told.calibration.worst.unavailability
    assert told.calibration.without == predict(described, {}, {}, Asked(allow=allow)).uptime
