"""Measures of importance: by hand on small systems, of parts with all their events, and at the ends of the scale."""

import math

import pytest

from bascule.availability.structure import Basic, Event, Fixed, Node, Not, Structure, all_of, any_of
from bascule.availability.trees.importance import Importance, importances
from bascule.kernel.errors import InputError


def never() -> bool:
    return False


A, B, C, D = (Basic(name) for name in "ABCD")


def measured(top: Node, parts: dict[str, str] | None = None, **shares: float) -> dict[str, Importance]:
    events = {name: Event(share, part=(parts or {}).get(name, "")) for name, share in shares.items()}
    found = importances(Structure(top, events), expired=never)
    return {one.name: one for one in (*found.events, *found.parts)}


def test_a_series_of_two_by_hand() -> None:
    one = measured(any_of(A, B), A=0.1, B=0.2)["A"]
    total = 0.28
    assert one.failed == pytest.approx(1.0)
    assert one.perfect == pytest.approx(0.2)
    assert one.birnbaum == pytest.approx(0.8)
    assert one.criticality == pytest.approx(0.08 / total)
    assert one.fussell_vesely == pytest.approx(0.1 / total)
    assert one.risk_achievement == pytest.approx(1 / total)
    assert one.risk_reduction == pytest.approx(total / 0.2)
    assert one.improvement == pytest.approx(0.08)


def test_a_part_is_all_of_its_events_together() -> None:
    """Two replicas that must both fail, and a cache: alone a replica is worth little, together they are the system."""
    found = measured(any_of(all_of(A, B), C), {"A": "database", "B": "database", "C": "cache"}, A=0.1, B=0.1, C=0.02)
    database, total = found["database"], 0.01 + 0.02 - 0.0002
    assert database.failed == pytest.approx(1.0)
    assert database.perfect == pytest.approx(0.02)
    assert database.birnbaum == pytest.approx(0.98)
    assert database.improvement == pytest.approx(total - 0.02)
    assert database.fussell_vesely == pytest.approx(0.01 / total)
    assert found["A"].failed == pytest.approx(0.1 + 0.9 * 0.02)
    assert found["cache"].birnbaum == pytest.approx(0.99)


def test_the_part_that_takes_most_with_it_comes_first() -> None:
    events = {"A": Event(0.001, part="x"), "B": Event(0.1, part="y"), "C": Event(0.01, part="z"), "D": Event(0.5)}
    found = importances(Structure(any_of(A, B, C, all_of(D, A)), events), expired=never)
    assert [one.name for one in found.parts] == ["y", "z", "x"]


def test_without_its_only_weak_point_a_system_is_never_down() -> None:
    one = measured(A, A=0.25)["A"]
    assert (one.perfect, one.risk_reduction, one.criticality, one.fussell_vesely) == (0.0, math.inf, 1.0, 1.0)


def test_of_a_system_that_is_never_down_the_ratios_say_no_influence_or_without_limit() -> None:
    found = measured(all_of(A, B), A=0.0, B=0.5)
    assert (found["B"].risk_achievement, found["B"].risk_reduction, found["B"].criticality) == (1.0, 1.0, 0.0)
    assert found["A"].risk_achievement == math.inf
    assert found["A"].fussell_vesely == 0.0


def test_an_event_that_cannot_matter_matters_nothing() -> None:
    one = measured(any_of(A, all_of(B, Fixed(failed=False))), A=0.1, B=0.5)["B"]
    assert [one.failed, one.perfect] == pytest.approx([0.1, 0.1])
    assert (one.birnbaum, one.fussell_vesely) == (0.0, 0.0)


def test_what_mends_by_failing_has_negative_importance_and_no_cut_sets() -> None:
    events = {"A": Event(0.1), "B": Event(0.2)}
    found = importances(Structure(all_of(A, Not(B)), events), expired=never)
    by_name = {one.name: one for one in found.events}
    assert by_name["B"].birnbaum == pytest.approx(-0.1)
    assert by_name["B"].fussell_vesely is None
    assert found.fussell_vesely == "none"


def test_a_large_system_says_that_its_cover_is_the_rare_event_approximation() -> None:
    names = [f"e{number}" for number in range(300)]
    events = {name: Event(1e-4, part=f"p{number // 2}") for number, name in enumerate(names)}
    pairs = [all_of(Basic(one), Basic(other)) for one, other in zip(names[::2], names[1::2], strict=True)]
    found = importances(Structure(any_of(*pairs, Basic("e0")), events), expired=never)
    assert found.fussell_vesely == "rare-event"
    by_name = {one.name: one for one in (*found.events, *found.parts)}
    assert by_name["e0"].fussell_vesely == pytest.approx(1e-4 / found.unavailability)
    assert by_name["e1"].fussell_vesely == 0.0
    assert by_name["e3"].fussell_vesely == pytest.approx(1e-8 / found.unavailability)
    assert by_name["p0"].fussell_vesely == pytest.approx(1e-4 / found.unavailability)
    assert by_name["p1"].fussell_vesely == pytest.approx(1e-8 / found.unavailability)


def test_there_are_none_where_there_are_only_bounds() -> None:
    names = [f"e{number}" for number in range(12)]
    pairs = [all_of(Basic(one), Basic(other)) for one, other in zip(names, names[1:] + names[:1], strict=True)]
    with pytest.raises(InputError, match="too large"):
        importances(Structure(any_of(*pairs), dict.fromkeys(names, Event(0.1))), expired=lambda: True)
