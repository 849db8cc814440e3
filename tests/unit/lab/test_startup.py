"""Components start when what they need serves."""

from bascule.engines.protocols import Observation
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.lab import startup
from bascule.system.model import Availability, Component, Need, Objectives, Region, System, Workload

PEER = Observation(up=True, role="peer", whole=True)
PRIMARY = Observation(up=True, role="primary", whole=True)
REPLICA = Observation(up=True, role="replica", whole=True)
DOWN = Observation(up=False)

SYSTEM = System(
    system="shop",
    objectives=Objectives(availability=Availability(target=Share(0.999), window=Duration(86400.0))),
    regions={"north": Region(zones=("north-a",))},
    components={
        "app": Component(
            engine="service", replicas={"north-a": 1}, needs={"store": Need(), "cache": Need(kind="soft")}
        ),
        "store": Component(engine="postgresql", replicas={"north-a": 2}, needs={"quorum": Need()}),
        "quorum": Component(engine="etcd", replicas={"north-a": 1}),
        "cache": Component(engine="redis", replicas={"north-a": 1}),
    },
    workload=Workload(through="app", rate=Rate(10.0)),
)


def test_only_what_needs_nothing_starts_first() -> None:
    assert startup.startable(SYSTEM, set(), {}) == ("quorum", "cache")


def test_a_component_waits_until_its_hard_needs_serve() -> None:
    started = {"quorum", "cache"}
    assert startup.startable(SYSTEM, started, {"quorum": (DOWN,)}) == ()
    assert startup.startable(SYSTEM, started, {"quorum": (PEER,)}) == ("store",)


def test_a_soft_need_is_not_waited_for() -> None:
    seen = {"quorum": (PEER,), "store": (PRIMARY, DOWN), "cache": (DOWN,)}
    assert startup.startable(SYSTEM, {"quorum", "cache", "store"}, seen) == ("app",)


def test_a_roled_component_serves_with_its_primary_alone() -> None:
    assert startup.serving((PRIMARY, DOWN))
    assert not startup.serving((REPLICA, REPLICA))
    assert not startup.serving(())
    assert not startup.serving((PEER, DOWN))


def test_whole_means_every_replica_of_every_component() -> None:
    seen = {"app": (PEER,), "store": (PRIMARY, REPLICA), "quorum": (PEER,), "cache": (PEER,)}
    assert startup.whole(SYSTEM, seen)
    assert not startup.whole(SYSTEM, {**seen, "store": (PRIMARY,)})
    assert not startup.whole(SYSTEM, {**seen, "store": (PRIMARY, Observation(up=True, role="replica"))})
    assert not startup.whole(SYSTEM, {**seen, "store": (PRIMARY, PRIMARY)}), "one of the two is on its way out"


def test_what_is_missing_is_said_in_the_members_own_words() -> None:
    seen = {"store": {"store-1": PRIMARY, "store-2": Observation(up=True, detail="no lag known")}, "cache": {"c": DOWN}}
    assert startup.missing(SYSTEM, seen) == ("store-2: no lag known", "c: does not answer")


def test_a_system_serves_before_its_last_standby_is_fully_taken_in() -> None:
    seen = {"app": (PEER,), "store": (PRIMARY, REPLICA), "quorum": (PEER,), "cache": (PEER,)}
    streaming = Observation(up=True, role="replica", whole=False)
    assert startup.serves(SYSTEM, {**seen, "store": (PRIMARY, streaming)})
    assert not startup.whole(SYSTEM, {**seen, "store": (PRIMARY, streaming)})
    assert not startup.serves(SYSTEM, {**seen, "store": (PRIMARY, DOWN)})
    assert not startup.serves(SYSTEM, {**seen, "store": (PRIMARY,)})
