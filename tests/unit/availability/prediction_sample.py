"""Predictions as real ones look: a task manager in two regions, the smallest system, a large one, and a hostile one."""

from __future__ import annotations

import math
from functools import cache
from pathlib import Path

from msgspec.structs import replace

from bascule.availability.assumptions import Assumption
from bascule.availability.prediction import (
    YEAR_S,
    Change,
    CutSet,
    CutSets,
    Measurement,
    Money,
    Part,
    Prediction,
    Recovery,
    RegionUptime,
    Survival,
    Weight,
)
from bascule.availability.simulation.months import Months
from bascule.availability.simulation.simulating import simulate
from bascule.availability.strategies import choose
from bascule.availability.structure import Basic, Event, Structure, any_of
from bascule.availability.uptime import uptime
from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system import load
from bascule.system.dependability import Service
from bascule.system.model import Availability, Component, Need, Objectives, Region, System, Workload

EXAMPLE = Path(__file__).parents[3] / "examples" / "taskmanagerpro" / "bascule.yaml"
TARGET = 0.9995
WINDOW_S = 30 * 86400.0
DOWN = 6 * 3600.0 + 8 * 60.0
HOSTILE = (
    "</title></style></svg><script>document.title='owned'</script>"
    """<img src=x onerror="document.title='owned'">'"\\&\u2028\u202e\x00\x1b[31m[red]{{1}}"""
)


def system() -> System:
    """The example, with a service that others run behind its edge and behind its application."""
    read = load(EXAMPLE)
    edge, app = read.components["edge"], read.components["app"]
    components = {
        **read.components,
        "edge": replace(edge, needs={**edge.needs, "dns": Need()}),
        "app": replace(app, needs={**app.needs, "mail": Need(kind="soft", degrades="no mails are sent")}),
    }
    services = {"dns": Service(like="route53"), "mail": Service(availability=Share(0.999))}
    return replace(read, components=components, services=services)


@cache
def months() -> Months:
    """Ten thousand months of something that fails as often as the example."""
    down = {
        "switching": Event(42.0 * 26 / YEAR_S, 42.0),
        "uncovered": Event(3600.0 * 1.3 / YEAR_S, 3600.0),
        "dns": Event(0.0001, 1800.0),
        "region": Event(4 * 3600.0 * 0.1 / YEAR_S, 4 * 3600.0),
    }
    structure = Structure(any_of(*map(Basic, down)), down)
    return simulate(structure, months=10_000, seed=7, expired=lambda: False)


def weight(part: str, kind: str, share: float, *, raw: float = 40.0, birnbaum: float = 0.9) -> Weight:
    return Weight(
        part=part,
        kind=kind,
        birnbaum=birnbaum,
        criticality=share,
        fussell_vesely=share * 1.02,
        raw=raw,
        rrw=math.inf if share == 1 else 1 / (1 - share),
        potential_s=DOWN * share,
    )


def _weights() -> tuple[Weight, ...]:
    return (
        weight("database", "component", 0.613, raw=1429.0, birnbaum=0.998),
        weight("service dns", "service", 0.143, raw=1429.0, birnbaum=0.9995),
        weight("pgproxy", "component", 0.112, raw=1429.0),
        weight("app", "component", 0.081, raw=1429.0),
        weight("edge", "component", 0.048, raw=1429.0),
        weight("region paris", "region", 0.021, raw=96.4, birnbaum=0.067),
        weight("consensus", "component", 0.0087, raw=1429.0),
        weight("zone paris-a", "zone", 0.0062, raw=12.5, birnbaum=0.0081),
        weight("region lyon", "region", 0.00071, raw=2.9, birnbaum=0.0013),
        weight("zone lyon-a", "zone", 0.00043, raw=1.2, birnbaum=0.0002),
        weight("region bern", "region", 0.000018, raw=1.02, birnbaum=3.1e-7),
        weight("zone paris-b", "zone", 0.0, raw=1.0, birnbaum=0.0),
    )


