"""An entry that is one address moves within one zone, between two hosts or more, by a lease that is kept somewhere."""

from __future__ import annotations

import pytest

from bascule.kernel.quantities import Duration
from bascule.system import SystemFileError, parse
from bascule.system.problems import Problem
from bascule.system.starter import STARTER

_TWO_ZONES = "replicas: {paris-a: 1, lyon-a: 1}\n    options:\n      listeners"
GOOD = STARTER.replace(_TWO_ZONES, _TWO_ZONES.replace("paris-a: 1, lyon-a: 1", "paris-a: 2"))
GOOD += "  entry: {kind: vip, store: consensus}\n"


def problems(text: str) -> list[Problem]:
    try:
        parse(text, "a.yaml")
    except SystemFileError as refused:
        return list(refused.problems)
    return []


def entry(text: str) -> str:
    return GOOD.replace("{kind: vip, store: consensus}", text)


@pytest.mark.parametrize(
    "text",
    [
        "{kind: vip, store: consensus}",
        "{kind: vip, store: consensus, ttl: 1s}",
        "{kind: vip, store: database}",
        "{kind: vip, provider: keepalived}",
        "{kind: vip, provider: keepalived, options: {advert: 100ms}}",
        "{kind: members}",
    ],
)
def test_what_can_be_is_accepted(text: str) -> None:
    assert problems(entry(text)) == []


def test_without_an_entry_there_is_no_address_that_moves() -> None:
    assert parse(STARTER, "a.yaml").vip is None
    assert parse(entry("{kind: members}"), "a.yaml").vip is None
    found = parse(GOOD, "a.yaml").vip
    assert found is not None
    assert (found.provider, found.store, found.ttl) == ("bascule", "consensus", None)


@pytest.mark.parametrize(
    ("text", "path", "what", "hint"),
    [
        ("{kind: vip}", "store", "is missing", "add store: consensus"),
        ("{kind: vip, store: consensu}", "store", "unknown component 'consensu'", "consensus"),
        ("{kind: vip, store: proxy}", "store", "engine haproxy, which keeps no leases", "there is consensus, database"),
        ("{kind: vip, store: consensus, ttl: 50ms}", "ttl", "50ms is no lease", "100ms to 1h"),
        ("{kind: vip, store: consensus, ttl: 2h}", "ttl", "2h is no lease", "100ms to 1h"),
        ("{kind: vip, store: consensus, ttl: 150ms}", "ttl", "less than 10 round trips to consensus", "180ms or more"),
        ("{kind: vip, provider: keepalived, store: consensus}", "store", "means nothing with provider", "bascule"),
        ("{kind: vip, provider: keepalived, ttl: 1s}", "ttl", "means nothing with provider: keepalived", "bascule"),
        ("{kind: members, store: consensus}", "store", "means nothing with kind: members", "kind: vip"),
        ("{kind: vipp, store: consensus}", "kind", "'vipp' cannot be here", "did you mean 'vip'"),
        ("{store: consensus}", "kind", "is missing", "add kind: members"),
    ],
)
def test_what_contradicts_itself_is_found_where_it_stands(text: str, path: str, what: str, hint: str) -> None:
    (problem,) = problems(entry(text))
    assert problem.path == f"workload.entry.{path}"
    assert what in problem.what
    assert hint in problem.hint


def test_replicas_in_two_zones_are_no_place_for_one_address_and_the_other_way_is_named() -> None:
    (problem,) = problems(STARTER + "  entry: {kind: vip, store: consensus}\n")
    assert problem.path == "workload.entry.kind"
    assert "proxy stands in paris-a, lyon-a: an address can move only within one zone" in problem.what
    assert "kind: members" in problem.hint


def test_an_address_needs_another_host_to_move_to() -> None:
    (problem,) = problems(GOOD.replace("{paris-a: 2}", "{paris-a: 1}"))
    assert problem.path == "workload.entry.kind"
    assert problem.hint == "give paris-a 2 of them"


def test_a_store_cannot_be_named_where_there_is_none() -> None:
    text = GOOD.replace("engine: etcd", "engine: redis").replace("engine: postgresql", "engine: redis")
    (problem,) = problems(text)
    assert "add a component with engine: etcd" in problem.hint


def test_nothing_is_concluded_from_replicas_that_could_not_be_read() -> None:
    (problem,) = problems(GOOD.replace("{paris-a: 2}", "{paris-a: two}"))
    assert problem.path == "components.proxy.replicas.paris-a"


def test_the_lease_is_short_unless_said_otherwise() -> None:
    found = parse(entry("{kind: vip, store: consensus, ttl: 3s}"), "a.yaml").vip
    assert found is not None
    assert found.ttl == Duration(3.0)
