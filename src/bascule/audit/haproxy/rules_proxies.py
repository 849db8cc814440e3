"""Rules about how HAProxy's proxies wait, retry, check and remember. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from bascule.audit.estate import Estate
from bascule.audit.finding import Edit, Found
from bascule.audit.haproxy.configuration import Configuration, Line, Section, Server
from bascule.audit.haproxy.options import seconds, whole
from bascule.audit.haproxy.proxies import CHECKS, balanced, count, is_primary_only, ways
from bascule.audit.objectives import shortest_rto
from bascule.audit.place import Place
from bascule.audit.rule import rule

_SAFE_RETRIES = frozenset({"none", "conn-failure", "0rtt-rejected"})
_INTER_S, _FALL, _RETRIES = 2.0, 3, 3  # HAProxy's own, where nothing is said


@rule(
    "BSC-HAP-002",
    "missing-timeout",
    severity="high",
    technology="haproxy",
    breaks=("availability", "capacity"),
    why="A peer that vanished without a word holds its connection for ever; they add up until maxconn is reached.",
    fix="Write `timeout connect`, `timeout client` and `timeout server` in `defaults`.",
    source="HAProxy 2.8 configuration manual, 4.2, timeout client, timeout connect, timeout server",
)
def missing_timeout(estate: Estate) -> Iterator[Found]:
    """Proxies that wait without an end, in files that are whole."""
    for configuration in estate.of(Configuration):
        if not configuration.is_whole:
            continue
        for section in configuration.of("frontend", "backend", "listen"):
            missing = [one for one in _needed_timeouts(section) if not _is_limited(section.find("timeout", one))]
            if missing:
                words = ", ".join(f"timeout {one}" for one in missing)
                what = f"{section.subject} waits for ever: no {words}"
                yield Found(place=section.place, what=what, subject=section.subject)


def _needed_timeouts(section: Section) -> list[str]:
    client = ["client"] if section.kind in {"frontend", "listen"} else []
    return [*client, *(["connect", "server"] if section.servers else [])]


def _is_limited(line: Line | None) -> bool:
    # 0 is no timeout at all; what is no time, such as a variable, may be one.
    return line is not None and seconds(line.word(2)) != 0.0


@rule(
    "BSC-HAP-004",
    "unsafe-retries",
    severity="high",
    technology="haproxy",
    breaks=("availability", "capacity"),
    why="A request that a server may have carried out is sent again, to another one: a payment happens twice.",
    fix="Write `http-request disable-l7-retry unless METH_GET`, or `retry-on conn-failure` alone.",
    source="HAProxy 2.8 configuration manual, 4.2, retry-on and http-request disable-l7-retry",
)
def unsafe_retries(estate: Estate) -> Iterator[Found]:
    """Retries after more than a failed connection, of whatever method."""
    for configuration, section in balanced(estate):
        line, times = section.find("retry-on"), section.find("retries")
        if line is None or section.mode != "http" or (times and whole(times.word(1)) == 0):
            continue
        unsafe = [word.text for word in line.words[1:] if word.text not in _SAFE_RETRIES]
        frontends = estate.index(ways).get((configuration.file.name, section.name), [])
        if not unsafe or _is_guarded(section) or (frontends and all(_is_guarded(one) for one in frontends)):
            continue
        indent = " " * (line.place.column - 1)
        guard = f"http-request disable-l7-retry unless METH_GET\n{indent}"
        start = Place(line.place.file, line.place.line, line.place.column, line.place.line, line.place.column)
        # An unnamed `defaults` may have no such rule, and one in another section's is not ours to change.
        edits = (Edit(place=start, text=guard),) if line in section.own("retry-on") else ()
        what = f"{section.subject} retries after {' '.join(unsafe)}, POST requests too"
        yield Found(place=line.place, what=what, subject=section.subject, edits=edits)


def _is_guarded(section: Section) -> bool:
    return section.find("http-request", "disable-l7-retry") is not None


@rule(
    "BSC-HAP-005",
    "stick-table-lost-on-reload",
    severity="medium",
    technology="haproxy",
    breaks=("availability",),
    why="A reload or the loss of this proxy empties the table: sessions change servers, and counters begin at 0.",
    fix="Add a `peers` section with this proxy and its partners, and `peers NAME` to the stick-table.",
    source="HAProxy 2.8 configuration manual, 4.2, stick-table; 3.5 (peers)",
)
def stick_table_lost(estate: Estate) -> Iterator[Found]:
    """Tables that no peer has a copy of."""
    for configuration in estate.of(Configuration):
        for section in configuration.of("frontend", "backend", "listen"):
            for line in section.own("stick-table"):
                if all(word.text != "peers" for word in line.words):
                    what = f"the stick-table of {section.subject} is empty after each reload: it has no peers"
                    yield Found(place=line.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-006",
    "server-state-lost-on-reload",
    severity="medium",
    technology="haproxy",
    breaks=("availability",),
    why="What was changed through the socket is forgotten by a reload: a server in maintenance gets traffic again.",
    fix="Write `server-state-file` in `global`, `load-server-state-from-file global` in `defaults`, and save it first.",
    source="HAProxy 2.8 configuration manual, 3.1, server-state-file; 4.2, load-server-state-from-file",
)
def server_state_lost(estate: Estate) -> Iterator[Found]:
    """A socket that may change servers, in a configuration that forgets the changes."""
    for configuration in estate.of(Configuration):
        proxies = [one for one in configuration.of("backend", "listen") if one.servers]
        if not proxies or any(_is_kept(one) for one in proxies):
            continue
        for section in configuration.of("global"):
            for line in section.own("stats", "socket"):
                words = [word.text for word in line.words]
                if "admin" in words and "level" in words:
                    what = "servers can be changed through this socket, and a reload forgets what was changed"
                    yield Found(place=line.place, what=what, subject="global")


def _is_kept(section: Section) -> bool:
    line = section.find("load-server-state-from-file")
    return line is not None and line.word(1) != "none"


@rule(
    "BSC-HAP-008",
    "detection-longer-than-rto",
    severity="high",
    technology="haproxy",
    breaks=("rto", "availability"),
    why="Until enough checks have failed, requests go to the dead server, longer than the promised recovery time.",
    fix="Shorten `inter` and `fastinter`, or lower `fall`, so that inter + (fall - 1) x fastinter fits the RTO.",
    source="HAProxy 2.8 configuration manual, 5.2, inter, fastinter, fall",
)
def detection_too_slow(estate: Estate) -> Iterator[Found]:
    """Checks that need longer than the shortest recovery time that was promised."""
    promise = shortest_rto(estate)
    if promise is None:
        return
    said: set[Place] = set()
    for _, section in balanced(estate):
        for server in section.servers:
            found_s = _detection_s(server)
            place = server.options["inter"][1] if "inter" in server.options else server.line.place
            if found_s is None or found_s <= promise.seconds or place in said:
                continue
            said.add(place)
            what = (
                f"server {server.name} is found dead after up to {found_s:g} s; an RTO of {promise.time} is promised"
                f" for the loss of a {promise.scope}"
            )
            yield Found(place=place, what=what, subject=section.subject, related=promise.related())


def _detection_s(server: Server) -> float | None:
    """From a server's death to its being marked down, without what a check itself takes; None where nobody can tell."""
    if not server.has("check") or server.value("observe") is not None:
        return None
    every_s, falls = seconds(server.value("inter"), _INTER_S), whole(server.value("fall"), _FALL)
    again_s = seconds(server.value("fastinter"), every_s)
    if every_s is None or again_s is None or falls is None:
        return None
    return every_s + (falls - 1) * again_s


