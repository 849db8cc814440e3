"""An experiment hits the primary, and what stands or falls with it."""

import pytest

from bascule.drill import targets
from bascule.drill.experiments import CATALOGUE
from bascule.engines import registry
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Rate, Share
from bascule.lab.plan import layout
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

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
    engines = {name: registry.engine(component.engine) for name, component in SYSTEM.components.items()}
    assert targets.roled_component(SYSTEM, engines) == "store"
    with pytest.raises(InputError, match="no component has a primary"):
        targets.roled_component(SYSTEM, {name: registry.engine("etcd") for name in engines})
