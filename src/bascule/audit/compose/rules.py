"""Rules about services that Docker Compose runs: who starts them again, who notices, and where their data is. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator

from bascule.audit.compose.services import Service, published, seconds, servers, waits
from bascule.audit.estate import Estate
from bascule.audit.finding import Found
from bascule.audit.rule import rule
from bascule.audit.tree import Scalar, at, boolean, items, text

_GRACE_S, _DATABASE_GRACE_S = 10.0, 30.0
_DATABASES = frozenset({"postgres", "postgis", "timescaledb", "mysql", "mariadb", "mongo"})
_NUMBERED = re.compile(r"(.+?)[-_]?[0-9a-c]")


@rule(
    "BSC-CMP-001",
    "nobody-starts-it-again",
    severity="high",
    technology="compose",
    breaks=("availability", "rto"),
    why="When the process crashes or the host restarts, the container stays down until somebody starts it.",
    fix='Add `restart: unless-stopped`; to a job that is meant to end, `restart: "no"`.',
    source="Compose Specification, services, restart (default: no)",
)
def nobody_starts_it_again(estate: Estate) -> Iterator[Found]:
    """Services without a restart policy; one that says `no` was meant so."""
    for one in servers(estate):
        policy = one.given("deploy", "restart_policy", "condition")
        if one.given("restart") is not None or one.is_swarm or _extends(one):
            continue
        if one.given("deploy", "restart_policy") is None or text(policy) == "none":
            what = f"{one.name} stays down after a crash: it has no restart policy"
            if one.is_asked:
                yield Found(place=one.key, what=what, subject=one.subject, edits=one.added("restart: unless-stopped"))
            else:
                what += "; it has no port and no healthcheck, so it may be a job that is meant to end"
                yield Found(place=one.key, what=what, subject=one.subject, severity="medium")


def _extends(one: Service) -> bool:
    """Whether what is missing here may stand where the service comes from."""
    return one.given("extends") is not None


@rule(
    "BSC-CMP-002",
    "service-without-healthcheck",
    severity="low",
    technology="compose",
    breaks=("availability", "rto"),
    why="Unless its image brings a check, nobody sees that the process hangs, and nothing can wait until it is ready.",
    fix="Add a `healthcheck` that asks the service itself.",
    source="Compose Specification, services, healthcheck",
)
def no_healthcheck(estate: Estate) -> Iterator[Found]:
    """Services without a check, or with one that is switched off."""
    for one in servers(estate):
        check = one.given("healthcheck")
        off = boolean(check, "disable") or [text(each) for each in items(check, "test")] == ["NONE"]
        if (check is None and not _extends(one)) or off:
            what = f"the healthcheck of {one.name} is off" if off else f"{one.name} has no healthcheck of its own"
            yield Found(place=one.at("healthcheck"), what=what, subject=one.subject)


@rule(
    "BSC-CMP-003",
    "started-is-not-ready",
    severity="medium",
    technology="compose",
    breaks=("availability", "rto"),
    why="The other container runs, but may not answer yet: this one fails at its start, and the recovery takes longer.",
    fix="Write `depends_on: {NAME: {condition: service_healthy}}`, and give NAME a healthcheck.",
    source="Compose Specification, services, depends_on, long syntax; Docker documentation, Control startup order",
)
def started_is_not_ready(estate: Estate) -> Iterator[Found]:
    """Services that wait for the start of others, not for them to be ready."""
    for one in servers(estate):
        for name, condition, place in waits(one):
            if condition == "service_started":
                what = f"{one.name} waits until {name} was started, not until it is ready"
                yield Found(place=place, what=what, subject=one.subject)


@rule(
    "BSC-CMP-004",
    "fewer-replicas-than-described",
    severity="high",
    technology="compose",
    breaks=("availability", "rto", "capacity"),
    why="The system file counts on several replicas; here is one container, and nothing takes over when it fails.",
    fix="Set `deploy.replicas`, or write one service for each replica, on several hosts.",
    source="Compose Deploy Specification, replicas (default: 1)",
)
def fewer_replicas(estate: Estate) -> Iterator[Found]:
    """Services named like a component of which there should be several."""
    if estate.system is None:
        return
    services = servers(estate)
    families = {found[1] for one in services if (found := _NUMBERED.fullmatch(one.name))}
    for one in services:
        component = estate.system.components.get(one.name)
        wanted = sum(component.replicas.values()) if component else 0
        if wanted > 1 and one.replicas == 1 and one.name not in families:
            place = estate.place(f"components.{one.name}.replicas")
            what = f"{one.name} is one container; the system has {wanted} replicas of it"
            related = ((place, "what the system has"),)
            yield Found(place=one.key, what=what, subject=one.subject, related=related)


@rule(
    "BSC-CMP-005",
    "image-of-whatever-version",
    severity="medium",
    technology="compose",
    breaks=("availability", "rto"),
    why="Whatever is the latest gets started: a restart on another host is an update that nobody decided on.",
    fix="Name a version, or better its digest: `image: postgres:17.2@sha256:...`.",
    source="Docker documentation, Building best practices, Pin base image versions",
)
def image_without_version(estate: Estate) -> Iterator[Found]:
    """Images of whatever version there is."""
    for one in servers(estate):
        image = one.image
        tag = image.rpartition("/")[2].partition(":")[2]
        if not image or "@" in image or "$" in image or at(one.body, "build") is not None or tag not in {"", "latest"}:
            continue
        what = f"{image} is whatever version is the latest when it is pulled"
        yield Found(place=one.at("image"), what=what, subject=one.subject)


@rule(
    "BSC-CMP-006",
    "data-without-volume",
    severity="high",
    technology="compose",
    breaks=("rpo",),
    why="The data belongs to the container: after `docker compose down` the next one begins with an empty database.",
    fix="Mount a named volume at the directory where the image keeps its data.",
    source="Docker documentation, Volumes; Compose Specification, services, volumes",
)
def data_without_volume(estate: Estate) -> Iterator[Found]:
    """Databases without a volume for their data."""
    for one in servers(estate):
        data = one.data
        if data is None or _extends(one) or one.given("volumes_from") is not None:
            continue
        if not any(_holds(each.rstrip("/"), data) for each in one.mounts()):
            what = f"the data of {one.name} stands in {data} without a volume"
            yield Found(place=one.at("volumes"), what=what, subject=one.subject)


def _holds(mount: str, data: str) -> bool:
    """Whether a volume at this path has the data in it: it is mounted above it, there, or at the part that counts."""
    return data == mount or data.startswith(f"{mount}/") or mount.startswith(f"{data}/")


@rule(
    "BSC-CMP-007",
    "container-without-memory-limit",
    severity="low",
    technology="compose",
    breaks=("capacity", "availability"),
    why="One container that leaks memory takes all of it: the kernel then kills some process, not always that one.",
    fix="Add `mem_limit`, or `deploy.resources.limits.memory`.",
    source="Docker documentation, Resource constraints, Memory",
)
def no_memory_limit(estate: Estate) -> Iterator[Found]:
    """Services that may take all memory."""
    for one in servers(estate):
        limits = (one.given("mem_limit"), one.given("deploy", "resources", "limits", "memory"))
        if limits == (None, None) and not _extends(one):
            yield Found(place=one.key, what=f"{one.name} may take all memory of its host", subject=one.subject)


@rule(
    "BSC-CMP-008",
    "killed-before-it-has-stopped",
    severity="medium",
    technology="compose",
    breaks=("rto", "availability"),
    why="What has not ended by then is killed: requests are cut off, and a database recovers at its next start.",
    fix="Set `stop_grace_period` longer than the slowest request or checkpoint: 30s, for a database 90s.",
    source="Compose Specification, services, stop_grace_period (default: 10s)",
)
def killed_too_soon(estate: Estate) -> Iterator[Found]:
    """Databases with less than 30 s to stop, and anything with less than the default."""
    for one in servers(estate):
        written = text(one.given("stop_grace_period"))
        grace_s = _GRACE_S if written is None else seconds(written)
        least_s = _DATABASE_GRACE_S if one.kind in _DATABASES else _GRACE_S
        if grace_s is not None and grace_s < least_s and not _extends(one):
            given = "" if written is not None else " (the default)"
            what = f"{one.name} is killed {grace_s:g} s{given} after it was asked to stop"
            yield Found(place=one.at("stop_grace_period"), what=what, subject=one.subject)


@rule(
    "BSC-CMP-009",
    "replicas-want-one-port",
    severity="high",
    technology="compose",
    breaks=("availability", "capacity"),
    why="One container alone can have a port of the host, or a fixed name: the second replica does not start.",
    fix="Publish a range of ports, or let a proxy publish one; leave `container_name` out.",
    source="Compose Specification, services, ports and container_name; Compose Deploy Specification, replicas",
)
def replicas_want_one_port(estate: Estate) -> Iterator[Found]:
    """Several replicas that all need the one thing."""
    for one in servers(estate):
        if one.replicas < 2 or one.is_swarm:
            continue
        for port, place in published(one):
            what = f"{one.replicas} replicas of {one.name} all want the host's port {port}"
            yield Found(place=place, what=what, subject=one.subject)
        name = at(one.body, "container_name")
        if isinstance(name, Scalar):
            what = f"{one.replicas} replicas of {one.name} all want the name {name.text[:60]}"
            yield Found(place=name.place, what=what, subject=one.subject)


@rule(
    "BSC-CMP-010",
    "logs-without-bound",
    severity="low",
    technology="compose",
    breaks=("availability",),
    why="The default driver keeps every line for ever: one day the disk is full, and everything on it stops.",
    fix="Set `logging: {driver: local}`, or `max-size` and `max-file` for json-file, unless the daemon's settings do.",
    source="Docker documentation, Logging drivers, JSON File: max-size (default: unlimited)",
)
def logs_without_bound(estate: Estate) -> Iterator[Found]:
    """Files some of whose services keep all their logs; told once for each file."""
    by_file: dict[str, list[Service]] = {}
    for one in servers(estate):
        if _logs_for_ever(one):
            by_file.setdefault(one.file, []).append(one)
    for found in by_file.values():
        names = ", ".join(one.name for one in found[:5]) + (", ..." if len(found) > 5 else "")
        what = f"logs grow until the disk is full: {names}"
        yield Found(place=found[0].key, what=what, subject="logging")


def _logs_for_ever(one: Service) -> bool:
    driver = text(one.given("logging", "driver")) or "json-file"
    return driver == "json-file" and one.given("logging", "options", "max-size") is None and not _extends(one)


RULES = (
    nobody_starts_it_again, no_healthcheck, started_is_not_ready, fewer_replicas, image_without_version,
    data_without_volume, no_memory_limit, killed_too_soon, replicas_want_one_port, logs_without_bound,
)  # fmt: skip
