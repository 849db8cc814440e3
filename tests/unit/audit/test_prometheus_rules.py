"""Where Prometheus's rules begin and end, and what they understand of PromQL."""

from __future__ import annotations

import pytest

from bascule.audit import yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.finding import Found
from bascule.audit.prometheus import READER, RULES, promql

WATCHDOG = "{alert: Watchdog, expr: vector(1)}"


def audited(*texts: str) -> list[tuple[str, Found]]:
    estate = Estate()
    assert READER.read_yaml is not None
    for number, text in enumerate(texts):
        (document,), wrong = yaml_reader.read(SourceFile(f"{number}.yml", text, yaml_reader.lines_of(text)))
        assert wrong == []
        found = READER.read_yaml(document)
        assert found is not None
        estate.add(found)
    return [(rule.id.removeprefix("BSC-PRO-"), found) for rule in RULES for found in rule.check(estate)]


def ids(*texts: str) -> set[str]:
    return {number for number, _ in audited(*texts)}


def alert(expression: str, *more: str, waits: str = "1m") -> str:
    words = "labels: {severity: page}, annotations: {summary: s, runbook_url: r}"
    rules = ", ".join((f"{{alert: A, expr: '{expression}', for: {waits}, {words}}}", WATCHDOG, *more))
    return f"groups: [{{name: g, rules: [{rules}]}}]"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (alert("x > 1"), set()),
        (alert("x > 1", waits="0s"), {"001"}),
        (alert("increase(x[10m]) > 1", waits="0s"), set()),
        (alert("increase(x[2m]) > 1", waits="0s"), set()),
        (alert("increase(x[119s]) > 1", waits="0s"), {"001"}),
        (alert("max_over_time(x[1m]) > 1", waits="0s"), {"001"}),
        (alert("x > 1").replace("severity", "team"), {"002"}),
        (alert('up{job="a"} == 0'), {"003"}),
        (alert('up{job="a"} == 0', "{record: r, expr: 'absent(up{job=\"a\"})'}"), {"003"}),
        (alert('up{job="a"} == 0 or absent(up{job="a"}) == 1'), set()),
        (alert('up{job="a"} == 0 or absent(up{job="b"}) == 1'), {"003"}),
        (alert("up == 0"), {"003"}),
        (alert("up == 0 or absent(up) == 1"), set()),
        (alert("sum(up) < 3"), set()),
        (alert("node:up == 0"), set()),
        (alert("rate(x[59s]) > 1"), {"004"}),
        (alert("rate(x[1m]) > 1"), set()),
        (alert('sum(rate(x{path="a"}[30s])) > 1'), {"004"}),
        (alert("x > 1").replace(f", {WATCHDOG}", ""), {"005"}),
        (alert("x > 1").replace("vector(1)", "1 == 1"), set()),
        (alert("x > 1").replace("summary: s, ", ""), {"006"}),
        (alert("x > 1").replace(", runbook_url: r", ""), {"006"}),
        ("groups: [{name: g, rules: [{record: r, expr: x}]}]", set()),
    ],
)
def test_what_is_a_weakness_of_alerts_and_what_is_none(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


SERVER = "scrape_configs: [{job_name: a}]\nglobal: {scrape_interval: 10s}\n"
MANAGERS = "alerting: {alertmanagers: [{static_configs: [{targets: [a, b]}]}]}\n"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (SERVER, set()),
        (SERVER + "rule_files: [a.yml]\n", {"007"}),
        (SERVER + MANAGERS, {"009"}),
        (SERVER + MANAGERS + "rule_files: [a.yml]\n", set()),
        (SERVER + MANAGERS.replace("a, b", "a") + "rule_files: [a.yml]\n", {"008"}),
        (SERVER + MANAGERS.replace("a, b]}]", "a]}], dns_sd_configs: [{names: [b]}]") + "rule_files: [a.yml]\n", set()),
    ],
)
def test_what_is_a_weakness_of_a_server_and_what_is_none(text: str, expected: set[str]) -> None:
    assert ids(text) == expected


def test_windows_are_compared_with_the_shortest_scrape_interval() -> None:
    assert ids(SERVER, alert("rate(x[40s]) > 1")) == set()
    assert ids(SERVER, alert("rate(x[39s]) > 1")) == {"004"}
    assert (
        ids(SERVER.replace("{job_name: a}", "{job_name: a, scrape_interval: 5s}"), alert("rate(x[20s]) > 1")) == set()
    )
    assert ids(SERVER.replace("10s", "2m"), alert("rate(x[5m]) > 1")) == {"004"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [("1h30m", 5400.0), ("500ms", 0.5), ("0", 0.0), ("5", None), ("", None), ("1x", None), ("1" * 200 + "s", None)],
)
def test_durations(text: str, expected: float | None) -> None:
    assert promql.seconds(text) == expected


@pytest.mark.parametrize("expression", ["vector(1)", "vector(1) > 0", "1", "(vector(1))", "1 == 1"])
def test_what_always_fires(expression: str) -> None:
    assert promql.fires_always(expression) is (expression != "1")


def test_expressions_are_looked_at_in_linear_time() -> None:
    for text in ("rate(" * 20_000, "[" * 60_000, "up{" * 20_000, "absent(up" * 10_000, "rate(x{" + "a" * 60_000):
        assert promql.rate_windows(text) == []
        assert promql.jobs_that_are_down(text) == []
        assert promql.longest_range_s(text) == 0


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    "begun", ["up ", "up{", "rate( ", "rate (", "absent( ", "absent(up ", "[ ", "rate(x[1s", "( ", "up ="]
)
@pytest.mark.parametrize("more", [" ", "a", "up ", "rate(", "{", "1s"])
def test_no_expression_takes_more_than_one_reading(begun: str, more: str) -> None:
    text = begun + more * (promql.MOST_CHARACTERS // len(more))
    assert promql.rate_windows(text) == []
    assert promql.jobs_that_are_down(text) == []
    assert not promql.fires_always(text)
    assert promql.longest_range_s(text) == 0
    assert all(job == "" for job in promql.jobs_that_are_absent(text))


def test_spaces_are_where_they_may_be() -> None:
    assert promql.jobs_that_are_down(' up {job="a"}  ==  0 or up<1') == ["a", ""]
    assert promql.jobs_that_are_absent('absent ( up { job = "a" } )') == ["a"]
    assert promql.rate_windows("rate ( x{a='b'} [ 5m ] )") == [("rate", "5m", 300.0)]
    assert promql.fires_always(" ( vector ( 1 ) ) >= 1 ")


@pytest.mark.parametrize("text", ["groups: [a, b]", "groups: []", "services: {a: {image: b}}", "[1]", "global: {x: 1}"])
def test_what_is_of_something_else_is_left_to_it(text: str) -> None:
    assert READER.read_yaml is not None
    (document,), _ = yaml_reader.read(SourceFile("x.yml", text, yaml_reader.lines_of(text)))
    assert READER.read_yaml(document) is None
