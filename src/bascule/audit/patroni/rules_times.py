"""Rules about Patroni's times and names of settings: the lease, the timeouts, and what they promise. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from difflib import get_close_matches
from itertools import islice

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.objectives import shortest_rto
from bascule.audit.patroni.member import (
    LOOP_WAIT_S,
    PRIMARY_START_TIMEOUT_S,
    RETRY_TIMEOUT_S,
    TTL_S,
    Member,
    members,
    told,
    truth,
)
from bascule.audit.rule import rule
from bascule.audit.tree import Mapping, Node, at
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
POSTGRESQL = frozenset(
    {
        "authentication", "before_stop", "bin_dir", "bin_name", "callbacks", "config_dir", "connect_address",
        "create_replica_method", "create_replica_methods", "custom_conf", "data_dir", "database", "listen",
        "parameters", "parameters_primary", "parameters_replica", "parameters_standby_leader", "pg_ctl_timeout",
        "pg_hba", "pg_hba_primary", "pg_hba_replica", "pg_hba_standby_leader", "pg_hosts", "pg_hosts_primary",
        "pg_hosts_replica", "pg_hosts_standby_leader", "pg_ident", "pg_ident_primary", "pg_ident_replica",
        "pg_ident_standby_leader", "pgpass", "pre_promote", "proxy_address", "recovery_conf",
        "remove_data_directory_on_diverged_timelines", "remove_data_directory_on_rewind_failure", "replica_method",
        "use_pg_rewind", "use_slots", "use_unix_socket", "use_unix_socket_repl",
    }
)  # fmt: skip
OWN = {
    "postgresql": POSTGRESQL,
    "restapi": frozenset(
        {
            "allowlist", "allowlist_include_members", "authentication", "auth", "cafile", "certfile", "ciphers",
            "connect_address", "http_extra_headers", "https_extra_headers", "keyfile", "keyfile_password", "listen",
            "request_queue_size", "server_tokens", "verify_client",
        }
    ),
    "tags": frozenset(
        {
            "clonefrom", "failover_priority", "nofailover", "noloadbalance", "nostream", "nosync", "replicatefrom",
            "sync_priority",
        }
    ),
}  # fmt: skip
"""What a member's own sections know; there, others may have names of their own."""
_MOST_UNKNOWN, _MOST_COMPARED, _NEAR = 50, 500, 0.85


@rule(
    "BSC-PAT-001",
    "lease-shorter-than-its-renewal",
    severity="high",
    technology="patroni",
    breaks=("availability", "rto"),
    why="A healthy primary can lose its lease while it still retries; newer versions lower the other times unasked.",
    fix="Keep loop_wait + 2 x retry_timeout <= ttl, with `patronictl edit-config`: raise ttl, or lower the others.",
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
    source="Patroni documentation, Dynamic Configuration Settings; YAML Configuration Settings",
)
def unknown_setting(estate: Estate) -> Iterator[Found]:
    """Settings that nobody reads: of a cluster all that are unknown, of others those that are nearly a known one."""
    for one in told(estate):
        assert one.dynamic is not None, "told() gives those that have this part"  # noqa: S101 - narrows a type
        unknown = (key for key in one.dynamic.entries if key not in SETTINGS)
        for key in islice(unknown, _MOST_UNKNOWN):
            near = closest(key, sorted(SETTINGS))
            fix = f"did you mean {near!r}?" if near else ""
            what = f"{key[:60]!r} is no setting of a cluster, and is ignored"
            yield Found(place=one.dynamic.keys[key], what=what, subject=one.subject, fix=fix)
        yield from _misspelt(one, at(one.dynamic, "postgresql"), "postgresql", POSTGRESQL)
    for one in members(estate):
        for section, known in OWN.items():
            yield from _misspelt(one, at(one.root, section), section, known)


def _misspelt(one: Member, node: Node | None, section: str, known: frozenset[str]) -> Iterator[Found]:
    """Keys that are all but known: scripts that make replicas, tags, and newer versions have names of their own."""
    if not isinstance(node, Mapping):
        return
    unknown = (key for key in islice(node.entries, _MOST_COMPARED) if key not in known)
    for key in islice(unknown, _MOST_UNKNOWN):
        near = get_close_matches(key[:60].lower(), known, n=1, cutoff=_NEAR)
        if near:
            what = f"{key[:60]!r} is no setting of {section}, and is ignored"
            yield Found(place=node.keys[key], what=what, subject=one.subject, fix=f"did you mean {near[0]!r}?")


@rule(
    "BSC-PAT-003",
    "start-timeout-longer-than-rto",
    severity="high",
    technology="patroni",
    breaks=("rto", "availability"),
    why="When PostgreSQL crashes, Patroni tries to start it again for this long before another member may take over.",
    fix="Set `primary_start_timeout` below the RTO less a failover's time with `patronictl edit-config`; 0: at once.",
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
    fix="Lower `ttl` (20 at least), loop_wait and retry_timeout with `patronictl edit-config`, or promise more.",
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
    fix="Run `patronictl resume` (or `patronictl edit-config`), and leave `pause` out of files.",
    source="Patroni documentation, Pause/Resume mode for the cluster",
)
def failover_paused(estate: Estate) -> Iterator[Found]:
    """Clusters that are switched to manual."""
    for one in told(estate):
        if truth(at(one.dynamic, "pause")):
            what = "automatic failover is paused for the whole cluster"
            yield Found(place=one.dynamic_at("pause"), what=what, subject=one.subject)


RULES = (lease_too_short, unknown_setting, start_timeout_too_long, lease_too_long, failover_paused)