@rule(
    "BSC-HAP-009",
    "connection-is-no-health",
    severity="medium",
    technology="haproxy",
    breaks=("availability", "rto"),
    why="A process that hangs, or answers 500 to everything, still accepts connections and counts as healthy.",
    fix="Write `option httpchk` with `http-check send meth GET uri /health` and `http-check expect status 200`.",
    source="HAProxy 2.8 configuration manual, 4.2, option httpchk; 5.2, check",
)
def connection_is_no_health(estate: Estate) -> Iterator[Found]:
    """HTTP backends whose checks do not go beyond the connection."""
    for configuration, section in balanced(estate):
        checked = [one for one in section.servers if one.has("check") and not one.has("agent-check")]
        if section.mode != "http" or not checked or not configuration.is_whole:
            continue
        if any(section.option(one) for one in CHECKS):
            continue
        if any(section.find("tcp-check", one) for one in ("expect", "send", "send-binary")):
            continue
        if all(one.value("observe") == "layer7" for one in checked):
            continue
        what = f"the servers of {section.subject} count as healthy as long as they accept connections"
        yield Found(place=checked[0].line.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-016",
    "slow-requests-hold-connections",
    severity="low",
    technology="haproxy",
    breaks=("availability", "security"),
    why="A client that sends its request byte by byte holds a connection as long as it likes; enough of them hold all.",
    fix="Write `timeout http-request 10s` in `defaults`.",
    source="HAProxy 2.8 configuration manual, 4.2, timeout http-request",
)
def slow_requests(estate: Estate) -> Iterator[Found]:
    """HTTP proxies that wait for a whole request without an end, in files that are whole."""
    for configuration in estate.of(Configuration):
        if not configuration.is_whole:
            continue
        for section in configuration.of("frontend", "listen"):
            if section.mode == "http" and not _is_limited(section.find("timeout", "http-request")):
                what = f"{section.subject} waits for a whole request as long as bytes drip in: no timeout http-request"
                yield Found(place=section.place, what=what, subject=section.subject)


