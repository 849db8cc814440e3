"""What contradicts itself in a system is found, and nothing else is."""

from __future__ import annotations

import pytest

from bascule.system import SystemFileError, parse
from bascule.system.problems import Problem
from bascule.system.rules import check_addresses
from bascule.system.starter import STARTER

HTTP = (
    STARTER[: STARTER.index("workload:")]
    + """\
workload:
  through: proxy
  rate: 100/s
  audit: /audit
  session: {path: /session, body: '{"user": "{client}"}'}
  operations:
    - {name: list, method: GET, path: "/tasks?limit=20", weight: 5}
    - {name: create, method: POST, path: /tasks, body: '{"n": {number}}', writes: true, capture: {task: id}}
    - {name: delete, method: DELETE, path: "/tasks/{task}"}
"""
)


def problems(text: str) -> list[Problem]:
    try:
        parse(text, "a.yaml")
    except SystemFileError as refused:
        return list(refused.problems)
    return []


def one(text: str, was: str, becomes: str) -> Problem:
    """The only problem that appears when one piece of a good file is replaced."""
    assert was in text
    assert problems(text) == []
    (problem,) = problems(text.replace(was, becomes, 1))
    return problem


@pytest.mark.parametrize(
    ("was", "becomes", "path", "what"),
    [
        ("99.9%", "100%", "objectives.availability.target", "100% cannot be promised"),
        ("99.9%", "0%", "objectives.availability.target", "0% cannot be promised"),
        ("window: 30d", "window: 0", "objectives.availability.window", "0s is no window"),
        ("window: 30d", "window: 2000d", "objectives.availability.window", "2000d is no window"),
        ("within: 250ms", "within: 0", "objectives.latency.within", "no answer takes no time"),
        ("zone: {rto: 30s", "zone: {rto: 31d", "objectives.disruptions.zone.rto", "31d is too long"),
        ("rto: 40s, rpo: 0", "rto: 40s, rpo: 31d", "objectives.disruptions.region.rpo", "31d is too long"),
        ("[lyon-a]", "[lyon-a, paris-a]", "regions.lyon.zones[1]", "zone 'paris-a' is in region 'paris' already"),
        ("[lyon-a]", "[lyon-a, outside]", "regions.lyon.zones[1]", "'outside' is where the clients are"),
        ("{paris-a: 1, lyon-a: 1}", "{paris-a: 1, lyon-b: 1}", "components.database.replicas.lyon-b", "unknown zone"),
        ("{paris-a: 1, lyon-a: 1}", "{paris-a: 0}", "components.database.replicas", "there is not one replica"),
        ("{paris-a: 1, lyon-a: 1}", "{}", "components.database.replicas", "there is not one replica"),
        ("consensus: hard", "consensu: hard", "components.database.needs.consensu", "unknown component 'consensu'"),
        ("consensus: hard", "database: hard", "components.database.needs.database", "a component cannot need itself"),
        ("consensus: hard", "consensus: soft", "components.database.needs.consensus.degrades", "a soft need must say"),
        ("[paris, lyon]", "[paris, leon]", "links[0].between[1]", "unknown region 'leon'"),
        ("[paris, lyon]", "[paris, paris]", "links[0].between", "a link needs two different ends"),
        ("[paris, lyon]", "[witness, lyon]", "links[2].between", "the link between lyon and witness is given already"),
        ("delay: 5ms", "delay: 11s", "links[0].delay", "11s is too long"),
        ("jitter: 1ms", "jitter: 6ms", "links[0].jitter", "6ms is more than the delay, 5ms"),
        ("jitter: 1ms", "loss: 100%", "links[0].loss", "nothing would ever arrive"),
        ("through: proxy", "through: prozy", "workload.through", "unknown component 'prozy'"),
        ("rate: 50/s", "rate: 0/s", "workload.rate", "0/s cannot be offered"),
        ("rate: 50/s", "rate: 20001/s", "workload.rate", "20001/s cannot be offered"),
        ("deadline: 1s", "deadline: 0", "workload.deadline", "0s is no deadline"),
        ("deadline: 1s", "deadline: 61s", "workload.deadline", "61s is no deadline"),
        ("port: postgresql", "audit: /audit", "workload.audit", "means nothing with protocol: postgresql"),
    ],
)
def test_a_contradiction_is_found_where_it_stands(was: str, becomes: str, path: str, what: str) -> None:
    problem = one(STARTER, was, becomes)
    assert problem.path == path
    assert what in problem.what
    assert problem.hint