def _survival() -> tuple[Survival, ...]:
    full = {"edge": (2, 1), "app": (3, 1), "pgproxy": (3, 1), "database": (3, 1), "consensus": (3, 2)}

    def lost(*names: str, **left: tuple[int, int]) -> Survival:
        margins = {**full, **left}
        broken = tuple(name for name, (have, need) in margins.items() if have < need)
        return Survival(
            lost=names,
            scope="region" if names[0] in {"paris", "lyon", "bern"} else "zone",
            survives=not broken,
            broken=broken,
            uptime=uptime(1.0 if broken else 0.0041),
            next_points=() if broken else ("edge-lyon-a-1", "consensus-lyon-a-1", "consensus-bern-a-1", "service dns"),
            margins=margins,
        )

    left = {"edge": (1, 1), "app": (2, 1), "pgproxy": (2, 1), "database": (2, 1), "consensus": (2, 2)}
    return (
        lost("paris-a", **left),
        lost("paris-b", app=(2, 1), pgproxy=(2, 1), database=(2, 1)),
        lost("lyon-a", **left),
        lost("bern-a", consensus=(2, 2)),
        lost("paris", edge=(1, 1), app=(1, 1), pgproxy=(1, 1), database=(1, 1), consensus=(2, 2)),
        lost("lyon", **left),
        lost("bern", consensus=(2, 2)),
        lost("paris-a", "lyon-a", edge=(0, 1), app=(1, 1), pgproxy=(1, 1), database=(1, 1), consensus=(1, 2)),
        lost("paris-a", "bern-a", edge=(1, 1), app=(2, 1), pgproxy=(2, 1), database=(2, 1), consensus=(1, 2)),
        lost("paris-a", "paris-b", edge=(1, 1), app=(1, 1), pgproxy=(1, 1), database=(1, 1), consensus=(2, 2)),
    )


def _recovery() -> tuple[Recovery, ...]:
    failover = (
        Part(name="consensus: the others take over", seconds=1.5),
        Part(name="database: the lease runs out", seconds=20.0),
        Part(name="database: election and promotion", seconds=3.2),
        Part(name="pgproxy: the others take over", seconds=0.5),
    )
    return (
        Recovery(
            scope="process", worst="one database", rto_s=25.2, parts=failover, lost_s=0.0,
            lost_because="database: replication is synchronous", promised_rto_s=30.0, promised_rpo_s=0.0,
        ),
        Recovery(
            scope="zone", worst="zone paris-a", rto_s=32.4,
            parts=(*failover, Part(name="edge: clients leave it", seconds=7.2)), lost_s=None,
            lost_because="sessions: not known what its failover loses", promised_rto_s=30.0, promised_rpo_s=0.0,
        ),
        Recovery(
            scope="region", worst="region paris", rto_s=4 * 3600.0,
            parts=(Part(name="database: restored from its backup", seconds=4 * 3600.0),), lost_s=86400.0,
            lost_because="database: what came after the last backup", promised_rto_s=40.0, promised_rpo_s=0.0,
        ),
    )  # fmt: skip


def _changes() -> tuple[Change, ...]:
    rows = (
        ("database: half as many failovers that do not work (97.5% instead of 95%)", "coverage", 6420.0, None),
        ("database: failover in 12.6s instead of 25.2s", "failover", 5100.0, None),
        ("a second provider of dns", "provider", 3154.0, None),
        ("one more region, with as many of each component as another has", "region", 2350.0, 48_000.0),
        ("app needs pgproxy only to be whole (soft instead of hard)", "need", 2210.0, None),
        ("one more edge, in paris-b", "replica", 1020.0, 1200.0),
        ("one more zone in lyon, with one of each component that stands there", "zone", 410.0, 9600.0),
        ("database: repaired in 30m instead of 1h", "repair", 96.0, None),
        ("one more consensus, in paris-b", "replica", 0.6, 1800.0),
        ("one more database, in lyon-a", "replica", -312.0, 6000.0),
    )
    return tuple(
        Change(
            change=change,
            kind=kind,
            uptime=uptime((DOWN - saved_s) / YEAR_S),
            saved_s=saved_s,
            cost_per_year=cost,
            gain_per_cost=None if cost is None else saved_s / 60 * 95.0 / cost,
        )
        for change, kind, saved_s, cost in rows
    )


