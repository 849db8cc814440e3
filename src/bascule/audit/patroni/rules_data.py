"""Rules about data that Patroni may lose, and about former primaries that do not come back. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.objectives import shortest_rpo
from bascule.audit.patroni.member import MOST_LAG_BYTES, falsehood, members, told, truth
from bascule.audit.rule import rule
from bascule.audit.tree import Scalar, at, items, number

_NOT_WAITING = frozenset({"off", "local", "false", "no", "0"})


@rule(
    "BSC-PAT-006",
    "rpo-zero-without-synchronous",
    severity="critical",
    technology="patroni",
    breaks=("rpo",),
    why="An acknowledged commit may be on the primary alone: a failover loses up to maximum_lag_on_failover bytes.",
    fix="Set `synchronous_mode: true` (or `quorum`) with `patronictl edit-config`, or promise an RPO above 0.",
    source="Patroni documentation, Replication modes; Dynamic Configuration Settings, synchronous_mode",
)
def promise_without_synchronous(estate: Estate) -> Iterator[Found]:
    """Asynchronous clusters of systems that must not lose anything."""
    promise = shortest_rpo(estate, "host", "zone", "region")
    if promise is None or promise.seconds > 0:
        return
    for one in told(estate):
        if not one.is_synchronous and at(one.dynamic, "standby_cluster") is None:
            what = f"replication is asynchronous; an RPO of 0s is promised for the loss of a {promise.scope}"
            place = one.dynamic_at("synchronous_mode")
            yield Found(place=place, what=what, subject=one.subject, related=promise.related())


@rule(
    "BSC-PAT-018",
    "lag-bound-above-rpo",
    severity="medium",
    technology="patroni",
    breaks=("rpo",),
    why="A standby may lack that many bytes and become primary: what it lacks is lost. Bytes are no time: an RPO allows"
    " its seconds times the bytes of WAL that are written in a second.",
    fix="Set `maximum_lag_on_failover` to RPO x write rate with `patronictl edit-config`, or use `synchronous_mode`.",
    source="Patroni documentation, Replication modes, Asynchronous mode durability; maximum_lag_on_failover",
)
def lag_bound_above_rpo(estate: Estate) -> Iterator[Found]:
    """Asynchronous clusters with a promised RPO that let a standby take over further behind than Patroni's default."""
    promise = shortest_rpo(estate, "host", "zone", "region")
    if promise is None or promise.seconds <= 0:
        return
    for one in told(estate):
        bound = number(one.dynamic, "maximum_lag_on_failover")
        if bound is None or bound <= MOST_LAG_BYTES or one.is_synchronous or at(one.dynamic, "standby_cluster"):
            continue
        rate = bound / promise.seconds / 1e6
        what = (
            f"a standby {bound / 2**20:,.4g} MiB behind may become primary: an RPO of {promise.time} for the loss of a"
            f" {promise.scope} holds only above {rate:.3g} MB of WAL a second"
        )
        place = one.dynamic_at("maximum_lag_on_failover")
        yield Found(place=place, what=what, subject=one.subject, related=promise.related())


@rule(
    "BSC-PAT-007",
    "commits-do-not-wait",
    severity="critical",
    technology="patroni",
    breaks=("rpo",),
    why="With this setting commits are acknowledged before a standby has them, whatever synchronous_mode says.",
    fix="Leave `synchronous_commit` out, or set it to `on`; single transactions may still choose less.",
    source="PostgreSQL manual, 19.5.1, synchronous_commit",
)
def commits_do_not_wait(estate: Estate) -> Iterator[Found]:
    """Synchronous clusters whose sessions do not wait."""
    for one in told(estate):
        node = one.parameter("synchronous_commit")
        if one.is_synchronous and isinstance(node, Scalar) and node.text.lower() in _NOT_WAITING:
            what = f"synchronous_commit is {node.text}: commits do not wait for the synchronous standby"
            yield Found(place=node.place, what=what, subject=one.subject)


@rule(
    "BSC-PAT-008",
    "writes-not-safe-on-disk",
    severity="critical",
    technology="patroni",
    breaks=("rpo", "availability"),
    why="When the host loses power or crashes, the data may be damaged beyond repair, on several hosts at once.",
    fix="Leave `fsync` and `full_page_writes` on.",
    source="PostgreSQL manual, 19.5.1, fsync and full_page_writes",
)
def writes_not_safe(estate: Estate) -> Iterator[Found]:
    """Servers that do not make sure of their writes."""
    for one in members(estate):
        for name in ("fsync", "full_page_writes"):
            node = one.parameter(name)
            if node is not None and falsehood(node):
                # What stands below `bootstrap` is read once, when the cluster is made.
                counts = one.root is None or at(one.root, "postgresql", "parameters", name) is node
                edits = (Edit(place=node.place, text='"on"'),) if node.place.end_column and counts else ()
                what = f"{name} is off: a crash of the host can destroy the data"
                yield Found(place=node.place, what=what, subject=one.subject, edits=edits)


@rule(
    "BSC-PAT-009",
    "former-primary-stays-away",
    severity="medium",
    technology="patroni",
    breaks=("availability", "rto"),
    why="After a failover the former primary cannot follow the new one: until somebody clones it, a member is missing.",
    fix="Set `postgresql.use_pg_rewind: true`, for a cluster that runs with `patronictl edit-config`.",
    source="Patroni documentation, YAML Configuration Settings, postgresql.use_pg_rewind (default: false)",
)
def former_primary_stays_away(estate: Estate) -> Iterator[Found]:
    """Clusters that neither rewind nor clone a former primary."""
    for one in told(estate):
        ways = ("use_pg_rewind", "remove_data_directory_on_diverged_timelines")
        if any(truth(at(part, "postgresql", way)) for part in (one.dynamic, one.root) for way in ways):
            continue
        what = "a former primary that has diverged stays away: use_pg_rewind is not on"
        yield Found(place=one.dynamic_at("postgresql", "use_pg_rewind"), what=what, subject=one.subject)


@rule(
    "BSC-PAT-010",
    "rewind-cannot-work",
    severity="medium",
    technology="patroni",
    breaks=("availability", "rto"),
    why="pg_rewind refuses to work without data checksums or wal_log_hints: the former primary does not come back.",
    fix="Remove `wal_log_hints: off` (Patroni's default is on), or create the cluster with `data-checksums`.",
    source="PostgreSQL manual, pg_rewind, Prerequisites; Patroni documentation, use_pg_rewind",
)
def rewind_cannot_work(estate: Estate) -> Iterator[Found]:
    """Clusters that are to rewind, and have switched off what that needs."""
    for one in told(estate):
        hints = one.parameter("wal_log_hints")
        wanted = any(truth(at(part, "postgresql", "use_pg_rewind")) for part in (one.dynamic, one.root))
        if not wanted or hints is None or not falsehood(hints):
            continue
        made = items(one.root, "bootstrap", "initdb")
        if any(_is_checksums(node) for node in made):
            continue
        what = "use_pg_rewind is on, but wal_log_hints is off and there are no data checksums"
        yield Found(place=hints.place, what=what, subject=one.subject)


def _is_checksums(node: object) -> bool:
    return isinstance(node, Scalar) and node.text in {"data-checksums", "-k", "k"}


RULES = (
    promise_without_synchronous, lag_bound_above_rpo, commits_do_not_wait, writes_not_safe,
    former_primary_stays_away, rewind_cannot_work,
)  # fmt: skip