@pytest.mark.parametrize(
    ("was", "becomes", "path", "what"),
    [
        ("  audit: /audit\n", "", "workload.audit", "is missing"),
        ("audit: /audit", "audit: audit", "workload.audit", "'audit' is no path"),
        (", writes: true", "", "workload.operations", "not one operation writes"),
        ("{number}", "7", "workload.operations[1].writes", "it writes, but does not send its number"),
        ("/tasks/{task}", "/tasks/{tusk}", "workload.operations[2].path", "no operation captures 'tusk'"),
        ("{client}", "{task}", "workload.session.body", "no operation captures 'task'"),
        ("name: delete", "name: list", "workload.operations[2].name", "a second operation is called 'list'"),
        (
            "{task: id}",
            "{task: id, number: n}",
            "workload.operations[1].capture.number",
            "no name for a captured value",
        ),
    ],
)
def test_a_contradiction_in_an_http_workload_is_found(was: str, becomes: str, path: str, what: str) -> None:
    problem = one(HTTP, was, becomes)
    assert problem.path == path
    assert what in problem.what


@pytest.mark.parametrize(
    ("was", "becomes", "what"),
    [
        ("method: GET", "method: get", "did you mean 'GET'?"),
        ("weight: 5", "weight: 0", "more than 0"),
        ("weight: 5", "weight: -1", "more than 0"),
        ("path: /session", "path: session", "is not a path"),
        ("  rate:", "  retries: 11\n  rate:", "at most 10"),
        ("  rate:", "  retries: -1\n  rate:", "at least 0"),
    ],
)
def test_a_value_out_of_bounds_is_found(was: str, becomes: str, what: str) -> None:
    assert what in str(one(HTTP, was, becomes))


def test_http_without_operations_is_found() -> None:
    text = HTTP[: HTTP.index("  operations:")]
    assert [problem.what for problem in problems(text)] == ["http needs at least one operation"]


def test_http_words_with_another_protocol_are_found() -> None:
    paths = [problem.path for problem in problems(HTTP.replace("rate:", "protocol: postgresql\n  rate:"))]
    assert paths == ["workload.audit", "workload.session", "workload.operations"]


def test_hard_needs_in_a_circle_are_told_with_all_who_take_part() -> None:
    (problem,) = problems(STARTER.replace("    engine: etcd", "    engine: etcd\n    needs: {proxy: hard}"))
    assert problem.what == "hard needs in a circle: consensus -> proxy -> database -> consensus"
    assert problem.path == "components.database.needs.consensus"


def test_soft_needs_may_go_in_a_circle() -> None:
    soft = '    engine: etcd\n    needs: {proxy: {kind: soft, degrades: "slower"}}'
    assert problems(STARTER.replace("    engine: etcd", soft)) == []


def test_a_ladder_of_needs_is_no_circle_and_takes_no_time() -> None:
    parts = ["components:"]
    for step in range(200):
        needs = f"{{left-{step + 1}: hard, right-{step + 1}: hard}}" if step < 199 else "{}"
        body = f"{{engine: etcd, replicas: {{paris-a: {int(step < 50)}}}, needs: {needs}}}"
        parts += [f"  left-{step}: {body}", f"  right-{step}: {body}"]
    text = STARTER[: STARTER.index("components:")] + "\n".join(parts) + "\n" + STARTER[STARTER.index("workload:") :]
    assert not [problem for problem in problems(text) if "circle" in problem.what]


def test_names_of_hosts_stay_short_enough_and_unique() -> None:
    component, zone = "c" * 31, "z" * 31
    long = STARTER.replace("proxy", component).replace("lyon-a", zone)
    assert any("characters" in problem.what for problem in problems(long))
    twins = (
        STARTER.replace("consensus", "a-b").replace("database", "a").replace("paris-a", "b-c").replace("lyon-a", "c")
    )
    assert any("its hosts would be called a-b-c-1" in problem.what for problem in problems(twins))


@pytest.mark.parametrize("name", ["client", "probe"])
def test_names_of_the_labs_own_hosts_are_taken(name: str) -> None:
    (problem,) = problems(STARTER.replace("proxy", name))
    assert problem.path == f"components.{name}"


def test_a_region_cannot_be_outside() -> None:
    paths = {problem.path for problem in problems(STARTER.replace("witness: {zones", "outside: {zones"))}
    assert "regions.outside" in paths


def test_a_zone_holds_no_more_hosts_than_it_has_addresses() -> None:
    crowded = parse(STARTER.replace("paris-a: 1", "paris-a: 99"), "crowded.yaml")
    assert [one.what for one in check_addresses(crowded)] == ["more than 200 hosts in zone 'paris-a'"]


def test_nothing_is_concluded_from_what_could_not_be_read() -> None:
    (problem,) = problems(STARTER.replace("zones: [lyon-a]", "zones: lyon-a"))
    assert problem.path == "regions.lyon.zones"
