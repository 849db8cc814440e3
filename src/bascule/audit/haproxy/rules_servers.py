"""Rules about the servers of HAProxy: who is left when one of them fails, and who notices. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.haproxy.options import whole
from bascule.audit.haproxy.proxies import balanced, count, is_checked, is_local, is_name, is_primary_only
from bascule.audit.rule import rule
from bascule.audit.words import insertion


@rule(
    "BSC-HAP-001",
    "server-without-check",
    severity="high",
    technology="haproxy",
    breaks=("availability", "rto"),
    why="HAProxy goes on sending a share of all requests to a server that is dead: nothing tells it otherwise.",
    fix="Add `check` to each server, or to `default-server`.",
    source="HAProxy 2.8 configuration manual, 5.2, check",
)
def server_without_check(estate: Estate) -> Iterator[Found]:
    """Servers beside others, whose death nobody notices."""
    for _, section in balanced(estate):
        if count(section) < 2:
            continue
        for server in section.servers:
            if not is_checked(server) and not server.has("disabled"):
                yield Found(
                    place=server.line.place,
                    what=f"server {server.name} is not checked, so it gets its share of requests when it is dead",
                    subject=section.subject,
                    edits=() if "check" in server.own else (insertion(server.line.place, " check"),),
                )


@rule(
    "BSC-HAP-003",
    "single-server",
    severity="high",
    technology="haproxy",
    breaks=("availability", "rto"),
    why="When that one server fails, restarts or is updated, every request of the backend gets 503.",
    fix="Add a second server on another host, or one with `backup`.",
    source="HAProxy 2.8 configuration manual, 5.2, backup",
)
def single_server(estate: Estate) -> Iterator[Found]:
    """Backends of one server, unless that is on the proxy's own host and fails with it anyway."""
    for _, section in balanced(estate):
        working = [one for one in section.servers if not one.has("disabled")]
        if len(working) == 1 and working[0].count == 1 and not is_local(working[0]):
            what = f"{section.subject} has one server, {working[0].name}, and nothing takes over when it fails"
            yield Found(place=working[0].line.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-007",
    "weight-zero-is-no-spare",
    severity="medium",
    technology="haproxy",
    breaks=("availability", "capacity"),
    why="A server of weight 0 gets no new sessions, not even when all others are down: it is no spare.",
    fix="Give it a weight, or make it a `backup`; take servers out with `disabled` or at run time.",
    source="HAProxy 2.8 configuration manual, 5.2, weight",
)
def weight_zero(estate: Estate) -> Iterator[Found]:
    """Servers that only ever see sessions that they had before."""
    for _, section in balanced(estate):
        for server in section.servers:
            if whole(server.value("weight")) == 0 and not server.has("disabled"):
                cookie = "; it still takes the sessions whose cookie names it" if server.value("cookie") else ""
                yield Found(
                    place=server.options["weight"][1],
                    what=f"server {server.name} has weight 0 and takes no new session even when it is the last{cookie}",
                    subject=section.subject,
                )


@rule(
    "BSC-HAP-010",
    "server-without-maxconn",
    severity="low",
    technology="haproxy",
    breaks=("latency", "capacity"),
    why="In an overload all requests are sent to servers that cannot work on them, instead of waiting in a queue.",
    fix="Give each server the `maxconn` that it still answers quickly at, and set `timeout queue`.",
    source="HAProxy 2.8 configuration manual, 5.2, maxconn",
)
def server_without_maxconn(estate: Estate) -> Iterator[Found]:
    """HTTP backends none of whose servers has a bound."""
    for _, section in balanced(estate):
        if section.mode == "http" and all(one.value("maxconn") is None for one in section.servers):
            what = f"no server of {section.subject} has a maxconn, so an overload reaches them without a bound"
            yield Found(place=section.servers[0].line.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-011",
    "sessions-stay-with-former-primary",
    severity="high",
    technology="haproxy",
    breaks=("rto", "rpo"),
    why="After a failover, connections that are open stay with the former primary: their writes fail, or are lost.",
    fix="Write `default-server on-marked-down shutdown-sessions` in this section.",
    source="HAProxy 2.8 configuration manual, 5.2, on-marked-down; Patroni documentation, HAProxy template",
)
def sessions_stay(estate: Estate) -> Iterator[Found]:
    """Ways to the primary alone that keep sessions on a server that is no longer it."""
    for _, section in balanced(estate):
        if not is_primary_only(section) or count(section) < 2:
            continue
        for server in section.servers:
            if server.value("on-marked-down") != "shutdown-sessions":
                what = f"sessions on {server.name} outlive its time as the primary: no on-marked-down shutdown-sessions"
                words = " on-marked-down shutdown-sessions"
                edits = () if "on-marked-down" in server.own else (insertion(server.line.place, words),)
                yield Found(place=server.line.place, what=what, subject=section.subject, edits=edits)


