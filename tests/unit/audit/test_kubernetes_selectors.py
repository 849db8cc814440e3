from __future__ import annotations

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import SourceFile
from bascule.audit.kubernetes.selectors import Selector, plain_selector, selector
from bascule.audit.tree import Node


def node(text: str) -> Node:
    documents, _ = yaml_reader.read(SourceFile("one.yaml", text, yaml_reader.lines_of(text)))
    return documents[0].root


@pytest.mark.parametrize(
    ("written", "labels", "selected"),
    [
        ("matchLabels: {app: web}", {"app": "web", "tier": "front"}, True),
        ("matchLabels: {app: web}", {"app": "api"}, False),
        ("matchLabels: {app: web, tier: front}", {"app": "web"}, False),
        ("matchLabels: {version: 2}", {"version": "2"}, True),
        ("matchExpressions: [{key: app, operator: In, values: [web, api]}]", {"app": "api"}, True),
        ("matchExpressions: [{key: app, operator: In, values: [web, api]}]", {}, False),
        ("matchExpressions: [{key: app, operator: NotIn, values: [web]}]", {"app": "web"}, False),
        ("matchExpressions: [{key: app, operator: NotIn, values: [web]}]", {}, True),
        ("matchExpressions: [{key: app, operator: Exists}]", {"app": ""}, True),
        ("matchExpressions: [{key: app, operator: Exists}]", {}, False),
        ("matchExpressions: [{key: app, operator: DoesNotExist}]", {"app": "web"}, False),
        ("matchExpressions: [{key: app, operator: DoesNotExist}]", {"tier": "front"}, True),
        ("matchExpressions: [{key: app, operator: Similar, values: [web]}]", {"app": "web"}, False),
        ("{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: Exists}]}", {"app": "web"}, False),
        ("{}", {"app": "web"}, True),
    ],
)
def test_a_selector_means_the_labels_that_meet_all_of_it(
    written: str,
    labels: dict[str, str],
    selected: bool,
) -> None:
    found = selector(node(written))
    assert found is not None
    assert found.selects(labels) is selected


def test_a_selector_that_is_not_there_is_none_and_an_empty_one_is_everything() -> None:
    assert selector(None) is None
    assert selector(node("{}")) == Selector()
    assert Selector().is_everything


def test_a_service_without_labels_selects_no_pod() -> None:
    assert plain_selector(node("{}")) is None
    assert plain_selector(None) is None
    assert plain_selector(node("{app: web}")) == Selector(labels=(("app", "web"),))


def test_a_selector_is_told_as_people_write_it() -> None:
    written = "{matchLabels: {app: web}, matchExpressions: [{key: tier, operator: In, values: [b, a]}]}"
    assert str(selector(node(written))) == "app=web,tier In (a, b)"
    assert str(Selector()) == "everything"


def test_of_a_long_selector_the_beginning_is_told() -> None:
    labels = tuple((f"k{number}", "v") for number in range(10_000))
    assert str(Selector(labels=labels)) == ",".join(f"k{number}=v" for number in range(8)) + ",..."
