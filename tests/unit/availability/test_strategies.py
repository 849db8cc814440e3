"""Which strategy will do, and why the others will not."""

from __future__ import annotations

import pytest

from bascule.availability.strategies import STRATEGIES, choose
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

HOUR, NOTHING = Duration(3600.0), Duration(0.0)


def names(rto: Duration, rpo: Duration) -> list[str]:
    return [each.strategy.name for each in choose(rto, rpo) if each.meets]


@pytest.mark.parametrize(
    ("rto", "rpo", "first", "count"),
    [
        ("4h", "24h", "backup and restore", 5),
        ("239m", "24h", "pilot light", 4),
        ("4h", "23h", "pilot light", 4),
        ("1h", "1h", "pilot light", 4),
        ("1h", "15m", "warm standby", 3),
        ("15m", "1m", "warm standby", 3),
        ("14m", "1m", "hot standby", 2),
        ("15m", "59s", "hot standby", 2),
        ("0", "0", "hot standby", 2),
    ],
)
def test_the_cheapest_that_meets_both_comes_first(rto: str, rpo: str, first: str, count: int) -> None:
    choices = choose(Duration.parse(rto), Duration.parse(rpo), 1000.0)
    assert choices[0].strategy.name == first
    assert [each.meets for each in choices] == [True] * count + [False] * (5 - count)
    costs = [each.strategy.multiple for each in choices if each.meets]
    assert costs == sorted(costs)


def test_what_will_not_do_says_by_how_much() -> None:
    found = {each.strategy.name: each for each in choose(HOUR, Duration(900.0))}
    assert found["backup and restore"].misses == ("RTO 4h is 3h more than 1h", "RPO 1d is 23h45m more than 15m")
    assert found["pilot light"].misses == ("RPO 1h is 45m more than 15m",)
    assert found["warm standby"].misses == ()


def test_costs_are_multiples_of_what_the_system_costs_now() -> None:
    found = {each.strategy.name: each for each in choose(HOUR, HOUR, 10_000.0)}
    assert found["pilot light"].cost_per_year == 25_000
    assert found["pilot light"].extra_per_year == 15_000
    assert found["backup and restore"].extra_per_year == 0
    assert choose(HOUR, HOUR)[0].cost_per_year is None, "what is not known is not made up"
    for wrong in (-1.0, float("inf"), float("nan")):
        with pytest.raises(InputError, match="no cost"):
            choose(HOUR, HOUR, wrong)


def test_every_number_says_that_it_is_quoted_or_assumed() -> None:
    assert [each.name for each in STRATEGIES][-1] == "active-active"
    for each in STRATEGIES:
        assert each.source.startswith(("commonly quoted", "assumption"))
    assert [(each.multiple, str(each.rto), str(each.rpo)) for each in STRATEGIES[:4]] == [
        (1.0, "4h", "1d"),
        (2.5, "1h", "1h"),
        (5.0, "15m", "1m"),
        (10.0, "0s", "0s"),
    ]
