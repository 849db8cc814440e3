"""The system as its file describes it: frozen structs, already checked against each other.

A `System` that came from `bascule.system.load` is consistent: every zone, component, link and port that is
named exists. Times, shares and rates carry their unit in the type.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bascule.kernel.quantities import Duration, Rate, Share
from bascule.system.dependability import Backup, Costs, Outage, Reliability, Service
from bascule.system.scenario import Scenario, Scope

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]{0,30}$")]
"""Lower-case letters, digits and hyphens, a letter first, at most 31: it becomes part of host names."""

HttpPath = Annotated[str, Meta(pattern="^/")]
"""The path of an HTTP request, with its query."""

SCOPES: tuple[Scope, ...] = ("process", "host", "zone", "region")


class Availability(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The promised share of good requests, over a window.

    Attributes:
        target: Below 100%: what is left is the error budget.
        window: Over how long it is counted.
    """

    target: Share
    window: Duration = Duration(30 * 86400.0)


class Latency(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The promised latency: `percentile` percent of good requests answer within `within`.

    Attributes:
        within: The time of an answer, from when the request was due.
        percentile: Between 0 and 100, both excluded.
    """

    within: Duration
    percentile: Annotated[float, Meta(gt=0, lt=100)] = 99.0


class Disruption(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What was promised for the loss of one process, host, zone or region.

    Attributes:
        rto: Recovery time: how long after the fault clients are served again, at most.
        rpo: Recovery point: how much of the latest acknowledged work may be lost; 0 means none.
    """

    rto: Duration
    rpo: Duration


class Objectives(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Every promise of the system.

    Attributes:
        availability: The share of good requests.
        latency: The time of an answer.
        disruptions: The loss of one `process`, `host`, `zone` or `region`.
    """

    availability: Availability
    latency: Latency | None = None
    disruptions: dict[Scope, Disruption] = field(default_factory=dict)


class Region(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A region and its zones.

    Attributes:
        zones: Their names, unique in the whole system.
    """

    zones: Annotated[tuple[Name, ...], Meta(min_length=1)]


class Need(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A dependency on another component, or on a service that others run.

    Attributes:
        kind: `hard`: without it this component fails; `soft`: without it this component degrades.
        degrades: What a user notices while a soft need is not met.
        timeout: How long one call to it may take.
        retries: How often a call that failed is sent again, each time with the whole timeout.
    """

    kind: Literal["hard", "soft"] = "hard"
    degrades: str = ""
    timeout: Duration | None = None
    retries: Annotated[int, Meta(ge=0, le=100)] = 0


class Component(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of the system: an engine, and how many replicas of it each zone has.

    Attributes:
        engine: The real program that it is: `bascule engines` lists them.
        replicas: How many of them each zone has.
        options: The engine's own; the engine checks them.
        needs: The components and services without which it fails (`hard`) or degrades (`soft`).
        reliability: How often a replica fails, and what happens then; predictions take what is missing from the engine.
        backup: How its data is kept beside its replicas.
    """

    engine: str
    replicas: dict[Name, Annotated[int, Meta(ge=0, le=99)]]
    options: dict[str, object] = field(default_factory=dict)
    needs: dict[Name, Need] = field(default_factory=dict)
    reliability: Reliability | None = None
    backup: Backup | None = None


class Link(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The line between two regions, the same in both directions.

    Attributes:
        between: Two regions, or a region and `outside`, where the clients are.
        delay: One way, so a round trip takes twice as long.
        jitter: By how much the delay of a packet varies.
        loss: The share of packets that never arrive.
    """

    between: tuple[Name, Name]
    delay: Duration = Duration(0.0)
    jitter: Duration = Duration(0.0)
    loss: Share = Share(0.0)


class Operation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of HTTP request in the mix.

    In `path` and `body`, `{number}` is the operation's unique number, `{client}` the client's name, and `{NAME}` a
    value that an earlier operation captured. An operation that needs a captured value before there is one sends the
    first capturing operation instead.

    Attributes:
        name: What reports call it.
        method: The HTTP method.
        path: The path, with its query.
        body: The body, sent as JSON; empty for none.
        weight: How often it comes, relative to the other operations.
        writes: The acknowledgement promises that `{number}` is stored: the checkers hold the system to it.
        capture: Name under which a field of the JSON answer is kept for later operations: `{"task": "id"}`.
        idempotent: Send an `Idempotency-Key` header, the same for each retry.
    """

    name: Name
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"]
    path: HttpPath
    body: str = ""
    weight: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    writes: bool = False
    capture: dict[str, str] = field(default_factory=dict)
    idempotent: bool = True


class Session(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a client signs in: the answer's `token` field goes into `Authorization: Bearer`; again after a 401.

    Attributes:
        path: Where a client sends a POST to sign in.
        body: What it sends, as JSON.
        token: The field of the JSON answer that is the token.
    """

    path: HttpPath
    body: str = "{}"
    token: str = "token"  # noqa: S105 - the name of a field, not its content


class Entry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How clients find the component that receives the load.

    Attributes:
        kind: `members`: they know all of its replicas, and leave one that does not answer. `vip`: they know one
            address, which stands on the host of one replica at a time, and moves when that fails.
        provider: What moves the address: `bascule` by a lease in a store, `keepalived` by VRRP.
        store: Provider bascule only: the component, with engine etcd or postgresql, that keeps the lease.
        ttl: Provider bascule only: how long rivals wait after the holder's last sign of life; 500ms if not given.
        options: The provider's own; it checks them.
    """

    kind: Literal["members", "vip"]
    provider: Literal["bascule", "keepalived"] = "bascule"
    store: str = ""
    ttl: Duration | None = None
    options: dict[str, object] = field(default_factory=dict)


class Workload(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The load that drills offer.

    Attributes:
        through: The component that receives it.
        entry: How clients find that component; without it, they know all of its replicas.
        port: Name of that component's port (see `bascule engines`).
        protocol: `http` offers `operations`; `postgresql` writes unique numbers into a table of its own.
        rate: Offered operations per second, open loop: at most 20000/s.
        deadline: An operation is good only if acknowledged within this time of its due time.
        session: HTTP only: how a client signs in.
        operations: HTTP only: the mix.
        retries: How often a client sends a failed operation again (within its deadline).
        audit: HTTP only: GET path that returns `{"numbers": [...]}`, every number stored, once per copy stored.
    """

    through: Name
    rate: Rate
    port: str = ""
    protocol: Literal["http", "postgresql"] = "http"
    entry: Entry | None = None
    deadline: Duration = Duration(1.0)
    retries: Annotated[int, Meta(ge=0, le=10)] = 0
    session: Session | None = None
    operations: tuple[Operation, ...] = ()
    audit: str = ""


class System(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole system and its promises.

    Attributes:
        system: Its name.
        objectives: What was promised.
        regions: Where it runs.
        components: What it is made of.
        workload: The load that drills offer.
        links: The lines between its regions; a pair that is not listed has no delay.
        experiments: Experiments of its own, beside those that every system can have.
        services: What others run and this system needs; labs do without them.
        outages: How often whole zones and regions are lost; predictions have typical figures where it is not said.
        costs: What downtime costs, and what it costs to have less of it.
    """

    system: Name
    objectives: Objectives
    regions: Annotated[dict[Name, Region], Meta(min_length=1)]
    components: Annotated[dict[Name, Component], Meta(min_length=1)]
    workload: Workload
    links: tuple[Link, ...] = ()
    experiments: dict[Name, Scenario] = field(default_factory=dict)
    services: dict[Name, Service] = field(default_factory=dict)
    outages: dict[Literal["zone", "region"], Outage] = field(default_factory=dict)
    costs: Costs | None = None

    def region_of(self, zone: str) -> str:
        """The region that has this zone.

        Raises:
            KeyError: No region has it.
        """
        for name, region in self.regions.items():
            if zone in region.zones:
                return name
        raise KeyError(zone)

    def round_trip_s(self, components: Iterable[str]) -> float:
        """The slowest round trip, jitter included, between any two regions in which these components have replicas."""
        placed = (zone for name in components for zone, count in self.components[name].replicas.items() if count)
        regions = {self.region_of(zone) for zone in placed}
        trips = (2 * (li.delay.seconds + li.jitter.seconds) for li in self.links if set(li.between) <= regions)
        return max(trips, default=0.0)

    @property
    def vip(self) -> Entry | None:
        """The entry, if it is one address that moves; None where clients know all replicas."""
        entry = self.workload.entry
        return entry if entry is not None and entry.kind == "vip" else None

    @property
    def zones(self) -> tuple[str, ...]:
        """Every zone, in the file's order."""
        return tuple(zone for region in self.regions.values() for zone in region.zones)


class ExperimentFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of experiments beside a system file.

    Attributes:
        experiments: As in a system file.
    """

    experiments: Annotated[dict[Name, Scenario], Meta(min_length=1)]
