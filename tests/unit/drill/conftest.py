"""A report as a real drill leaves it: every outcome once, numbers as LAB-NOTES saw them, no luck in it."""

from __future__ import annotations

import math

import pytest

from bascule.drill.report import Machine, Mark, Node, Report, Statistic, Trial
from bascule.measure.bins import Bin
from bascule.measure.verdict import Instants, Measure, Outcome, Verdict

STARTED_S = 81_234.5
BIN_S = 0.25
PER_BIN = 100
_ZONES = (("paris", "paris-a"), ("paris", "paris-b"), ("lyon", "lyon-a"), ("lyon", "lyon-b"), ("witness", "witness-a"))
_LAYOUT = {
    "edge": ("haproxy", "peer", ("paris-a", "lyon-a")),
    "app": ("service", "peer", ("paris-a", "paris-b", "lyon-a", "lyon-b")),
    "database": ("postgresql", "replica", ("paris-a", "paris-b", "lyon-a")),
    "sessions": ("redis", "peer", ("paris-a", "lyon-a")),
    "store": ("etcd", "peer", ("paris-a", "lyon-a", "witness-a")),
}


def build_nodes(primary: str, down: tuple[str, ...] = (), hit: tuple[str, ...] = ()) -> tuple[Node, ...]:
    region_of = {zone: region for region, zone in _ZONES}
    nodes = []
    for component, (engine, role, zones) in _LAYOUT.items():
        for zone in zones:
            name = f"{component}-{zone}-1"
            up = name not in down
            nodes.append(
                Node(
                    name=name,
                    component=component,
                    engine=engine,
                    zone=zone,
                    region=region_of[zone],
                    up=up,
                    role="primary" if name == primary else role if up else "unknown",
                    detail="timeline 2, streaming" if engine == "postgresql" and up else "",
                    hit=name in hit,
                )
            )
    return tuple(nodes)


def build_bins(duration_s: float, bad: tuple[float, float] | None = None) -> tuple[Bin, ...]:
    bins = []
    for index in range(int(duration_s / BIN_S)):
        start_s = index * BIN_S
        wave = 1.0 + 0.3 * math.sin(index * 1.7) + 0.2 * math.sin(index * 0.37)
        if bad is not None and bad[0] <= start_s < bad[1]:
            early = start_s < bad[0] + 1.2
            some = 6 if early else 0
            bins.append(
                Bin(
                    start_s=start_s,
                    good=some,
                    failed=8 if early else 46,
                    unknown=PER_BIN - some - (8 if early else 46),
                    p50_ms=4.0 if early else None,
                    p99_ms=8.0 if early else None,
                    max_ms=9.0 if early else None,
                )
            )
            continue
        late = 30 if bad is not None and bad[1] <= start_s < bad[1] + 0.5 else 0
        slow = 60.0 if late else 1.0
        bins.append(
            Bin(
                start_s=start_s,
                good=PER_BIN - late,
                late=late,
                p50_ms=round(3.4 * wave * slow, 3),
                p99_ms=round(11.0 * wave * slow, 3),
                max_ms=round(19.0 * wave * wave * slow, 3),
            )
        )
    return tuple(bins)


