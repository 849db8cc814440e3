"""A Compose file's services, as rules ask for them. Pure.

Source: the Compose Specification, Services; Compose Deploy Specification.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from bascule.audit.estate import Estate, YamlDocument
from bascule.audit.finding import Edit
from bascule.audit.place import Place
from bascule.audit.tree import Mapping, Node, Scalar, Sequence, at, entries, items, text, whole

DATA = {
    "postgres": "/var/lib/postgresql",
    "postgis": "/var/lib/postgresql",
    "timescaledb": "/var/lib/postgresql",
    "mysql": "/var/lib/mysql",
    "mariadb": "/var/lib/mysql",
    "mongo": "/data/db",
    "rabbitmq": "/var/lib/rabbitmq",
    "elasticsearch": "/usr/share/elasticsearch/data",
    "influxdb": "/var/lib/influxdb",
    "neo4j": "/data",
    "minio": "/data",
}
"""Where images of this name keep their data, each by its own documentation."""
_DURATION = re.compile(r"(?:[0-9]{1,9}(?:\.[0-9]{1,9})?(?:us|ms|s|m|h))+")
_PART = re.compile(r"([0-9.]+)(us|ms|s|m|h)")
_SECONDS = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_MOST_MERGED = 8
_SWARM = ("mode", "placement", "update_config", "rollback_config", "endpoint_mode")


@dataclass(frozen=True, slots=True, eq=False)
class Service:
    """One service.

    Attributes:
        file: The file that it is in.
        key: Where its name stands.
        is_awaited_to_end: Whether another one waits until it has done its work: a migration, not a server.
        others: What further files of the same directory say of the same service: Compose merges them.
    """

    file: str
    name: str
    body: Mapping
    key: Place
    is_awaited_to_end: bool = False
    others: tuple[Mapping, ...] = ()

    @property
    def subject(self) -> str:
        """For people: `service web`."""
        return f"service {self.name}"

    @property
    def image(self) -> str:
        """The image as written; empty where it is built."""
        return text(self.body, "image") or ""

    @property
    def kind(self) -> str:
        """The image's own name, without registry, tag and digest: `postgres`."""
        return re.split(r"[:@]", self.image.rpartition("/")[2], maxsplit=1)[0]

    @property
    def is_task(self) -> bool:
        """Whether it is meant to end: others wait for its end, or it is started on request alone."""
        return self.is_awaited_to_end or bool(items(self.body, "profiles"))

    @property
    def is_asked(self) -> bool:
        """Whether others ask it for something, by a port or a check: what nobody asks may be a job that ends."""
        return any(self.given(key) is not None for key in ("ports", "expose", "healthcheck"))

    @property
    def is_swarm(self) -> bool:
        """Whether it says what only a swarm carries out; there, other defaults hold."""
        return any(self.given("deploy", key) is not None for key in _SWARM)

    @property
    def replicas(self) -> int:
        """How many containers of it run."""
        asked = whole(self.given("deploy", "replicas"))
        return asked if asked is not None else whole(self.given("scale")) or 1

    def given(self, *path: str) -> Node | None:
        """What this file says there, else another file that is merged with it; None where none does."""
        parts = (at(body, *path) for body in (self.body, *self.others))
        return next((found for found in parts if found is not None), None)

    def at(self, *path: str) -> Place:
        """Where this stands; the service's name where it is missing."""
        found = at(self.body, *path)
        return found.place if found is not None else self.key

    def added(self, line: str) -> tuple[Edit, ...]:
        """One more line in the service; nothing where it is not written as lines."""
        if self.body.flow or not self.body.keys:
            return ()
        first = next(iter(self.body.keys.values()))
        start = Place(first.file, first.line, first.column, first.line, first.column)
        return (Edit(place=start, text=f"{line}\n{' ' * (first.column - 1)}"),)

    @property
    def data(self) -> str | None:
        """Where it keeps its data, by what is known of its image; None where nothing is."""
        known = DATA.get(self.kind)
        if known != DATA["postgres"]:
            return known
        environment = self.given("environment")
        listed = dict(
            one.text.split("=", 1) for one in items(environment) if isinstance(one, Scalar) and "=" in one.text
        )
        return text(environment, "PGDATA") or listed.get("PGDATA") or known

    def mounts(self) -> list[str]:
        """The paths inside the container that volumes are mounted at."""
        bodies = (self.body, *self.others)
        return [target for body in bodies for node in items(body, "volumes") if (target := _target(node))]


