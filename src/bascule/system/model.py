"""The system as its file describes it: frozen structs, already checked against each other.

A `System` that came from `bascule.system.load` is consistent: every zone, component, link and port that is
named exists. Times, shares and rates carry their unit in the type.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

from bascule.kernel.quantities import Duration, Rate, Share

Scope = Literal["process", "host", "zone", "region"]
SCOPES: tuple[Scope, ...] = ("process", "host", "zone", "region")


class Availability(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The promised share of good requests, over a window."""

    target: Share
    window: Duration = Duration(30 * 86400.0)


class Latency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The promised latency: `percentile` percent of good requests answer within `within`."""

    within: Duration
    percentile: float = 99.0


class Disruption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was promised for the loss of one process, host, zone or region."""

    rto: Duration
    rpo: Duration


class Objectives(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every promise of the system."""

    availability: Availability
    latency: Latency | None = None
    disruptions: dict[Scope, Disruption] = field(default_factory=dict)


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region and its zones. Zone names are unique in the whole system."""

    zones: tuple[str, ...]


class Need(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dependency on another component.

    `hard`: without it this component fails. `soft`: without it this component degrades, as `degrades` says.
    """

    kind: Literal["hard", "soft"] = "hard"
    degrades: str = ""


class Component(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the system: an engine, and how many replicas of it each zone has.

    `options` are the engine's own; the engine checks them (see `bascule.engines`).
    """

    engine: str
    replicas: dict[str, int]
    options: dict[str, object] = field(default_factory=dict)
    needs: dict[str, Need] = field(default_factory=dict)


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line between two regions, the same in both directions.

    `delay` is one way, so a round trip takes twice as long. `outside` may be named as the place of the clients.
    """

    between: tuple[str, str]
    delay: Duration = Duration(0.0)
    jitter: Duration = Duration(0.0)
    loss: Share = Share(0.0)


class Operation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of HTTP request in the mix.

    In `path` and `body`, `{number}` is the operation's unique number, `{client}` the client's name, and `{NAME}` a value
    that an earlier operation captured. An operation that needs a captured value before there is one sends the first
    capturing operation instead.

    Attributes:
        writes: The acknowledgement promises that `{number}` is stored: the checkers hold the system to it.
        capture: Name under which a field of the JSON answer is kept for later operations: `{"task": "id"}`.
        idempotent: Send an `Idempotency-Key` header, the same for each retry.
    """

    name: str
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: str
    body: str = ""
    weight: float = 1.0
    writes: bool = False
    capture: dict[str, str] = field(default_factory=dict)
    idempotent: bool = True


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client signs in: the answer's `token` field goes into `Authorization: Bearer`; again after a 401."""

    path: str
    body: str = "{}"
    token: str = "token"


class Workload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load that drills offer.

    Attributes:
        through: The component that receives it; clients know all of its replicas and leave one that does not answer.
        port: Name of that component's port (see `bascule engines`).
        protocol: `http` offers `operations`; `postgresql` writes unique numbers into a table of its own.
        rate: Offered operations per second, open loop.
        deadline: An operation is good only if acknowledged within this time of its due time.
        retries: How often a client sends a failed operation again (within its deadline).
        audit: HTTP only: GET path that returns `{"numbers": [...]}`, every number stored, once per copy stored.
    """

    through: str
    rate: Rate
    port: str = ""
    protocol: Literal["http", "postgresql"] = "http"
    deadline: Duration = Duration(1.0)
    retries: int = 0
    session: Session | None = None
    operations: tuple[Operation, ...] = ()
    audit: str = ""


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole system and its promises."""

    system: str
    objectives: Objectives
    regions: dict[str, Region]
    components: dict[str, Component]
    workload: Workload
    links: tuple[Link, ...] = ()

    def region_of(self, zone: str) -> str:
        """The region that has this zone.

        Raises:
            KeyError: No region has it.
        """
        for name, region in self.regions.items():
            if zone in region.zones:
                return name
        raise KeyError(zone)

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone, in the file's order."""
        return tuple(zone for region in self.regions.values() for zone in region.zones)