def build_measures(instants: Instants | None, promised_s: float, lost: float = 0) -> tuple[Measure, ...]:
    if instants is None:
        return (
            Measure(
                name="availability",
                title="Availability (requests)",
                value=100.0,
                unit="%",
                objective=99.9,
                bound="at least",
                met=True,
                note="6,000 of 6,000 good",
            ),
            Measure(name="p99", title="Latency p99", value=11.82, unit="ms", resolution=0.1),
        )
    rto = math.inf if instants.t4_s is None else instants.t4_s - instants.t0_s

    def between(begin: float | None, end: float | None) -> float | None:
        return None if begin is None or end is None else end - begin

    return (
        Measure(
            name="rto",
            title="RTO",
            value=rto,
            unit="s",
            objective=promised_s,
            met=rto <= promised_s,
            resolution=0.03,
            note="until the first stable window",
        ),
        Measure(
            name="detection",
            title="detection",
            value=between(instants.t0_s, instants.t2_s),
            unit="s",
            resolution=0.03,
            note="the lease of 20 s ran out",
        ),
        Measure(
            name="failover", title="failover", value=between(instants.t2_s, instants.t3_s), unit="s", resolution=0.03
        ),
        Measure(
            name="client_recovery",
            title="client recovery",
            value=between(instants.t3_s, instants.t4_s),
            unit="s",
            resolution=0.03,
        ),
        Measure(
            name="redundancy",
            title="Redundancy restored",
            value=between(instants.t0_s, instants.t5_s),
            unit="s",
            note="all replicas stream" if instants.t5_s else "not seen before the end of the trial",
        ),
        Measure(
            name="rpo_writes",
            title="RPO in writes",
            value=lost,
            unit="writes",
            objective=0,
            met=lost == 0,
            note="of 8,412 acknowledged",
        ),
        Measure(
            name="rpo_time", title="RPO in time", value=4.21 if lost else 0.0, unit="s", objective=0, met=lost == 0
        ),
        Measure(
            name="availability", title="Availability (requests)", value=72.814, unit="%", note="21,843 of 30,000 good"
        ),
        Measure(name="worst_window_10s", title="Worst 10 s", value=0.0, unit="%", note="of the requests were good"),
        Measure(name="goodput", title="Goodput", value=291.2, unit="per s"),
        Measure(
            name="incident_p99",
            title="Latency p99 in the incident",
            value=1000.0,
            unit="ms",
            note="a timeout counts as the deadline of 1 s",
        ),
        Measure(name="budget_spent", title="30-day error budget spent", value=0.794, unit="%", note="burn rate 271.9"),
        Measure(
            name="split_brain",
            title="Split brain",
            value=0,
            unit="count",
            objective=0,
            met=True,
            note="epochs 1, 2 of database",
        ),
        Measure(
            name="lost_after_fault",
            title="Lost, acknowledged after the fault",
            value=lost,
            unit="writes",
            objective=0,
            met=lost == 0,
        ),
        Measure(name="duplicated", title="Duplicated writes", value=0, unit="writes", objective=0, met=True),
        Measure(name="stale_reads", title="Stale reads", value=None, unit="reads", note="the mix has no reads"),
    )


def build_marks(t0_s: float) -> tuple[Mark, ...]:
    old, new = "database-paris-a-1", "database-paris-b-1"
    said = [
        (0.00, "fault", "", "SIGKILL of every process of database-paris-a-1, seen dead by the platform"),
        (0.41, "server_down", "edge-paris-a-1", f"server db/{old} is DOWN, reason: Layer4 connection problem"),
        (0.43, "server_down", "edge-lyon-a-1", f"server db/{old} is DOWN, reason: Layer4 connection problem"),
        (0.46, "server_down", "edge-lyon-a-1", "backend db has no server available!"),
        (18.93, "noticed", new, "the leader key expired; no leader"),
        (18.95, "noticed", "database-lyon-a-1", "the leader key expired; no leader"),
        (18.99, "lease", new, f"acquired session lock as leader, {new}"),
        (19.02, "promoted", new, "promoted self to leader by acquiring session lock"),
        (19.06, "promoted", new, "server promoted to timeline 2"),
        (19.09, "ready", new, "database system is ready to accept connections"),
        (19.31, "server_up", "edge-paris-a-1", f"server db/{new} is UP, reason: Layer7 check passed, code: 200"),
        (19.33, "server_up", "edge-lyon-a-1", f"server db/{new} is UP, reason: Layer7 check passed, code: 200"),
        (28.02, "heal", "", f"{old} is started again"),
        (29.90, "restarted", old, "starting as a secondary; running pg_rewind"),
        (31.48, "rejoined", old, "following a leader, streaming on timeline 2"),
    ]
    return tuple(Mark(at_s=t0_s + at_s, kind=kind, source=source, text=text) for at_s, kind, source, text in said)


