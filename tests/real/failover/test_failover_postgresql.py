"""The same with leases in PostgreSQL, and agents that hold without the store while every one of them confirms it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import rig
from rig import NODES, Rig

from bascule.engines import binaries
from bascule.kernel.errors import MissingProgramError
from bascule.lab import isolation

pytestmark = [pytest.mark.real, pytest.mark.timeout(180)]


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    if why := isolation.available():
        pytest.skip(f"namespaces: {why}")
    try:
        binaries.find("postgres")
    except MissingProgramError as error:
        pytest.skip(f"PostgreSQL: {error}")
    with rig.running(tmp_path_factory.mktemp("failover-pg"), ttl="2s") as made:
        made.start_postgresql()
        made.start_responders()
        made.start_agents(made.postgresql_store(), hold=True)
        made.start_client("user")
        made.wait_until_served()
        yield made


@pytest.fixture
def whole(shared: Rig) -> Iterator[Rig]:
    shared.wait_until_served()
    shared.wait_for_agents(NODES)
    yield shared
    shared.lab.heal()
    shared.lab.thaw("postgresql")
    for name in NODES:
        shared.lab.thaw(shared.in_charge(name))
        shared.lab.start(shared.in_charge(name))
    shared.unpin()


def rest(holder: str) -> list[str]:
    return [name for name in NODES if name != holder]


def test_another_one_follows_when_the_agent_is_killed(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.kill(whole.in_charge(holder))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    assert whole.two_holders_s() == 0


def test_another_one_follows_when_the_holder_is_cut_off(whole: Rig) -> None:
    holder = whole.pinned_holder()
    at_s = rig.boot_s()
    whole.lab.partition((holder, "pinned"))
    whole.wait_until_served(since_s=at_s, by=rest(holder))
    whole.lab.heal()
    whole.wait_for_agents(NODES)
    assert whole.two_holders_s() == 0


def test_the_holder_goes_on_without_the_store_while_all_confirm_it(whole: Rig) -> None:
    holder = whole.pinned_holder()
    whole.lab.freeze("postgresql")
    at_s = rig.boot_s()
    rig.wait_for(lambda: rig.boot_s() > at_s + 6, "three leases pass")
    later_s = rig.boot_s()
    whole.wait_until_served(since_s=later_s, by=[holder])
    whole.lab.thaw("postgresql")
    whole.wait_for_agents(NODES)
    assert {one.holder for one in whole.answers("user") if one.asked_s > at_s} == {holder}


def test_the_holder_stops_without_the_store_once_one_of_them_does_not_confirm(whole: Rig) -> None:
    holder = whole.pinned_holder()
    whole.lab.freeze("postgresql")
    whole.lab.freeze(whole.in_charge(rest(holder)[0]))
    rig.wait_for(lambda: whole.silent_for(3), "nobody acts")
    at_s = rig.boot_s()
    whole.lab.thaw("postgresql")
    whole.wait_until_served(since_s=at_s)
    assert whole.two_holders_s() == 0
