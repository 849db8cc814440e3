"""A strike becomes faults: one for each member, or one for all hosts, as its kind wants it."""

import pytest
from paper import plan, shop

from bascule.chaos.faults import MainProcessKill, NetworkCut, Partition, PowerLoss, ProcessKill
from bascule.chaos.faults.catalogue import KINDS, named, parameters
from bascule.chaos.faults.ports import PortExhaustion
from bascule.drill.scenarios import aiming, whom
from bascule.drill.scenarios.rules import roles_on_paper
from bascule.drill.scenarios.schedule import Strike
from bascule.kernel.errors import InputError
from bascule.system.scenario import Whom

PLAN = plan()
ROLES = roles_on_paper(shop(), PLAN)


def aimed(fault: str, on: Whom, **settings: object) -> tuple[object, ...]:
    strike = Strike(at_s=0.0, fault=fault, on=on, settings=settings)
    return aiming.faults(strike, whom.choose(on, 0, PLAN, ROLES), PLAN, ROLES, lambda component: f"main-of-{component}")


def test_each_member_has_a_fault_of_its_own() -> None:
    assert aimed("process-kill", Whom(who="standbys")) == (
        ProcessKill(member="store-north-b-1"),
        ProcessKill(member="store-south-a-1"),
    )


def test_the_main_process_is_that_of_the_members_engine() -> None:
    expected = MainProcessKill(member="store-north-a-1", command="main-of-store")
    assert aimed("process-kill-main", Whom(who="primary")) == (expected,)


def test_hosts_are_hit_together_and_peers_are_named_by_word() -> None:
    (cut,) = aimed("network-cut", Whom(who="entries"), peers=["cache"], direction="in")
    assert isinstance(cut, NetworkCut)
    assert (cut.hosts, cut.peers, cut.direction) == (("edge-north-a-1", "edge-south-a-1"), ("cache-north-a-1",), "in")


def test_a_partition_takes_the_client_beside_its_target_with_it() -> None:
    assert aimed("partition", Whom(who="primary")) == (Partition(hosts=("store-north-a-1", "probe-north-a")),)


def test_a_partition_of_a_whole_zone_names_each_host_once() -> None:
    (cut,) = aimed("partition", Whom(who="primary", whole="zone"))
    assert isinstance(cut, Partition)
    assert len(set(cut.hosts)) == len(cut.hosts)
    assert "probe-north-a" in cut.hosts


def test_a_whole_region_loses_its_power() -> None:
    (loss,) = aimed("power-loss", Whom(who="primary", whole="region"))
    assert isinstance(loss, PowerLoss)
    assert {"probe-north-a", "probe-north-b", "cache-north-a-1"} <= set(loss.hosts)
    assert aiming.cuts_power(named("power-loss"))


def test_peers_that_are_no_list_are_refused() -> None:
    with pytest.raises(InputError, match="peers is no list of hosts"):
        aimed("network-cut", Whom(who="entry"), peers=3)


def test_each_host_has_a_fault_of_its_own_where_one_is_meant_at_a_time() -> None:
    assert aimed("ports-exhausted", Whom(who="entries")) == (
        PortExhaustion(host="edge-north-a-1"),
        PortExhaustion(host="edge-south-a-1"),
    )


def test_what_acts_at_a_proxy_process_is_not_for_a_lab() -> None:
    with pytest.raises(InputError, match="proxy-down hits neither members nor hosts of a lab"):
        aimed("proxy-down", Whom(who="primary"), proxy="redis")


@pytest.mark.parametrize("kind", [kind.kind() for kind in KINDS if "proxy" not in kind.NEEDS])
def test_every_fault_can_be_aimed_by_a_timeline(kind: str) -> None:
    """What whom it hits does not give must be a parameter that a file can state."""
    needed = {one.name for one in parameters(named(kind)) if one.default is None}
    given = {name for name in needed if name in aiming.GIVEN_BY_TARGET}
    assert given & {"member", "host", "hosts"}, needed
