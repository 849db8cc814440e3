"""Complete configurations that are as they should be: no rule of their technology says anything about them."""

from __future__ import annotations

from pathlib import Path

import pytest

from bascule.audit import reading, technologies

GOOD = Path(__file__).resolve().parents[2] / "golden" / "audit" / "good"
COMPLETE = {
    "haproxy": "haproxy.cfg",
    "patroni": "patroni.yml",
    "keepalived": "keepalived",
    "kafka": "kafka",
    "prometheus": "prometheus",
    "compose": "compose.yaml",
}


@pytest.mark.parametrize("technology", COMPLETE)
def test_no_rule_has_anything_to_say_about_a_good_one(technology: str) -> None:
    read = reading.read([str(GOOD / COMPLETE[technology])], technologies.readers())
    assert read.estate.unreadable == []
    assert set(read.estate.claims.values()) == {technology}
    rules = technologies.technology(technology).RULES
    assert [(rule.id, str(found.place), found.what) for rule in rules for found in rule.check(read.estate)] == []


@pytest.mark.parametrize("technology", COMPLETE)
def test_its_rules_say_nothing_where_there_is_nothing_of_it(technology: str) -> None:
    others = [str(GOOD / path) for name, path in COMPLETE.items() if name != technology]
    estate = reading.read(others, technologies.readers()).estate
    rules = technologies.technology(technology).RULES
    assert [rule.id for rule in rules if list(rule.check(estate))] == []


@pytest.mark.parametrize("technology", COMPLETE)
def test_ids_are_numbered_and_of_the_technology(technology: str) -> None:
    rules = technologies.technology(technology).RULES
    assert {one.technology for one in rules} == {technology}
    assert [one.id for one in rules] == sorted(one.id for one in rules)
    assert len({one.id.rpartition("-")[0] for one in rules}) == 1