@rule(
    "BSC-HAP-012",
    "name-resolved-once",
    severity="medium",
    technology="haproxy",
    breaks=("rto", "availability"),
    why="The name is resolved when HAProxy starts, and never again: a server that moved is sought at its old address.",
    fix="Add a `resolvers` section, and `resolvers NAME` to the server.",
    source="HAProxy 2.8 configuration manual, 5.3 (server IP address resolution using DNS)",
)
def name_resolved_once(estate: Estate) -> Iterator[Found]:
    """Servers with a name and nobody to ask for it again."""
    for _, section in balanced(estate):
        for server in section.servers:
            if is_name(server) and server.value("resolvers") is None:
                what = f"{server.address.text} is resolved at the start alone, as server {server.name} has no resolvers"
                yield Found(place=server.address.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-013",
    "start-needs-name-service",
    severity="medium",
    technology="haproxy",
    breaks=("availability", "rto"),
    why="HAProxy does not start while this name cannot be resolved: one missing name stops every backend.",
    fix="Add `init-addr last,libc,none` to the server: it is then down until its name is found.",
    source="HAProxy 2.8 configuration manual, 5.2, init-addr",
)
def start_needs_names(estate: Estate) -> Iterator[Found]:
    """Servers whose name must be known at the start, although resolvers would find it later."""
    for _, section in balanced(estate):
        for server in section.servers:
            methods = (server.value("init-addr") or "last,libc").split(",")
            # Any method that is no name of one is an address, which always works.
            if not is_name(server) or server.value("resolvers") is None or set(methods) - {"last", "libc"}:
                continue
            words = " init-addr last,libc,none"
            yield Found(
                place=server.address.place,
                what=f"HAProxy does not start while {server.address.text} cannot be resolved",
                subject=section.subject,
                edits=() if "init-addr" in server.own else (insertion(server.line.place, words),),
            )


@rule(
    "BSC-HAP-014",
    "no-slowstart-with-leastconn",
    severity="low",
    technology="haproxy",
    breaks=("latency", "capacity"),
    why="A server that comes back has the fewest connections, so all new ones are sent to it, with cold caches.",
    fix="Add `slowstart 30s` to `default-server`.",
    source="HAProxy 2.8 configuration manual, 4.2, balance leastconn; 5.2, slowstart",
)
def no_slowstart(estate: Estate) -> Iterator[Found]:
    """Least connections between several servers that come back at full weight."""
    for _, section in balanced(estate):
        line = section.find("balance")
        if line is None or line.word(1) != "leastconn" or count(section) < 2 or is_primary_only(section):
            continue
        if any(is_checked(one) and one.value("slowstart") is None for one in section.servers):
            what = f"{section.subject} balances by leastconn, and its servers come back without slowstart"
            yield Found(place=line.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-015",
    "one-backup-for-all",
    severity="medium",
    technology="haproxy",
    breaks=("capacity", "latency"),
    why="When all other servers are down, the first backup alone gets the whole load, and the others get nothing.",
    fix="Add `option allbackups`.",
    source="HAProxy 2.8 configuration manual, 4.2, option allbackups",
)
def one_backup_for_all(estate: Estate) -> Iterator[Found]:
    """Several backups of which one is used."""
    for _, section in balanced(estate):
        spares = [one for one in section.servers if one.has("backup")]
        if sum(one.count for one in spares) < 2 or section.option("allbackups") or is_primary_only(section):
            continue
        what = f"{section.subject} has {sum(one.count for one in spares)} backup servers and uses the first alone"
        yield Found(place=spares[0].line.place, what=what, subject=section.subject)


RULES = (
    server_without_check, single_server, weight_zero, server_without_maxconn, sessions_stay, name_resolved_once,
    start_needs_names, no_slowstart, one_backup_for_all,
)  # fmt: skip