def _cut_sets() -> CutSets:
    shown = (
        (("database: failover did not work",), 2.9e-4),
        (("service dns",), 1.0e-4),
        (("database: failover under way",), 9.1e-5),
        (("pgproxy: common cause",), 7.7e-5),
        (("app: common cause",), 5.6e-5),
        (("edge-paris-a-1", "edge-lyon-a-1"), 3.1e-7),
        (("region paris", "edge-lyon-a-1"), 4.2e-8),
        (("consensus-paris-a-1", "consensus-lyon-a-1"), 1.9e-8),
        (("zone paris-a", "region lyon"), 8.8e-9),
        (("app-paris-a-1", "app-paris-b-1", "app-lyon-a-1"), 2.2e-10),
    )
    total = DOWN / YEAR_S
    return CutSets(
        count=37,
        by_order={1: 5, 2: 18, 3: 14},
        shown=tuple(CutSet(events=events, probability=chance, share=chance / total) for events, chance in shown),
    )


def _assumptions() -> tuple[Assumption, ...]:
    typical = "PostgreSQL documentation, section 26; Patroni's defaults"
    found: list[Assumption] = []
    for name, needed in (("edge", "1 of 2"), ("app", "1 of 3"), ("pgproxy", "1 of 3"), ("database", "1 of 3"),
                         ("consensus", "2 of 3")):  # fmt: skip
        found += [
            Assumption(of=name, figure="needed", value=needed, source="the engine: one"),
            Assumption(of=name, figure="mtbf", value="90d", source=typical),
            Assumption(of=name, figure="mttr", value="1h", source="the system file"),
            Assumption(of=name, figure="coverage", value="95%", source="assumption: one of twenty fails"),
            Assumption(of=name, figure="beta", value="5%", source="IEC 61508-6 gives 1% to 10%"),
        ]
    found.append(
        Assumption(of="dns", figure="availability", value="99.99%", source="its provider; refund threshold (SLA)")
    )
    return (*found, Assumption(of="zone", figure="mtbf", value="730d", source="public incident reports"))


def prediction() -> Prediction:
    """As `bascule predict` would say it of the example, with costs, simulated months and drills."""
    return Prediction(
        system="taskmanagerpro",
        uptime=uptime(DOWN / YEAR_S),
        full=uptime(0.0019),
        method="binary decision diagram of 2,310 nodes over 38 events, solved exactly",
        target=TARGET,
        window_s=WINDOW_S,
        budget_s=WINDOW_S * (1 - TARGET),
        meets=False,
        regions=(
            RegionUptime(region="paris", uptime=uptime(0.00072)),
            RegionUptime(region="lyon", uptime=uptime(0.0031)),
        ),
        weights=_weights(),
        single_points=("service dns",),
        cut_sets=_cut_sets(),
        survival=_survival(),
        recovery=_recovery(),
        changes=_changes(),
        untried=3,
        strategies=choose(Duration(40.0), Duration(0.0), 60_000.0),
        assumptions=_assumptions(),
        warnings=(
            "dns: 99.99% is a refund threshold of its provider, not a measurement",
            "sessions: nothing is known of what its failover loses",
        ),
        not_reached=("sessions",),
        measured=(
            Measurement(
                of="database", figure="failover", assumed="30s", measured="25.2s", bounds="24.1s to 26.8s",
                source="drill of 2026-11-20, 29 trials", used=True,
            ),
            Measurement(
                of="database", figure="coverage", assumed="95%", measured="100%", bounds="88.1% to 100%",
                source="drill of 2026-11-20, 29 trials", used=False,
            ),
        ),
        currency="EUR",
        money=Money(currency="EUR", per_minute=95.0, per_year=DOWN / 60 * 95.0),
        months=months(),
        window_probability=(0.792, 0.784, 0.8),
    )  # fmt: skip


def minimal_system() -> System:
    return System(
        system="hello",
        objectives=Objectives(availability=Availability(target=Share(0.99))),
        regions={"here": Region(zones=("only",))},
        components={"web": Component(engine="haproxy", replicas={"only": 1})},
        workload=Workload(through="web", rate=Rate(10.0)),
    )


def minimal(unavailability: float = 0.002, lower: float | None = None, *, meets: bool | None = True) -> Prediction:
    """One replica, no costs, no simulation, nothing measured: every optional thing is missing."""
    return Prediction(
        system="hello",
        uptime=uptime(unavailability, lower),
        full=None,
        method="one event",
        target=0.99,
        window_s=WINDOW_S,
        budget_s=WINDOW_S * 0.01,
        meets=meets,
        regions=(),
        weights=(weight("web", "component", 1.0),) if unavailability else (),
        single_points=("web",) if unavailability else (),
        cut_sets=CutSets(count=0, by_order={}, shown=()),
        survival=(),
        recovery=(),
        changes=(),
        untried=0,
        strategies=(),
        assumptions=(),
    )


