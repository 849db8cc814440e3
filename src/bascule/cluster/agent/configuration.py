"""The agent's file: TOML, read strictly, with everything that is wrong with it in one error."""

from __future__ import annotations

import hashlib
import ipaddress
import socket
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from msgspec import Meta, Struct, field, structs

from bascule.cluster.agent.registry import Chosen, choose
from bascule.cluster.decisions.group import Fencing, Group
from bascule.cluster.decisions.lease import Timing, check
from bascule.cluster.records import is_name
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Share, Size
from bascule.system.decoding import decode
from bascule.system.problems import Finding

FILE_LIMIT_BYTES = 1 << 20
MOST_GROUPS = 1000
SOCKET_LIMIT_BYTES = 107
S = TypeVar("S", bound=Struct)


class AgentSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The agent itself.

    Attributes:
        cluster: The cluster's name: the same on all of its agents, and on no others that use the store.
        name: The agent's, unique in the cluster; by default the host's.
        ttl: How long rivals wait after the last sign of life: 100ms to 1h.
        drift: By how much the speed of any clock of the cluster may differ from true time.
        stop: What is kept free before the validity ends, for stopping; by default a tenth of the ttl.
        control: The path of the socket by which `bascule cluster` talks to it.
        without_store: `step_down` when the lease runs out; or `hold` while every witness confirms (needs `peers`).
        promote_within: How long a promotion may take.
        demote_within: How long an orderly demotion may take; one at the end of a lease has what is left of that.
        verify_every: How often what follows the lease is looked at.
        guardian: A process of its own undoes everything when the agent dies.
    """

    cluster: str
    name: str = ""
    ttl: Duration = Duration(3.0)
    drift: Share = Share(0.02)
    stop: Duration | None = None
    control: str = ""
    without_store: Literal["step_down", "hold"] = "step_down"
    promote_within: Duration = Duration(10.0)
    demote_within: Duration = Duration(10.0)
    verify_every: Duration = Duration(1.0)
    guardian: bool = True


class PeersSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The way to the other agents, without the store; UDP, each datagram signed.

    Attributes:
        listen: Address and port at which peers reach this agent, and no other one: `10.0.0.1:7946`.
        key_file: A file with a secret of at least 16 characters, the same on all agents, readable by its owner alone.
    """

    listen: str
    key_file: str


class TelemetrySection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where facts go.

    Attributes:
        log: JSON lines on standard error.
        metrics: Address and port of a page for Prometheus; loopback unless a proxy with authentication is before it.
    """

    log: bool = True
    metrics: str = ""


class WatchdogSection(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The kernel's watchdog: it resets the machine when the agent does not stop in time.

    Attributes:
        device: Its path.
    """

    device: str = "/dev/watchdog"


