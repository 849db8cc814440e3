"""Partitions laid over one another split the hosts into islands, and routers keep the islands apart."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.kernel.quantities import Rate, Share
from bascule.lab.islands import DARK_TABLE, Arrived, Dark, Far, From, Leaving, Near, entries, islands, table_of
from bascule.lab.plan import Vip, layout
from bascule.system.model import Availability, Component, Entry, Objectives, Region, System, Workload

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


MOVING = layout(
    System(
        system="t",
        objectives=Objectives(availability=Availability(target=Share(0.9))),
        regions={"north": Region(zones=("north-a", "north-b")), "south": Region(zones=("south-a",))},
        components={
            "edge": Component(engine="haproxy", replicas={"north-a": 2}),
            "app": Component(engine="service", replicas={"north-b": 1, "south-a": 1}),
        },
        workload=Workload(through="edge", rate=Rate(1.0), entry=Entry(kind="vip", provider="keepalived")),
    )
)


def test_the_address_that_moves_is_in_the_zone_of_the_hosts_among_which_it_does() -> None:
    assert MOVING.vip == Vip(address="10.88.1.8", zone="north-a", hosts=("edge-north-a-1", "edge-north-a-2"))
    assert MOVING.vip.address not in {host.address for host in MOVING.hosts}
    assert PLAN.vip is None


def of_the_vip(region: str, *cut: str) -> set[object]:
    """What the router of a region must know of the address that moves while these hosts are cut off."""
    where = islands([host.name for host in MOVING.hosts], [frozenset(cut)])
    plain = MOVING.vip
    assert plain is not None
    found = entries(MOVING, region, where)
    return {
        one
        for one in found
        if isinstance(one, Leaving | Arrived) or (isinstance(one, Near | Far) and one.address == plain.address)
    }


def test_on_an_island_with_a_holder_the_address_is_asked_for_there_and_its_packets_stay_there() -> None:
    cut = ("edge-north-a-1", "app-south-a-1")
    app = MOVING.host("app-south-a-1")
    assert of_the_vip("north", *cut) == {Near("10.88.1.8", "north-a", 1), Leaving("10.88.1.8", "north-a", 1)}
    assert of_the_vip("south", *cut) == {Far("10.88.1.8", "north", 1), Arrived(app.address, "south-a", 1)}
    assert of_the_vip("outside", *cut) == set()


def test_on_an_island_without_a_host_in_its_zone_there_is_no_such_address() -> None:
    assert of_the_vip("north", "app-north-b-1", "app-south-a-1") == set()
    assert of_the_vip("south", "app-north-b-1", "app-south-a-1") == set()