def large_system(components: int = 200) -> System:
    small = minimal_system()
    names = [f"part-{number:03d}" for number in range(components)]
    zones = tuple(f"zone-{number}" for number in range(6))
    made = {
        name: Component(
            engine="service",
            replicas=dict.fromkeys(zones[: number % 6 + 1], number % 8 + 1),
            needs={other: Need(kind="soft" if number % 3 == 0 else "hard") for other in names[number + 1 : number + 4]},
        )
        for number, name in enumerate(names)
    }
    return replace(
        small,
        regions={"west": Region(zones=zones[:3]), "east": Region(zones=zones[3:])},
        components=made,
        workload=replace(small.workload, through=names[0]),
    )


def large(components: int = 200) -> Prediction:
    """Everything two hundredfold."""
    base = prediction()
    names = list(large_system(components).components)
    changes = tuple(
        replace(base.changes[0], change=f"one more {name}", saved_s=1e4 / (number + 1))
        for number, name in enumerate(names)
    )
    return replace(
        base,
        uptime=uptime(0.00052, 0.00048),
        meets=None,
        weights=tuple(
            replace(weight(name, "component", 0.5 / (number + 1)), fussell_vesely=None)
            for number, name in reversed(list(enumerate(names)))
        ),
        single_points=tuple(names[:40]),
        cut_sets=CutSets(count=123_456, by_order={2: 123_456}, shown=base.cut_sets.shown * 10),
        survival=tuple(
            replace(base.survival[0], lost=(f"zone-{number}",), margins=dict.fromkeys(names, (3, 2)))
            for number in range(60)
        ),
        changes=changes,
        untried=12_345,
        assumptions=tuple(
            Assumption(of=name, figure=figure, value="90d", source="the engine")
            for name in names
            for figure in ("mtbf", "mttr", "failover")
        ),
        warnings=tuple(f"{name}: nothing is known of its engine: assumed" for name in names),
        not_reached=tuple(names[150:]),
    )


def hostile() -> Prediction:
    """Every text is one that tries to get out of where it stands."""
    base = prediction()
    bad = HOSTILE
    assert base.money is not None
    return replace(
        base,
        system=bad,
        method=bad,
        year=bad,
        regions=tuple(replace(one, region=bad) for one in base.regions),
        weights=tuple(replace(one, part=bad) for one in base.weights),
        single_points=(bad,),
        cut_sets=replace(base.cut_sets, shown=tuple(replace(one, events=(bad, bad)) for one in base.cut_sets.shown)),
        survival=tuple(
            replace(one, lost=(bad,) * len(one.lost), broken=(bad,), next_points=(bad,), margins={bad: (1, 2)})
            for one in base.survival
        ),
        recovery=tuple(
            replace(
                one, scope=bad, worst=bad, lost_because=bad, parts=tuple(replace(part, name=bad) for part in one.parts)
            )
            for one in base.recovery
        ),
        changes=tuple(replace(one, change=bad, kind=bad) for one in base.changes),
        strategies=tuple(
            replace(one, misses=(bad,), strategy=replace(one.strategy, name=bad, what=bad, source=bad))
            for one in base.strategies
        ),
        assumptions=tuple(replace(one, of=bad, figure=bad, value=bad, source=bad) for one in base.assumptions),
        warnings=(bad,),
        not_reached=(bad,),
        measured=tuple(
            replace(one, of=bad, figure=bad, assumed=bad, measured=bad, bounds=bad, source=bad) for one in base.measured
        ),
        currency=bad,
        money=replace(base.money, currency=bad),
    )


def hostile_system() -> System:
    """A system whose every name is hostile: no file can have them, but a page must bear them."""
    bad = HOSTILE
    component = Component(engine=bad, replicas={bad: 9}, needs={bad + "2": Need(), bad + "3": Need(kind="soft")})
    return System(
        system=bad,
        objectives=Objectives(availability=Availability(target=Share(0.99))),
        regions={bad: Region(zones=(bad,))},
        components={bad: component, bad + "2": Component(engine=bad, replicas={bad: 1})},
        workload=Workload(through=bad, rate=Rate(10.0)),
        services={bad + "3": Service(like=bad)},
    )