def build_trial(
    experiment: str,
    title: str,
    scope: str,
    target: str,
    *,
    outcome: Outcome = "PASS",
    rto_s: float = 20.62,
    promised_s: float = 30.0,
    lost: float = 0,
    reasons: tuple[str, ...] = ("every objective was met",),
    after_primary: str = "database-paris-b-1",
    down: tuple[str, ...] = (),
    hit: tuple[str, ...] = (),
) -> Trial:
    t0_s = STARTED_S + 10.184
    instants = Instants(
        t0_s=t0_s,
        t1_s=t0_s + 0.004,
        t2_s=t0_s + 18.93,
        t3_s=t0_s + 19.37,
        t4_s=t0_s + rto_s,
        t5_s=t0_s + 31.48,
        healed_s=t0_s + 28.02,
    )
    return Trial(
        experiment=experiment,
        title=title,
        scope=scope,
        target=target,
        verdict=Verdict(
            outcome=outcome, reasons=reasons, instants=instants, measures=build_measures(instants, promised_s, lost)
        ),
        explanation=(
            "database-paris-a-1 was killed at 10.18 s; the first request failed 4 ms later.",
            "Its lease in the store ran out 18.93 s after the fault: only then may another member lead.",
            "database-paris-b-1 took the lock and was promoted to timeline 2, 0.13 s later.",
            "The edges found it by their health checks at 19.31 s; clients were served again at once.",
        ),
        started_wall_s=1_795_000_000.0,
        duration_s=60.0,
        bin_s=BIN_S,
        bins=build_bins(60.0, (10.184, 10.184 + rto_s)),
        marks=build_marks(10.184),
        before=build_nodes("database-paris-a-1", hit=hit),
        after=build_nodes(after_primary, down=down),
        offered={"outside": 12_000, "inside-paris-a": 12_000},
        started_s=STARTED_S,
    )


def build_skipped() -> Trial:
    return Trial(
        experiment="zone-loss",
        title="The zone of the primary is lost",
        scope="zone",
        target="paris-a",
        verdict=Verdict(outcome="INVALID", reasons=()),
        skipped="needs host faults, which this platform cannot do",
    )


def build_sample_report() -> Report:
    control = Trial(
        experiment="control",
        title="Nothing is broken",
        scope="",
        duration_s=15.0,
        bins=build_bins(15.0),
        verdict=Verdict(outcome="PASS", reasons=("every operation was good",), measures=build_measures(None, 0.0)),
        before=build_nodes("database-paris-a-1"),
        after=build_nodes("database-paris-a-1"),
        offered={"outside": 3000, "inside-paris-a": 3000},
        started_wall_s=1_794_999_980.0,
        started_s=STARTED_S - 20,
    )
    kill = build_trial(
        "primary-kill",
        "The primary of database is killed",
        "process",
        "database-paris-a-1",
        hit=("database-paris-a-1",),
    )
    paris = tuple(node.name for node in control.before if node.region == "paris")
    region = build_trial(
        "region-loss",
        "The region of the primary is lost",
        "region",
        "paris",
        rto_s=22.41,
        promised_s=60.0,
        after_primary="database-lyon-a-1",
        down=paris,
        hit=paris,
    )
    partition = build_trial(
        "partition",
        "The primary's host is cut off",
        "host",
        "database-paris-a-1",
        outcome="FAIL",
        rto_s=30.004,
        lost=524,
        reasons=(
            "RTO 30.004 s is more than the 30 s promised",
            "524 acknowledged writes were lost: RPO 0 was promised",
        ),
        hit=("database-paris-a-1",),
    )
    freeze = build_trial(
        "freeze",
        "The primary is frozen",
        "process",
        "database-paris-a-1",
        outcome="INVALID",
        reasons=("the fault was not witnessed: process 4711 was never seen stopped",),
    )
    return Report(
        system="taskmanagerpro",
        outcome="INVALID",
        machine=Machine(
            kernel="Linux 6.18.3",
            processors=2,
            memory_mib=7951,
            python="3.11.2",
            platform="namespaces",
            programs={"postgres": "18.1", "patroni": "4.1.5", "etcd": "3.5.1", "haproxy": "2.8.15", "redis": "6.2.14"},
        ),
        objectives=(
            "99.95% of requests are good, over 30d",
            "process: RTO 30s, RPO 0s",
            "host: RTO 30s, RPO 0s",
            "zone: RTO 30s, RPO 0s",
            "region: RTO 60s, RPO 0s",
        ),
        trials=(control, kill, region, partition, freeze, build_skipped()),
        statistics=(
            Statistic(
                experiment="primary-kill",
                trials=29,
                met=29,
                low=0.8806,
                high=1.0,
                rto_min_s=19.8,
                rto_median_s=20.3,
                rto_max_s=20.62,
                quantiles={"P90": 20.62},
            ),
            Statistic(
                experiment="partition",
                trials=10,
                met=8,
                low=0.4439,
                high=0.9748,
                rto_min_s=21.7,
                rto_median_s=22.5,
                rto_max_s=math.inf,
            ),
        ),
        command="bascule drill examples/taskmanagerpro/bascule.yaml --all",
        seed=20261123,
        started_wall_s=1_794_999_960.0,
        duration_s=341.2,
        version="0.1.0",
    )


@pytest.fixture(scope="session")
def sample_report() -> Report:
    return build_sample_report()
