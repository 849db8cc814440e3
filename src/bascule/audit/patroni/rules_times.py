"""Rules about Patroni's times and names of settings: the lease, the timeouts, and what they promise. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.objectives import shortest_rto
from bascule.audit.patroni.member import (
    LOOP_WAIT_S,
    PRIMARY_START_TIMEOUT_S,
    RETRY_TIMEOUT_S,
    TTL_S,
    told,
    truth,
)
from bascule.audit.rule import rule
from bascule.audit.tree import at
from bascule.kernel.quantities import Duration
from bascule.system.problems import closest

SETTINGS = frozenset(
    {
        "ttl", "loop_wait", "retry_timeout", "maximum_lag_on_failover", "maximum_lag_on_syncnode", "check_timeline",
        "max_timelines_history", "primary_start_timeout", "primary_stop_timeout", "primary_race_backoff",
        "master_start_timeout", "master_stop_timeout", "synchronous_mode", "synchronous_mode_strict",
        "synchronous_node_count", "failsafe_mode", "pause", "postgresql", "standby_cluster", "slots", "permanent_slots",
        "permanent_replication_slots", "member_slots_ttl", "ignore_slots",
    }
)  # fmt: skip
_MOST_UNKNOWN = 50


@rule(
    "BSC-PAT-001",
    "lease-shorter-than-its-renewal",
    severity="high",
    technology="patroni",
    breaks=("availability", "rto"),
    why="A healthy primary can lose its lease while it still retries; newer versions lower the other times unasked.",
    fix="Keep loop_wait + 2 x retry_timeout <= ttl: raise ttl, or lower the others.",
    source="Patroni documentation, Dynamic Configuration Settings, ttl",
)
def lease_too_short(estate: Estate) -> Iterator[Found]:
    """Leases that run out before all tries to renew them are over."""
    for one in told(estate):
        ttl_s, wait_s = one.seconds("ttl", TTL_S), one.seconds("loop_wait", LOOP_WAIT_S)
        retry_s = one.seconds("retry_timeout", RETRY_TIMEOUT_S)
        if ttl_s is None or wait_s is None or retry_s is None or wait_s + 2 * retry_s <= ttl_s:
            continue
        needed = f"loop_wait {wait_s:g} s + 2 x retry_timeout {retry_s:g} s"
        what = f"a ttl of {ttl_s:g} s is shorter than {needed} = {wait_s + 2 * retry_s:g} s"
        yield Found(place=one.dynamic_at("ttl"), what=what, subject=one.subject)


@rule(
    "BSC-PAT-002",
    "unknown-setting",
    severity="medium",
    technology="patroni",
    breaks=("availability", "rto", "rpo"),
    why="Patroni ignores a setting that it does not know without a word: the cluster runs with the default instead.",
    fix="Write it as the manual has it; what is a member's own does not belong into `bootstrap.dcs`.",
    source="Patroni documentation, Dynamic Configuration Settings",
)
def unknown_setting(estate: Estate) -> Iterator[Found]:
    """Settings of a cluster that nobody reads."""
    for one in told(estate):
        assert one.dynamic is not None, "told() gives those that have this part"  # noqa: S101 - narrows a type
        unknown = (key for key in one.dynamic.entries if key not in SETTINGS)
        for key in islice(unknown, _MOST_UNKNOWN):
            near = closest(key, sorted(SETTINGS))
            fix = f"did you mean {near!r}?" if near else ""
            what = f"{key[:60]!r} is no setting of a cluster, and is ignored"
            yield Found(place=one.dynamic.keys[key], what=what, subject=one.subject, fix=fix)


@rule(
    "BSC-PAT-003",
    "start-timeout-longer-than-rto",
    severity="high",
    technology="patroni",
    breaks=("rto", "availability"),
    why="When PostgreSQL crashes, Patroni tries to start it again for this long before another member may take over.",
    fix="Set `primary_start_timeout` below the RTO, less the time of a failover; 0 fails over at once.",
    source="Patroni documentation, Dynamic Configuration Settings, primary_start_timeout (default: 300)",
)
def start_timeout_too_long(estate: Estate) -> Iterator[Found]:
    """Primaries that are waited for longer than the promised recovery takes."""
    promise = shortest_rto(estate, "process", "host")
    if promise is None:
        return
    for one in told(estate):
        key = "primary_start_timeout"
        if at(one.dynamic, key) is None and at(one.dynamic, "master_start_timeout") is not None:
            key = "master_start_timeout"
        waits_s = one.seconds(key, PRIMARY_START_TIMEOUT_S)
        if waits_s is not None and waits_s > promise.seconds:
            given = "" if at(one.dynamic, key) is not None else ", the default,"
            what = (
                f"a crashed primary may start for {waits_s:g} s{given} before a failover;"
                f" an RTO of {promise.time} is promised for the loss of a {promise.scope}"
            )
            yield Found(place=one.dynamic_at(key), what=what, subject=one.subject, related=promise.related())


@rule(
    "BSC-PAT-004",
    "lease-longer-than-rto",
    severity="high",
    technology="patroni",
    breaks=("rto", "availability"),
    why="Nobody may become primary before the lease of the dead one has run out, which takes longer than promised.",
    fix="Lower `ttl` (at least 20), and loop_wait and retry_timeout with it, or promise a longer RTO.",
    source="Patroni documentation, Dynamic Configuration Settings, ttl",
)
def lease_too_long(estate: Estate) -> Iterator[Found]:
    """Leases that outlive the promised recovery time of a host, zone or region."""
    promise = shortest_rto(estate, "host", "zone", "region")
    if promise is None:
        return
    for one in told(estate):
        ttl_s = one.seconds("ttl", TTL_S)
        if ttl_s is not None and ttl_s > promise.seconds:
            what = (
                f"the lease of a dead primary runs for up to {Duration(ttl_s)};"
                f" an RTO of {promise.time} is promised for the loss of a {promise.scope}"
            )
            yield Found(place=one.dynamic_at("ttl"), what=what, subject=one.subject, related=promise.related())


@rule(
    "BSC-PAT-005",
    "failover-paused",
    severity="critical",
    technology="patroni",
    breaks=("availability", "rto"),
    why="In maintenance mode Patroni manages nothing: when the primary fails, no other member takes over.",
    fix="Run `patronictl resume`, and leave `pause` out of files.",
    source="Patroni documentation, Pause/Resume mode for the cluster",
)
def failover_paused(estate: Estate) -> Iterator[Found]:
    """Clusters that are switched to manual."""
    for one in told(estate):
        if truth(at(one.dynamic, "pause")):
            what = "automatic failover is paused for the whole cluster"
            yield Found(place=one.dynamic_at("pause"), what=what, subject=one.subject)


RULES = (lease_too_short, unknown_setting, start_timeout_too_long, lease_too_long, failover_paused)
