"""An experiment hits the primary, and what stands or falls with it."""

import msgspec
import pytest

from bascule.drill import targets
from bascule.drill.experiments import CATALOGUE
from bascule.drill.targets import Aim
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Entry, Objectives, Region, System, Workload

SYSTEM = System(
    system="shop",
    objectives=Objectives(availability=Availability(target=Share(0.999))),
    regions={"north": Region(zones=("north-a", "north-b")), "south": Region(zones=("south-a",))},
    components={
        "quorum": Component(engine="etcd", replicas={"north-a": 1, "north-b": 1, "south-a": 1}),
        "store": Component(engine="postgresql", replicas={"north-a": 1, "south-a": 1}),
    },
    workload=Workload(through="store", rate=Rate(10.0), protocol="postgresql"),
)
PLAN = layout(SYSTEM)
PRIMARY = next(member for member in PLAN.members if member.name == "store-north-a-1")


@pytest.mark.parametrize(
    ("experiment", "name", "hosts", "members"),
    [
        ("primary-kill", "store-north-a-1", {"store-north-a-1"}, {"store-north-a-1"}),
        ("host-loss", "store-north-a-1", {"store-north-a-1"}, {"store-north-a-1"}),
        ("partition", "store-north-a-1", {"store-north-a-1", "probe-north-a"}, {"store-north-a-1"}),
        (
            "zone-loss",
            "north-a",
            {"quorum-north-a-1", "store-north-a-1", "probe-north-a"},
            {"quorum-north-a-1", "store-north-a-1"},
        ),
        (
            "region-loss",
            "north",
            {"quorum-north-a-1", "store-north-a-1", "quorum-north-b-1", "probe-north-a", "probe-north-b"},
            {"quorum-north-a-1", "store-north-a-1", "quorum-north-b-1"},
        ),
    ],
)
def test_what_is_hit(experiment: str, name: str, hosts: set[str], members: set[str]) -> None:
    target = targets.choose(CATALOGUE[experiment], PRIMARY, PLAN)
    assert target.name == name
    assert set(target.hosts) == hosts
    assert target.members == members


def test_the_client_outside_is_never_hit() -> None:
    for experiment in CATALOGUE.values():
        assert "client" not in targets.choose(experiment, PRIMARY, PLAN).hosts


def test_the_component_with_a_primary_is_found() -> None:
    assert targets.aim(CATALOGUE["primary-kill"], SYSTEM) == Aim(component="store")
    assert targets.aim(None, SYSTEM) == Aim(component="store")


def with_edges(*zones: str, entry: Entry | None = None, data: bool = True) -> System:
    """The shop behind edges, found by an address or by all of them; without data nobody has a primary."""
    edge = Component(
        engine="haproxy",
        replicas={zone: zones.count(zone) for zone in zones},
        options={"listeners": {"http": {"port": 8080, "to": "quorum"}}},
    )
    rest = {name: each for name, each in SYSTEM.components.items() if data or name != "store"}
    workload = Workload(through="edge", rate=Rate(10.0), entry=entry)
    return msgspec.structs.replace(SYSTEM, components={**rest, "edge": edge}, workload=workload)


MOVED = Entry(kind="vip", store="quorum", ttl=Duration(3.0))
ENTRIES = {name: each for name, each in CATALOGUE.items() if each.aims == "entry"}


def test_an_entry_with_an_address_has_a_holder_and_one_that_all_know_has_none() -> None:
    passive, active = with_edges("north-a", "north-a", entry=MOVED), with_edges("north-a", "south-a")
    for experiment in ENTRIES.values():
        assert targets.aim(experiment, passive) == Aim(component="edge", has_holder=True, is_entry=True)
        assert targets.aim(experiment, active) == Aim(component="edge", has_holder=False, is_entry=True)
    assert targets.aim(CATALOGUE["partition"], passive) == Aim(component="store")


def test_without_a_primary_the_entry_is_aimed_at_alone() -> None:
    system = with_edges("north-a", "north-a", entry=MOVED, data=False)
    assert targets.aim(None, system).component == "edge"
    assert set(targets.possible(CATALOGUE.values(), system)) == set(ENTRIES.values())
    with pytest.raises(InputError, match="no component has a primary") as refused:
        targets.check((CATALOGUE["primary-kill"],), system)
    assert "-e entry-kill" in refused.value.hint


@pytest.mark.parametrize(
    ("system", "experiment", "why"),
    [
        (with_edges("north-a"), "entry-kill", "edge has one member"),
        (with_edges("north-a", "south-a"), "entry-switchover", "there is no address to move"),
        (SYSTEM, "entry-host-loss", "clients go straight to store"),
    ],
)
def test_what_a_system_cannot_have_is_refused_with_the_reason(system: System, experiment: str, why: str) -> None:
    assert why in targets.refusal(CATALOGUE[experiment], system)
    assert CATALOGUE[experiment] not in targets.possible(CATALOGUE.values(), system)
    with pytest.raises(InputError, match=why):
        targets.check((CATALOGUE[experiment],), system)


def test_the_random_phase_meets_the_slowest_of_those_who_are_aimed_at() -> None:
    passive = with_edges("north-a", "north-a", entry=MOVED)
    database = targets.cycle_s(SYSTEM, (CATALOGUE["primary-kill"],))
    assert targets.cycle_s(passive, (CATALOGUE["entry-kill"],)) == 1.0
    assert targets.cycle_s(passive, (CATALOGUE["entry-kill"], CATALOGUE["primary-kill"])) == database
    assert targets.cycle_s(with_edges("north-a", "south-a"), ENTRIES.values()) == targets.ROUTE_CYCLE_S
