"""What an engine is, and what can be done to it: small protocols, implemented as far as they are true of it."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from msgspec import Struct, field

from bascule.availability.figures import Figures
from bascule.system import problems
from bascule.system.model import Component, System

Finding = problems.Finding
"""Something wrong in a system file: the path in the document, what is wrong, what would be right."""

Dial = Callable[[int], socket.socket]
"""Opens a TCP connection to this port of the member, from inside its own host (works through a partition)."""


class Member(Struct, frozen=True, kw_only=True):
    """One replica of a component on a host of its own, which has the same unique name: `database-paris-a-1`."""

    component: str
    name: str
    address: str
    zone: str
    region: str
    index: int


class Program(Struct, frozen=True, kw_only=True):
    """A real program: where it was found, which version, and what it needs in its environment.

    Attributes:
        source: `environment` when BASCULE_<PROGRAM> named it.
        arguments: What always comes after `path`: `("-m", "patroni")` for a program that is a Python module.
    """

    name: str
    path: str
    version: str
    source: Literal["PATH", "wheel", "environment"]
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def argv(self) -> tuple[str, ...]:
        """The words with which every call of it begins."""
        return (self.path, *self.arguments)


class HealthCheck(Struct, frozen=True, kw_only=True):
    """How a proxy finds out whether a member serves: GET `path` at `port` gives 200; no path: it accepts."""

    port: int
    path: str = ""


class File(Struct, frozen=True, kw_only=True):
    """A file that an engine renders, relative to the member's directory."""

    path: str
    text: str
    secret: bool = False


Capability = Literal["net_admin", "net_raw"]
"""What a program may do in its own host's network: change it (`net_admin`), send frames of its own (`net_raw`)."""


class Launch(Struct, frozen=True, kw_only=True):
    """How a member's main process is started: an argument list, never a shell string.

    Attributes:
        after_s: At the component's very first start, how long after its first member this one starts.
        capabilities: What it may do to its host's network; only where hosts have networks of their own.
    """

    argv: tuple[str, ...]
    environment: dict[str, str] = field(default_factory=dict)
    stop_signal: str = "SIGTERM"
    after_s: float = 0.0
    capabilities: tuple[Capability, ...] = ()


class Companion(Struct, frozen=True, kw_only=True):
    """A program beside a member, on the same host: both lose its power, and a kill of the one spares the other.

    Attributes:
        name: Unique in the lab; its log and its directory are called so.
        files: Relative to its own directory.
    """

    name: str
    files: tuple[File, ...]
    launch: Launch


class Rendering(Struct, frozen=True, kw_only=True):
    """What one member needs to run: its files, its launch, and its companions. `summary` is a line for people."""

    files: tuple[File, ...]
    launch: Launch
    summary: str = ""
    companions: tuple[Companion, ...] = ()


class Site(Struct, frozen=True, kw_only=True):
    """Everything that an engine may use to render one member. Pure input: rendering reads nothing else.

    Attributes:
        directory: The member's own directory, absolute, made empty before the first start.
        members: Every member of the system, this one included.
        secrets: Random words made for this lab, by `component/use`, as `Engine.secrets` asked for them.
        programs: What `Engine.programs` named, found.
        source_directory: The folder of the system file: what a service's relative paths start from.
        vip: The one address by which clients find this component, whichever member's host has it; empty if there is
            none.
    """

    system: System
    component: Component
    member: Member
    directory: Path
    members: tuple[Member, ...]
    secrets: Mapping[str, str]
    programs: Mapping[str, Program]
    source_directory: Path = Path()
    vip: str = ""

    def of(self, component: str) -> tuple[Member, ...]:
        """The members of a component, nearest first: same zone, same region, then the others in the file's order."""

        def distance(member: Member) -> int:
            return 0 if member.zone == self.member.zone else 1 if member.region == self.member.region else 2

        return tuple(sorted((m for m in self.members if m.component == component), key=distance))


Role = Literal["primary", "replica", "peer", "unknown"]


class Observation(Struct, frozen=True, kw_only=True):
    """How one member answers about itself now.

    Attributes:
        up: It answers, and says that it works.
        role: `peer` when the engine has no roles.
        epoch: PostgreSQL: the WAL timeline; 0 where there is none.
        whole: Fully part of its component: streaming with lag under bound, joined to the quorum.
        lag_bytes: How far it is behind the primary; None when unknown or without meaning.
        detail: A few words for people: `streaming, timeline 2`.
    """

    up: bool
    role: Role = "unknown"
    epoch: int = 0
    whole: bool = False
    lag_bytes: int | None = None
    detail: str = ""


EventKind = Literal[
    "noticed", "promoted", "demoted", "restarted", "ready", "rejoined", "server_down", "server_up", "lease"
]


