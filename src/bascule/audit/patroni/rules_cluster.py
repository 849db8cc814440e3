"""Rules about what a Patroni cluster survives: its store, its standbys, itself. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.addresses import is_one_server
from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.patroni.member import Member, clusters, members, told, truth
from bascule.audit.place import Place
from bascule.audit.rule import rule
from bascule.audit.tree import Mapping, Node, Scalar, Sequence, at, number, text, whole

_STORES = ("etcd", "etcd3", "zookeeper", "raft")
_LOOPBACK = ("127.", "localhost", "[::1]", "::1")


@rule(
    "BSC-PAT-011",
    "store-survives-no-loss",
    severity="high",
    technology="patroni",
    breaks=("availability", "rto"),
    why="A store of one or two stops when one is lost; and while the few that Patroni knows are away, none can start.",
    fix="Run three members of the store in three places, and list all of them.",
    source="etcd documentation, FAQ, What is failure tolerance?; Patroni documentation, YAML Configuration, etcd",
)
def store_survives_no_loss(estate: Estate) -> Iterator[Found]:
    """Stores of one or two members: raft's list is the whole store, any other only where Patroni begins."""
    for one, store, hosts, place in _stores(estate):
        if len(hosts) not in {1, 2}:
            continue
        listed = f"{len(hosts)} member{'s' if len(hosts) > 1 else ''}"
        if store == "raft":
            what = f"{store} has {listed}: the loss of one stops the failover of the whole cluster"
            yield Found(place=place, what=what, subject=one.subject)
        elif all(is_one_server(_bare(each)) for each in hosts):
            what = (
                f"{store} is known by {listed}: while {'both are' if len(hosts) > 1 else 'it is'} away, Patroni cannot"
            )
            what += " start, however many there are"
            yield Found(place=place, what=what, subject=one.subject, severity="medium")


@rule(
    "BSC-PAT-012",
    "store-of-an-even-number",
    severity="low",
    technology="patroni",
    breaks=("availability",),
    why="A majority of four is three: a store of four survives the loss of one, as three do, and fails more often.",
    fix="Run three or five members.",
    source="etcd documentation, FAQ, Why an odd number of cluster members?",
)
def store_of_even_number(estate: Estate) -> Iterator[Found]:
    """Stores with a member that helps nobody."""
    for one, store, hosts, place in _stores(estate):
        if len(hosts) > 2 and len(hosts) % 2 == 0:
            what = f"{store} has {len(hosts)} members, and survives the loss of no more than {len(hosts) - 1} do"
            yield Found(place=place, what=what, subject=one.subject)


def _stores(estate: Estate) -> Iterator[tuple[Member, str, list[str], Place]]:
    """The store of each member: its name, the members that it is known by, and where they stand."""
    for one in members(estate):
        for store in _STORES:
            settings = at(one.root, store)
            if not isinstance(settings, Mapping):
                continue
            place = one.root.keys[store] if one.root is not None else settings.place
            hosts = _hosts(settings, store)
            # A member on the same host, or a proxy to all of them, shares the fate of this host and tells nothing.
            if hosts and not all(_bare(each).startswith(_LOOPBACK) for each in hosts):
                yield one, store, hosts, place


def _hosts(settings: Mapping, store: str) -> list[str]:
    if store == "raft":
        return [text(settings, "self_addr") or "self", *_listed(at(settings, "partner_addrs"))]
    if any(text(settings, key) for key in ("srv", "proxy")) or truth(at(settings, "use_proxies")):
        return []
    hosts = _listed(at(settings, "hosts"))
    return hosts or [each for key in ("host", "url") if (each := text(settings, key))]


def _listed(node: Node | None) -> list[str]:
    if isinstance(node, Sequence):
        return list(dict.fromkeys(one.text for one in node.items if isinstance(one, Scalar)))
    if isinstance(node, Scalar) and node.value is not None:
        return list(dict.fromkeys(one.strip() for one in node.text.split(",") if one.strip()))
    return []


def _bare(host: str) -> str:
    return host.rpartition("://")[2]


@rule(
    "BSC-PAT-013",
    "no-failsafe-mode",
    severity="medium",
    technology="patroni",
    breaks=("availability",),
    why="While the store is away, Patroni demotes the primary: writes stop, although every database server works.",
    fix="Set `failsafe_mode: true` with `patronictl edit-config`: the primary goes on while it reaches all members.",
    source="Patroni documentation, DCS Failsafe Mode (default: off)",
)
def no_failsafe_mode(estate: Estate) -> Iterator[Found]:
    """Clusters that stop together with their store."""
    for one in told(estate):
        node = at(one.dynamic, "failsafe_mode")
        if truth(node) or one.dynamic is None:
            continue
        what = "an outage of the store demotes the primary: failsafe_mode is not on"
        # What stands below `bootstrap` is read once, when the cluster is made: a change there mends nothing that runs.
        edits = _added(one.dynamic, node) if one.root is None else ()
        yield Found(place=one.dynamic_at("failsafe_mode"), what=what, subject=one.subject, edits=edits)