@rule(
    "BSC-HAP-017",
    "old-processes-stay",
    severity="low",
    technology="haproxy",
    breaks=("capacity",),
    why="After each reload the old process lives until its last connection ends; long sessions keep many of them.",
    fix="Write `hard-stop-after 5m` in `global`, a little longer than sessions last.",
    source="HAProxy 2.8 configuration manual, 3.1, hard-stop-after",
)
def old_processes_stay(estate: Estate) -> Iterator[Found]:
    """A global section without an end for old processes."""
    for configuration in estate.of(Configuration):
        sections = configuration.of("global")
        if sections and configuration.of("frontend", "listen") and not any(s.own("hard-stop-after") for s in sections):
            what = "old processes stay after a reload until their last connection ends: no hard-stop-after"
            yield Found(place=sections[0].place, what=what, subject="global")


@rule(
    "BSC-HAP-018",
    "retries-at-the-same-server",
    severity="medium",
    technology="haproxy",
    breaks=("availability", "latency"),
    why="A connection that fails is tried again at the same server, dead as it is, until checks have found it down.",
    fix="Write `option redispatch 1` in `defaults`: the next try goes to another server.",
    source="HAProxy 2.8 configuration manual, 4.2, option redispatch and retries",
)
def retries_at_the_same_server(estate: Estate) -> Iterator[Found]:
    """Several servers, and retries that do not use them."""
    for configuration, section in balanced(estate):
        times = section.find("retries")
        # Where one server alone is up, the primary, there is no other to go to.
        if not configuration.is_whole or count(section) < 2 or section.option("redispatch") or is_primary_only(section):
            continue
        tries = whole(times.word(1)) if times else _RETRIES
        if tries:
            what = f"{section.subject} tries a failed connection {tries} times at the same server: no option redispatch"
            yield Found(place=times.place if times else section.place, what=what, subject=section.subject)


RULES = (
    missing_timeout, unsafe_retries, stick_table_lost, server_state_lost, detection_too_slow, connection_is_no_health,
    slow_requests, old_processes_stay, retries_at_the_same_server,
)  # fmt: skip
