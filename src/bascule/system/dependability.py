"""What a system file may say for predictions: how often parts fail, who repairs them, what others run, what it costs.

Everything here is optional. What is not said comes from the typical figures of the engine, each with its source.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct, field

from bascule.kernel.quantities import Duration, Share

Amount = Annotated[float, Meta(ge=0, le=1e15)]
"""Money, in the currency that the file names."""

Basis = Literal["measured", "sla", "assumed"]


class Reliability(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often one replica fails, how it comes back, and what the others do meanwhile.

    Attributes:
        mtbf: Mean time between failures of one replica by its own cause; the loss of its zone or region is not counted.
        mttr: Mean time to repair one replica, from its failure until it serves again.
        needed: How many replicas carry the whole load (k of n); below that the component fails. Without it, one, or a
            majority where the engine votes.
        redundancy: `active`: all replicas serve; `standby`: one serves, and another must take over when it fails.
        failover: How long clients are not served when a replica fails and the others take over, detection included.
        coverage: The probability that a failover works by itself.
        manual: How long an outage lasts when the failover did not work, until a person has put it right.
        beta: The share of failures that hit all replicas at once (beta-factor model of common cause).
        crews: How many replicas can be repaired at the same time; 0: all.
    """

    mtbf: Duration | None = None
    mttr: Duration | None = None
    needed: Annotated[int, Meta(ge=1, le=9999)] | None = None
    redundancy: Literal["active", "standby"] | None = None
    failover: Duration | None = None
    coverage: Share | None = None
    manual: Duration | None = None
    beta: Share | None = None
    crews: Annotated[int, Meta(ge=0, le=9999)] = 0


class Backup(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a component's data is kept beside its replicas.

    Attributes:
        every: From one backup to the next; with continuous archiving, from one archived piece to the next.
        restore: How long it takes until the restored data is served.
        off_site: Whether a copy is kept in another region.
        encrypted: Whether the copies are.
        restored_every: How often a restore is rehearsed.
    """

    every: Duration
    restore: Duration | None = None
    off_site: bool = False
    encrypted: bool = False
    restored_every: Duration | None = None


class Service(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Something that others run and this system needs: name resolution, sign-in, payments, a managed database.

    Attributes:
        like: Its name in the catalogue of cloud services (`bascule predict --services`), for its typical figures.
        availability: Its availability; it counts before that of `like`.
        mttr: The mean length of its outages.
        basis: What `availability` is: a measurement, an assumption, or the threshold below which the provider refunds.
    """

    like: str = ""
    availability: Share | None = None
    mttr: Duration | None = None
    basis: Basis = "assumed"


class Outage(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How often a whole zone or region is lost, and for how long.

    Attributes:
        mtbf: Mean time between two such outages of one zone, or one region.
        mttr: Their mean length.
    """

    mtbf: Duration
    mttr: Duration


class Costs(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What downtime costs, and what it costs to have less of it. All amounts are in one currency.

    Attributes:
        currency: What the amounts are in.
        downtime_per_minute: What a minute without service costs; it counts before `revenue_per_year`.
        revenue_per_year: What the system earns; a minute of downtime then costs revenue / 525,960 x impact.
        impact: How much of the revenue a minute of downtime loses, lost customers included.
        infrastructure_per_year: What the system costs to run with backups alone, which strategies of recovery multiply.
        replicas: What one more replica of a component costs, by component, for a year.
        zone: What one more zone costs beyond its replicas, for a year.
        region: What one more region costs beyond its replicas, for a year.
    """

    currency: Annotated[str, Meta(pattern="^[A-Z]{3}$")] = "EUR"
    downtime_per_minute: Amount | None = None
    revenue_per_year: Amount | None = None
    impact: Amount = 1.0
    infrastructure_per_year: Amount | None = None
    replicas: dict[str, Amount] = field(default_factory=dict)
    zone: Amount = 0.0
    region: Amount = 0.0
