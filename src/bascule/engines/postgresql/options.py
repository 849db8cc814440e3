"""What a system file may say about PostgreSQL, and what follows from its promises. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from bascule.engines.protocols import Finding
from bascule.kernel.quantities import Duration, Size
from bascule.system.model import System

TTL_FLOOR_S, LOOP_WAIT_FLOOR_S, RETRY_TIMEOUT_FLOOR_S = 20, 1, 3
"""Patroni 4.1.5 raises lower values to these without an error (`patroni/validator.py`)."""


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a PostgreSQL component, kept by Patroni.

    Attributes:
        ttl: Life of the leader's lease: a dead primary is noticed when it runs out.
        loop_wait: Pause between two looks of Patroni at its own server.
        retry_timeout: How long a primary that cannot reach the store goes on trying before it gives up its role.
        replication: `automatic` is synchronous if any objective promises an RPO of 0, else asynchronous.
        synchronous_nodes: How many standbys acknowledge each commit; 0: all, so that any set of survivors has it.
        maximum_lag: Asynchronous only: a standby that is further behind is not promoted.
        primary_start_timeout: How long a crashed primary may take to come up again before a standby takes over; 0: a
            standby takes over at once.
        standby_timeout: Silence after which a standby, or the primary, is taken to be gone. Commits wait that long for
            a synchronous standby that froze.
        failsafe: The primary goes on without the store while it reaches every standby.
        user: Role that applications use.
        database: Their database.
        max_connections: Limit of client connections.
        shared_buffers: Size of PostgreSQL's own cache.
        parameters: Further PostgreSQL settings, as they are.
    """

    ttl: Duration = Duration(20.0)
    loop_wait: Duration = Duration(1.0)
    retry_timeout: Duration = Duration(3.0)
    replication: Literal["automatic", "synchronous", "asynchronous"] = "automatic"
    synchronous_nodes: int = 0
    maximum_lag: Size = Size(1 << 20)
    primary_start_timeout: Duration = Duration(0.0)
    standby_timeout: Duration = Duration(3.0)
    failsafe: bool = False
    user: str = "app"
    database: str = "app"
    max_connections: int = 100
    shared_buffers: Size = Size(32 << 20)
    parameters: dict[str, str | int | float | bool] = field(default_factory=dict)


def store(system: System, name: str) -> str:
    """The etcd component that the component `name` needs; empty unless it needs exactly one."""
    needed = [
        each
        for each in system.components[name].needs
        if each in system.components and system.components[each].engine == "etcd"
    ]
    return needed[0] if len(needed) == 1 else ""


def standbys(system: System, name: str) -> int:
    """How many members are not the primary."""
    return max(0, sum(system.components[name].replicas.values()) - 1)


def is_synchronous(system: System, options: Options) -> bool:
    """Whether a commit waits for standbys."""
    if options.replication == "automatic":
        return any(promise.rpo.seconds == 0 for promise in system.objectives.disruptions.values())
    return options.replication == "synchronous"


def synchronous_count(system: System, name: str, options: Options) -> int:
    """How many standbys acknowledge a commit: all unless the options say otherwise.

    With all of them, a whole region may go and any survivor has every acknowledged write. The price is paid when a
    standby is lost: commits wait until its connection is cut (`standby_timeout`) and Patroni has taken it off the list,
    first in the store and then in PostgreSQL, so that no standby that missed a commit can be promoted. The list may
    shrink to nobody (`synchronous_mode_strict` is off): the last member alone stays available.
    """
    if not is_synchronous(system, options):
        return 0
    most = standbys(system, name)
    return min(options.synchronous_nodes, most) if options.synchronous_nodes else most


def _whole_seconds(path: str, options: Options) -> list[Finding]:
    findings: list[Finding] = []
    floors = (("ttl", TTL_FLOOR_S), ("loop_wait", LOOP_WAIT_FLOOR_S), ("retry_timeout", RETRY_TIMEOUT_FLOOR_S))
    for key, floor_s in (*floors, ("primary_start_timeout", 0)):
        value: Duration = getattr(options, key)
        if value.seconds < floor_s:
            what = f"{value} is below Patroni's floor, which would be used instead without a word"
            findings.append(Finding(path=f"{path}.{key}", what=what, hint=f"write {floor_s}s or more"))
        elif not value.seconds.is_integer():
            findings.append(Finding(path=f"{path}.{key}", what=f"{value} is not whole seconds", hint="round it up"))
    return findings


_RESERVED = (
    "synchronous_standby_names",
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "cluster_name",
    "wal_level",
    "primary_conninfo",
)


def _check_rest(system: System, name: str, path: str, options: Options) -> list[Finding]:
    findings: list[Finding] = []
    need_s = options.loop_wait.seconds + 2 * options.retry_timeout.seconds
    if options.ttl.seconds < need_s:
        what = (
            f"{options.ttl} is less than loop_wait + 2 x retry_timeout: a primary could lose its lease while it retries"
        )
        findings.append(Finding(path=f"{path}.ttl", what=what, hint=f"write {need_s:g}s or more"))
    if options.synchronous_nodes < 0 or options.synchronous_nodes > standbys(system, name):
        what = f"{options.synchronous_nodes} synchronous standbys of {standbys(system, name)} there are"
        findings.append(Finding(path=f"{path}.synchronous_nodes", what=what, hint="0 means all"))
    if options.standby_timeout.seconds < 1:
        what = f"{options.standby_timeout} would cut standbys that are only busy"
        findings.append(Finding(path=f"{path}.standby_timeout", what=what, hint="write 1s or more"))
    for key in ("user", "database"):
        word: str = getattr(options, key)
        if not word.isidentifier() or not word.isascii():
            findings.append(
                Finding(path=f"{path}.{key}", what=f"{word!r} is not a plain name", hint="letters, digits, _")
            )
    if options.user in {"postgres", "replicator", "rewinder"}:
        findings.append(
            Finding(path=f"{path}.user", what=f"{options.user!r} is a role of Patroni's own", hint="take another")
        )
    findings.extend(
        Finding(path=f"{path}.parameters.{key}", what="this is set by bascule or Patroni alone", hint="leave it out")
        for key in options.parameters
        if key in _RESERVED
    )
    return findings


def check(system: System, name: str, options: Options) -> tuple[Finding, ...]:
    """Timing that contradicts itself, a missing store, names that cannot be.

    That asynchronous replication cannot promise an RPO of 0 is no finding here: a drill shows it, with the count.
    """
    path = f"components.{name}.options"
    findings = _whole_seconds(path, options) + _check_rest(system, name, path, options)
    if not store(system, name):
        stores = tuple(each for each, component in system.components.items() if component.engine == "etcd")
        findings.append(
            Finding(
                path=f"components.{name}.needs",
                what="Patroni needs exactly one component whose engine is etcd, to keep its lease in",
                hint=f"name one of: {', '.join(stores)}" if stores else "add an etcd component with 3 replicas",
            )
        )
    return tuple(findings)