@dataclass(frozen=True, slots=True, eq=False)
class ComposeFile:
    """One Compose file."""

    file: str
    services: tuple[Service, ...]


def read_yaml(document: YamlDocument) -> object | None:
    """The Compose file in a document, if it is one: services of which one at least has an image or is built."""
    root = document.root
    named = at(root, "services")
    if not isinstance(root, Mapping) or not isinstance(named, Mapping) or "apiVersion" in root.entries:
        return None
    bodies = {name: body for name, body in named.entries.items() if isinstance(body, Mapping)}
    if not any({"image", "build"} & set(body.entries) for body in bodies.values()):
        return None
    awaited = {
        name
        for body in bodies.values()
        for name, wait in entries(body, "depends_on").items()
        if text(wait, "condition") == "service_completed_successfully"
    }
    file = document.file.name
    services = [Service(file, name, body, named.keys[name], name in awaited) for name, body in bodies.items()]
    return ComposeFile(file, tuple(services))


def servers(estate: Estate) -> list[Service]:
    """Every service that is meant to go on for ever, where its image is named or built; pieces of it are not alone."""
    return estate.index(_servers)


def _servers(estate: Estate) -> list[Service]:
    everything = [one for file in estate.of(ComposeFile) for one in file.services]
    by_name: dict[tuple[str, str], list[Service]] = {}
    for one in everything:
        by_name.setdefault((one.file.rpartition("/")[0], one.name), []).append(one)
    found: list[Service] = []
    for one in everything:
        same = by_name[one.file.rpartition("/")[0], one.name]
        whole_here = {"image", "build", "extends"} & set(one.body.entries)
        if whole_here and not any(each.is_task for each in same):
            others = tuple(each.body for each in same[:_MOST_MERGED] if each is not one)
            found.append(replace(one, others=others))
    return found


def _target(node: Node) -> str:
    """`name:/data:ro` or `{target: /data}`: `/data`; a Windows path in front is not mistaken for a target."""
    if isinstance(node, Mapping):
        kind = text(node, "type")
        return "" if kind == "tmpfs" else text(node, "target") or ""
    if not isinstance(node, Scalar):
        return ""
    parts = node.text.split(":")
    paths = [part for part in parts[1:] if part.startswith("/")]
    return paths[-1] if paths else parts[0] if len(parts) == 1 else ""


def published(service: Service) -> list[tuple[str, Place]]:
    """Every port of the host that the service takes for itself alone."""
    found: list[tuple[str, Place]] = []
    for node in items(service.body, "ports"):
        if isinstance(node, Mapping):
            port = text(node, "published") or ""
        else:
            parts = node.text.partition("/")[0].split(":") if isinstance(node, Scalar) else []
            port = parts[-2] if len(parts) > 1 else ""
        # A range gives each container one of its ports.
        if port and "-" not in port and port != "0":
            found.append((port, node.place))
    return found


def waits(service: Service) -> list[tuple[str, str, Place]]:
    """What the service waits for before it starts: the other's name, the condition, and where it stands."""
    node = at(service.body, "depends_on")
    if isinstance(node, Sequence):
        return [(one.text, "service_started", one.place) for one in node.items if isinstance(one, Scalar)]
    if isinstance(node, Mapping):
        return [
            (name, text(body, "condition") or "service_started", node.keys[name]) for name, body in node.entries.items()
        ]
    return []


def seconds(written: str) -> float | None:
    """A duration like `1m30s` in seconds; None where the text is none."""
    if len(written) > 100 or not _DURATION.fullmatch(written):
        return None
    return sum(float(number) * _SECONDS[unit] for number, unit in _PART.findall(written))