class CheckTimes(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """In what rhythm a check runs.

    Attributes:
        every: Pause between two of them.
        fall: Failed ones in a row until the service counts as failed.
        rise: Good ones in a row until it counts as well again.
    """

    every: Duration = Duration(1.0)
    fall: Annotated[int, Meta(ge=1)] = 3
    rise: Annotated[int, Meta(ge=1)] = 1


class GroupTable(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One group, without its parts.

    Attributes:
        priority: The higher, the sooner this agent is chosen.
        fencing: When the group may be taken from a dead holder: its `lease` ended, a `fence` was confirmed, or `both`.
        most_lag: Beyond this replication lag this agent is not eligible.
        preempt_after: A holder hands over to an agent of higher priority that has been eligible for so long; 0s: never.
        hold_down: How long an agent that failed stays away, doubled with each failure in a row.
        identity: What the group is, in a word that is the same on all agents; by default made of its addresses.
    """

    priority: int = 100
    fencing: Fencing = "lease"
    most_lag: Size | None = None
    preempt_after: Duration = Duration(0.0)
    hold_down: Duration = Duration(10.0)
    identity: str = ""


class GroupPart(Struct, frozen=True, kw_only=True):
    """One group with its parts: what follows the lease, in order of promotion, and what says whether it may be had."""

    name: str
    table: GroupTable
    actuators: tuple[Chosen, ...] = ()
    check: Chosen | None = None
    times: CheckTimes = CheckTimes()

    @property
    def decided(self) -> Group:
        """What the decisions need to know of it."""
        table = self.table
        return Group(
            name=self.name,
            identity=table.identity or _identity(self.actuators),
            priority=table.priority,
            fencing=table.fencing,
            checked=self.check is not None,
            most_lag_bytes=table.most_lag.bytes if table.most_lag else None,
            preempt_after_s=table.preempt_after.seconds or None,
            hold_down_s=table.hold_down.seconds,
        )


class Configuration(Struct, frozen=True, kw_only=True):
    """What an agent's file says.

    Attributes:
        path: The file.
        fences: How each peer is cut off for sure, by the peer's name.
    """

    path: Path
    agent: AgentSection
    store: Chosen
    groups: dict[str, GroupPart] = field(default_factory=dict)
    peers: PeersSection | None = None
    telemetry: TelemetrySection = TelemetrySection()
    watchdog: WatchdogSection | None = None
    fences: dict[str, Chosen] = field(default_factory=dict)

    @property
    def timing(self) -> Timing:
        """The times of its leases."""
        return timing_of(self.agent)

    @property
    def control(self) -> Path:
        """Where its control socket is."""
        return control_path(self.agent)


def timing_of(agent: AgentSection) -> Timing:
    """The times of an agent's leases, unchecked."""
    ttl_s = agent.ttl.seconds
    return Timing(ttl_s=ttl_s, drift=agent.drift.fraction, stop_s=agent.stop.seconds if agent.stop else ttl_s / 10)


def control_path(agent: AgentSection) -> Path:
    """Where an agent's control socket is."""
    return Path(agent.control or f"/run/bascule/{agent.cluster}.{agent.name}.sock")


def load(path: Path) -> Configuration:
    """Read and check an agent's file.

    Raises:
        InputError: Everything that is wrong with it.
        MissingProgramError: Something that it names needs a Python package that is not installed.
    """
    try:
        with path.open("rb") as stream:
            data = stream.read(FILE_LIMIT_BYTES + 1)
    except OSError as error:
        raise InputError(f"the agent's file cannot be read: {error.strerror}", where=str(path)) from error
    if len(data) > FILE_LIMIT_BYTES:
        raise InputError("the agent's file is larger than 1 MiB", where=str(path))
    try:
        document = tomllib.loads(data.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise InputError(f"the agent's file is no TOML: {error}", where=str(path)) from error
    reading = _Reading(path)
    configuration = reading.everything(document)
    if reading.findings or configuration is None:
        raise refusal(path, reading.findings)
    return configuration


def _is_everywhere(host: str) -> bool:
    try:
        return ipaddress.ip_address(host.strip("[]")).is_unspecified
    except ValueError:
        return not host  # a name is resolved when it is listened at


def refusal(path: Path, findings: list[Finding]) -> InputError:
    """One error for everything that is wrong with a file."""
    lines = [f"{one.path}: {one.what}{f' ({one.hint})' if one.hint else ''}" for one in findings[:20]]
    more = f"\nand {len(findings) - 20} more" if len(findings) > 20 else ""
    what = lines[0] if len(lines) == 1 else f"{len(findings)} mistakes\n" + "\n".join(lines) + more
    return InputError(what, where=str(path))


class _Reading:
    """One walk through a file; what is wrong is collected in `findings`."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.findings: list[Finding] = []

    def everything(self, document: Mapping[str, Any]) -> Configuration | None:
        known = ("agent", "store", "groups", "peers", "telemetry", "watchdog", "fences")
        self.findings += [
            Finding(path=key, what="unknown table", hint=f"known: {', '.join(known)}")
            for key in document
            if key not in known
        ]
        agent = self._table(document.get("agent"), AgentSection, "agent")
        store = self._part(document.get("store"), "store", "store")
        groups = self._groups(document.get("groups", {}))
        peers = self._optional(document, PeersSection, "peers")
        telemetry = self._optional(document, TelemetrySection, "telemetry") or TelemetrySection()
        watchdog = self._optional(document, WatchdogSection, "watchdog")
        fences = {
            name: part
            for name, table in self._tables(document.get("fences", {}), "fences").items()
            if (part := self._part(table, "fence", f"fences.{name}")) is not None
        }
        if agent is None or store is None:
            return None
        agent = self._named(agent)
        self._together(agent, peers, groups, fences)
        return Configuration(
            path=self.path,
            agent=agent,
            store=store,
            groups=groups,
            peers=peers,
            telemetry=telemetry,
            watchdog=watchdog,
            fences=fences,
        )

    def _named(self, agent: AgentSection) -> AgentSection:
        agent = structs.replace(agent, name=agent.name or socket.gethostname().partition(".")[0])
        for path, name in (("agent.cluster", agent.cluster), ("agent.name", agent.name)):
            self._name(path, name)
        return agent

    def _name(self, path: str, name: str) -> None:
        if not is_name(name):
            self.findings.append(
                Finding(path=path, what=f"{name[:60]!r} is no name", hint="letters, digits and _.-, at most 63")
            )

    def _together(
        self,
        agent: AgentSection,
        peers: PeersSection | None,
        groups: Mapping[str, GroupPart],
        fences: Mapping[str, Chosen],
    ) -> None:
        if agent.without_store == "hold" and peers is None:
            hint = "[peers] with listen and key_file"
            self.findings.append(Finding(path="agent.without_store", what="to hold, peers must be asked", hint=hint))
        if peers is not None and _is_everywhere(peers.listen.rpartition(":")[0]):
            what = "peers are told this address, and reach nobody there"
            hint = "name the one at which they reach this agent, and no other one: 10.0.0.1:7946"
            self.findings.append(Finding(path="peers.listen", what=what, hint=hint))
        self._positive("agent", agent, ("promote_within", "demote_within", "verify_every"))
        self._path_of_socket(agent)
        self._alone(groups)
        try:
            check(timing_of(agent))
        except InputError as error:
            self.findings.append(Finding(path="agent", what=error.what, hint=error.hint))
        for name, group in groups.items():
            self._positive(f"groups.{name}.check", group.times, ("every",))
            if group.table.fencing != "lease" and not fences:
                what = f"fencing = {group.table.fencing!r} needs a way to fence"
                hint = "[fences.NAME-OF-PEER] with kind"
                self.findings.append(Finding(path=f"groups.{name}.fencing", what=what, hint=hint))

    def _positive(self, path: str, table: Struct, names: Sequence[str]) -> None:
        for name in names:
            if getattr(table, name).seconds <= 0:
                self.findings.append(Finding(path=f"{path}.{name}", what="it must be longer than 0 s"))

    def _path_of_socket(self, agent: AgentSection) -> None:
        if len(str(control_path(agent)).encode()) > SOCKET_LIMIT_BYTES:
            what = f"the path of a socket has at most {SOCKET_LIMIT_BYTES} bytes"
            self.findings.append(Finding(path="agent.control", what=what))

    def _alone(self, groups: Mapping[str, GroupPart]) -> None:
        """A command is known by its name on this machine: what it did last is written down under it."""
        seen: dict[str, str] = {}
        for group, part in groups.items():
            for place, one in enumerate(part.actuators):
                path, name = f"groups.{group}.actuators[{place}]", getattr(one.options, "name", "")
                if one.kind == "command" and (first := seen.setdefault(name, path)) != path:
                    self.findings.append(Finding(path=f"{path}.name", what=f"{name!r} is the name of {first} already"))

    def _tables(self, document: object, path: str) -> Mapping[str, Any]:
        if isinstance(document, Mapping):
            return document
        self.findings.append(Finding(path=path, what=f"expected a table, got {type(document).__name__}"))
        return {}

    def _table(self, document: object, kind: type[S], path: str) -> S | None:
        value, findings = decode({} if document is None else document, kind, path)
        self.findings += findings
        return value

    def _optional(self, document: Mapping[str, Any], kind: type[S], path: str) -> S | None:
        return self._table(document[path], kind, path) if path in document else None

    def _part(self, document: object, family: str, path: str) -> Chosen | None:
        if document is None:
            self.findings.append(Finding(path=path, what="it is missing", hint=f"[{path}] with kind"))
            return None
        chosen, findings = choose(document, family, path)
        self.findings += findings
        return chosen

    def _groups(self, document: object) -> dict[str, GroupPart]:
        tables = self._tables(document, "groups")
        if len(tables) > MOST_GROUPS:
            self.findings.append(Finding(path="groups", what=f"more than {MOST_GROUPS} groups"))
            return {}
        found: dict[str, GroupPart] = {}
        for name, table in tables.items():
            self._name(f"groups.{name}", name)
            part = self._group(name, table, f"groups.{name}")
            if part is not None:
                found[name] = part
        return found

    def _group(self, name: str, document: object, path: str) -> GroupPart | None:
        rest = dict(self._tables(document, path))
        actuators, checked = rest.pop("actuators", []), rest.pop("check", None)
        table = self._table(rest, GroupTable, path)
        if not isinstance(actuators, list):
            self.findings.append(
                Finding(path=f"{path}.actuators", what="expected tables", hint=f"[[{path}.actuators]]")
            )
            actuators = []
        parts = [self._part(one, "actuator", f"{path}.actuators[{place}]") for place, one in enumerate(actuators)]
        times, check_part = CheckTimes(), None
        if checked is not None:
            own = dict(self._tables(checked, f"{path}.check"))
            own_times = {key: own.pop(key) for key in ("every", "fall", "rise") if key in own}
            times = self._table(own_times, CheckTimes, f"{path}.check") or times
            check_part = self._part(own, "check", f"{path}.check")
        if table is None:
            return None
        return GroupPart(
            name=name,
            table=table,
            actuators=tuple(part for part in parts if part is not None),
            check=check_part,
            times=times,
        )


def _identity(actuators: tuple[Chosen, ...]) -> str:
    """What the actuators act on, in a word: the same on all agents although interfaces and paths differ."""
    words = [f"{one.kind} {getattr(one.options, 'address' if one.kind == 'vip' else 'name', '')}" for one in actuators]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()[:16] if words else ""