class EngineEvent(Struct, frozen=True, kw_only=True):
    """Something that a member's log says, put into the few kinds that explain an outage.

    `noticed` is the moment at which the engine itself knew of the failure: a lease ran out, a process was found dead.
    """

    kind: EventKind
    text: str


class Engine(Protocol):
    """An engine: one folder, one instance, no state of its own."""

    name: str
    summary: str
    options: type[Struct]

    def ports(self, component: Component) -> Mapping[str, int]:
        """Its ports by name, the client's one first: `{"postgresql": 5432, "patroni": 8008}`."""
        ...

    def programs(self) -> tuple[str, ...]:
        """The programs it needs, by the names that `binaries.find` knows."""
        ...

    def check(self, system: System, name: str) -> tuple[Finding, ...]:
        """What is wrong with the component `name`, beyond options that cannot be read; empty when nothing is. Pure."""
        ...

    def secrets(self, name: str) -> tuple[str, ...]:
        """Keys of the secrets that the component `name` needs: `("database/app", ...)`."""
        ...

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """What `${name.KEY}` means to the member of `site`: addresses nearest first, users, file paths."""
        ...

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:
        """Secret files to which `exports` points: the consumer that `site` describes writes them. Pure."""
        ...

    def health(self, component: Component, role: Literal["any", "primary", "replica"]) -> HealthCheck:
        """How a proxy asks a member whether it serves in this role."""
        ...

    def render(self, site: Site) -> Rendering:
        """The files and the launch of one member. Pure."""
        ...

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:
        """Ask one member about itself. Never raises for a member that is down: that is an observation.

        Args:
            dial: Opens connections to the member.
            timeout_s: The longest that the whole answer may take.
            component: Its component, for the ports and paths that its options change; without it, the defaults.
        """
        ...

    def event(self, line: str) -> EngineEvent | None:
        """What a line of the member's log means, if it explains anything. Pure."""
        ...


@runtime_checkable
class Roled(Protocol):
    """An engine with one primary per component; the default experiment aims at it."""

    @property
    def main_command(self) -> str:
        """Kernel name of the process that does the work, as against its keeper: `postgres` under Patroni."""
        ...

    def cycle_s(self, component: Component) -> float:
        """In what rhythm the primary renews its claim: a fault meets each phase of it."""
        ...


@runtime_checkable
class Promotable(Protocol):
    """An engine whose primary can be moved on purpose."""

    def switchover(self, dial: Dial, *, primary: str, target: str, timeout_s: float) -> None:
        """Ask the member behind `dial` to hand the primary role from one member to another.

        Raises:
            FaultError: It refused, or did not answer in time.
        """
        ...


@runtime_checkable
class Entrance(Protocol):
    """An engine whose members can be found by one address that moves: they listen at `Site.vip` too, here or not."""

    @property
    def listens_at_vip(self) -> bool:
        """True."""
        ...


@runtime_checkable
class Figured(Protocol):
    """An engine of which it is known how often its members fail, and how soon the others take over."""

    def figures(self, system: System, name: str) -> Figures:
        """What is typical of the component `name`, as far as its options decide it; each figure has its source. Pure.

        Raises:
            InputError: Its options cannot be read; `registry.check_system` would have said so.
        """
        ...


class Provider(Protocol):
    """What moves the entry's address among the hosts of a component: one folder, one instance, no state of its own."""

    name: str
    summary: str
    options: type[Struct]

    def programs(self) -> tuple[str, ...]:
        """The programs it needs, by the names that `binaries.find` knows."""
        ...

    def check(self, system: System) -> tuple[Finding, ...]:
        """What is wrong with the entry, beyond options that cannot be read; empty when nothing is. Pure."""
        ...

    def companions(self, site: Site) -> tuple[Companion, ...]:
        """The programs that stand beside one member, the one that moves the address first. Pure.

        Args:
            site: The member's, with `vip`, and the directory of the first one, after which all of them are called.
        """
        ...

    def cycle_s(self, system: System) -> float:
        """In what rhythm a holder renews its claim: a fault meets each phase of it. Pure."""
        ...

    def is_ready(self, site: Site, timeout_s: float) -> bool:
        """Whether what runs beside the member takes part: it has the address, or could take it now. Never raises.

        Args:
            site: As for `companions`.
            timeout_s: The longest that the answer may take.
        """
        ...

    def hand_over(self, site: Site, target: str, timeout_s: float) -> bool:
        """Ask the holder, beside the site's member, to hand the address over to the member `target`, orderly.

        Returns:
            False where there is no such request: then the companion is stopped orderly, and started again.

        Raises:
            FaultError: It refused, or did not answer in time.
        """
        ...

    def event(self, line: str) -> EngineEvent | None:
        """What a line of the companion's log means, if it explains anything. Pure."""
        ...
