"""Partitions laid over one another split the hosts into islands, and routers keep the islands apart."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.kernel.quantities import Rate, Share
from bascule.lab.islands import DARK_TABLE, Dark, Far, From, Near, entries, islands, table_of
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

HOSTS = ("a", "b", "c", "d", "e")
CUTS = st.lists(st.frozensets(st.sampled_from(HOSTS)), max_size=4)
PLAN = layout(
    System(
        system="t",
        objectives=Objectives(availability=Availability(target=Share(0.9))),
        regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
        components={"app": Component(engine="service", replicas={"north-a": 2, "south-a": 1})},
        workload=Workload(through="app", rate=Rate(1.0)),
    )
)


def test_without_a_cut_all_stand_on_the_mainland() -> None:
    assert islands(HOSTS, ()) == dict.fromkeys(HOSTS, 0)


def test_a_cut_makes_one_island() -> None:
    assert islands(HOSTS, [frozenset("ab")]) == {"a": 1, "b": 1, "c": 0, "d": 0, "e": 0}


@given(CUTS)
def test_two_hosts_share_an_island_exactly_when_no_cut_tells_them_apart(cuts: list[frozenset[str]]) -> None:
    where = islands(HOSTS, cuts)
    for one in HOSTS:
        for other in HOSTS:
            assert (where[one] == where[other]) == all((one in cut) == (other in cut) for cut in cuts)


@given(CUTS)
def test_the_mainland_is_what_no_cut_names(cuts: list[frozenset[str]]) -> None:
    where = islands(HOSTS, cuts)
    for host in HOSTS:
        assert (where[host] == 0) == all(host not in cut for cut in cuts)


def test_routers_need_nothing_while_nothing_is_cut() -> None:
    where = islands([host.name for host in PLAN.hosts], ())
    assert entries(PLAN, "north", where) == frozenset()


def test_a_router_hides_an_islands_hosts_and_shows_them_their_own_island_alone() -> None:
    where = islands([host.name for host in PLAN.hosts], [frozenset({"app-north-a-1", "app-south-a-1"})])
    one, other = PLAN.host("app-north-a-1"), PLAN.host("app-south-a-1")
    table = table_of(1)
    common = {
        Dark(f"{one.address}/32", DARK_TABLE),
        Dark(f"{other.address}/32", DARK_TABLE),
        Dark("0.0.0.0/0", table),
        From(one.address, table),
        From(other.address, table),
    }
    assert entries(PLAN, "north", where) == common | {Near(one.address, "north-a", 1), Far(other.address, "south", 1)}
    assert entries(PLAN, "south", where) == common | {Far(one.address, "north", 1), Near(other.address, "south-a", 1)}
    assert entries(PLAN, "outside", where) == common | {Far(one.address, "north", 1), Far(other.address, "south", 1)}