def _added(dynamic: Mapping, given: Node | None) -> tuple[Edit, ...]:
    """The setting as a further line of the mapping; what was switched off on purpose is left as it is."""
    if given is not None or dynamic.flow or not dynamic.keys:
        return ()
    first = next(iter(dynamic.keys.values()))
    start = Place(first.file, first.line, first.column, first.line, first.column)
    return (Edit(place=start, text="failsafe_mode: true\n" + " " * (first.column - 1)),)


@rule(
    "BSC-PAT-014",
    "watchdog-off",
    severity="medium",
    technology="patroni",
    breaks=("rpo", "availability"),
    why="When Patroni hangs, nothing stops its primary while another is elected: both take writes, and some are lost.",
    fix="Set `watchdog.mode: automatic`, or `required` where losing nothing was promised.",
    source="Patroni documentation, Watchdog support",
)
def watchdog_off(estate: Estate) -> Iterator[Found]:
    """Members without what stops them when their Patroni hangs."""
    for one in members(estate):
        mode = at(one.root, "watchdog", "mode")
        if isinstance(mode, Scalar) and mode.text.lower() in {"off", "false"}:
            what = "the watchdog is off: a primary whose Patroni hangs goes on taking writes"
            yield Found(place=mode.place, what=what, subject=f"member {one.name}")


@rule(
    "BSC-PAT-015",
    "strict-without-spare-standby",
    severity="high",
    technology="patroni",
    breaks=("availability",),
    why="In strict mode writes wait while fewer standbys are left than synchronous_node_count: losing one stops them.",
    fix="Add a standby, lower `synchronous_node_count`, or leave `synchronous_mode_strict` off.",
    source="Patroni documentation, Replication modes, Synchronous mode: synchronous_mode_strict",
)
def strict_without_spare(estate: Estate) -> Iterator[Found]:
    """Clusters, known by all their members, that stop writing with the first standby that is lost."""
    for each in estate.index(clusters):
        standbys = len({one.name for one in each if not truth(at(one.root, "tags", "nosync"))}) - 1
        for one in each:
            needed = whole(one.dynamic, "synchronous_node_count") or 1
            strict = at(one.dynamic, "synchronous_mode_strict")
            if strict is None or not (one.is_synchronous and truth(strict)) or needed < standbys:
                continue
            what = f"writes stop when one of {standbys} standbys is lost: strict mode waits for {needed}"
            yield Found(place=strict.place, what=what, subject=one.subject)
            break


@rule(
    "BSC-PAT-016",
    "nobody-may-take-over",
    severity="critical",
    technology="patroni",
    breaks=("availability", "rto"),
    why="When the primary fails, no other member may become primary: the tags of all of them forbid it.",
    fix="Take `nofailover` and `failover_priority: 0` from the tags of at least one more member.",
    source="Patroni documentation, YAML Configuration Settings, tags",
)
def nobody_may_take_over(estate: Estate) -> Iterator[Found]:
    """Clusters, known by several members, of which one at most may be primary."""
    for each in estate.index(clusters):
        barred = [(one, node) for one in each if (node := _barred(one)) is not None]
        able = {one.name for one in each} - {one.name for one, _ in barred}
        if barred and len(able) < 2:
            one, node = barred[0]
            who = f"only {next(iter(able))} may be primary" if able else "none may be primary"
            what = f"of {len({other.name for other in each})} members {who}"
            related = tuple((other.place, "barred here too") for _, other in barred[1:4])
            yield Found(place=node.place, what=what, subject=one.subject, related=related)


def _barred(one: Member) -> Node | None:
    nofailover, priority = at(one.root, "tags", "nofailover"), at(one.root, "tags", "failover_priority")
    if nofailover is not None and truth(nofailover):
        return nofailover
    level = number(priority)
    return priority if level is not None and level <= 0 and nofailover is None else None


@rule(
    "BSC-PAT-017",
    "anyone-may-fail-over",
    severity="medium",
    technology="patroni",
    breaks=("availability", "security"),
    why="Whoever reaches the REST API can restart, reinitialise or switch over the database with one request.",
    fix="Set `restapi.allowlist`, or `restapi.authentication`, or client certificates with `verify_client`.",
    source="Patroni documentation, YAML Configuration Settings, restapi; Security Considerations",
)
def anyone_may_fail_over(estate: Estate) -> Iterator[Found]:
    """REST APIs that ask nobody who they are."""
    for one in members(estate):
        api = at(one.root, "restapi")
        if one.root is None or not isinstance(api, Mapping):
            continue
        guarded = any(at(api, key) is not None for key in ("authentication", "allowlist", "verify_client"))
        if not guarded and not (text(api, "listen") or "").startswith(_LOOPBACK):
            what = "the REST API takes orders from everybody: no allowlist, authentication or verify_client"
            yield Found(place=one.root.keys["restapi"], what=what, subject=f"member {one.name}")


RULES = (
    store_survives_no_loss, store_of_even_number, no_failsafe_mode, watchdog_off, strict_without_spare,
    nobody_may_take_over, anyone_may_fail_over,
)  # fmt: skip
