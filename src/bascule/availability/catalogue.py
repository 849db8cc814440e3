"""What cloud providers promise for their services, and how often zones and regions are lost. Pure.

A service level agreement is a threshold below which a provider refunds a part of the bill. It is neither a measurement
nor a forecast: `basis` says so in each entry, and `label` in each print. The numbers are those of the named documents
as they were known in 2025; providers change them, and each has conditions, which only the document itself tells.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Literal

from msgspec import Struct

from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration, Share
from bascule.system.problems import did_you_mean

AS_OF = "as of 2025, check the provider's page"
MOST = Share(0.99999)
"""What is taken where the promise is 100 %: an assumption, because nothing is always there."""

DAY_S, HOUR_S = 86400.0, 3600.0


class CloudService(Struct, frozen=True, kw_only=True):
    """A service that others run.

    Attributes:
        name: What a system file calls it in `like`.
        provider: Who runs it.
        what: It, and the setting that the promise is for.
        availability: The promise, for a calendar month.
        document: Where it stands.
        basis: `sla`: below it a part of the bill is refunded; it was not measured.
        as_of: When that was known.
        mttr: The mean length of its outages.
        mttr_source: Where that comes from.
    """

    name: str
    provider: str
    what: str
    availability: Share
    document: str
    basis: Literal["sla"] = "sla"
    as_of: str = AS_OF
    mttr: Duration = Duration(HOUR_S)
    mttr_source: str = "assumption: an hour"

    @property
    def predicted(self) -> Share:
        """What to reckon with: the promise, or 99.999 % where it is more than that."""
        return min(self.availability, MOST)

    @property
    def label(self) -> str:
        """The promise with what it is, for people: never the number alone."""
        taken = f"; {MOST} is reckoned with, an assumption" if self.availability > MOST else ""
        what = "an SLA: a refund threshold, not a measurement"
        return f"{self.availability} ({what}{taken}; {self.document}, {self.as_of})"


class TypicalOutage(Struct, frozen=True, kw_only=True):
    """How often a whole zone or region is lost, and for how long.

    Attributes:
        mtbf: Mean time between two such outages of one zone, or one region.
        mttr: Their mean length.
        source: Where both come from.
    """

    mtbf: Duration
    mttr: Duration
    source: str


OUTAGES: MappingProxyType[Literal["zone", "region"], TypicalOutage] = MappingProxyType(
    {
        "zone": TypicalOutage(
            mtbf=Duration(2 * 365.25 * DAY_S),
            mttr=Duration(2 * HOUR_S),
            source="assumption: one in two years, for two hours; providers publish single incidents, and no rates",
        ),
        "region": TypicalOutage(
            mtbf=Duration(5 * 365.25 * DAY_S),
            mttr=Duration(4 * HOUR_S),
            source="assumption: one in five years, for four hours; providers publish single incidents, and no rates",
        ),
    }
)
"""What is reckoned with where the system file says nothing."""

_AWS, _AZURE, _GOOGLE = "AWS", "Azure", "Google Cloud"
_COMPUTE, _RDS = "Amazon Compute Service Level Agreement", "Amazon RDS Service Level Agreement"
_DYNAMODB = "Amazon DynamoDB Service Level Agreement"
_ELB = "Elastic Load Balancing Service Level Agreement"
_CACHE = "Amazon ElastiCache Service Level Agreement"
_MICROSOFT = "Microsoft, Service Level Agreements for Online Services"
_ENGINE, _SQL = "Compute Engine Service Level Agreement", "Cloud SQL Service Level Agreement"
_GKE, _SPANNER = "Google Kubernetes Engine Service Level Agreement", "Spanner Service Level Agreement"
_STORAGE = "Cloud Storage Service Level Agreement"

_ROWS: tuple[tuple[str, str, str, str, str], ...] = (
    ("aws-ec2-region", _AWS, "EC2, instances in two zones or more", "99.99", _COMPUTE),
    ("aws-ec2-instance", _AWS, "EC2, one instance", "99.5", _COMPUTE),
    ("aws-rds-multi-az", _AWS, "RDS, Multi-AZ", "99.95", _RDS),
    ("aws-rds-single-az", _AWS, "RDS, one instance", "99.5", _RDS),
    ("aws-aurora-multi-az", _AWS, "Aurora, two zones or more", "99.99", "Amazon Aurora Service Level Agreement"),
    ("aws-s3", _AWS, "S3 Standard", "99.9", "Amazon S3 Service Level Agreement"),
    ("aws-dynamodb", _AWS, "DynamoDB in one region", "99.99", _DYNAMODB),
    ("aws-dynamodb-global", _AWS, "DynamoDB global tables, clients that change regions", "99.999", _DYNAMODB),
    ("aws-sqs", _AWS, "SQS", "99.9", "Amazon Messaging (SQS, SNS) Service Level Agreement"),
    ("aws-elb", _AWS, "a load balancer in two zones or more", "99.99", _ELB),
    ("aws-elb-single-az", _AWS, "a load balancer in one zone", "99.9", _ELB),
    ("aws-route53", _AWS, "Route 53, answers to queries", "100", "Amazon Route 53 Service Level Agreement"),
    ("aws-cloudfront", _AWS, "CloudFront", "99.9", "Amazon CloudFront Service Level Agreement"),
    ("aws-lambda", _AWS, "Lambda", "99.95", "AWS Lambda Service Level Agreement"),
    ("aws-eks", _AWS, "EKS, the Kubernetes endpoint", "99.95", "Amazon EKS Service Level Agreement"),
    ("aws-elasticache-multi-az", _AWS, "ElastiCache, Multi-AZ with failover", "99.99", _CACHE),
    ("aws-elasticache-single-az", _AWS, "ElastiCache in one zone", "99.5", _CACHE),
    ("azure-vm-zones", _AZURE, "virtual machines in two zones or more", "99.99", _MICROSOFT),
    ("azure-vm-set", _AZURE, "virtual machines in an availability set", "99.95", _MICROSOFT),
    ("azure-vm-single", _AZURE, "one virtual machine, premium disks", "99.9", _MICROSOFT),
    ("azure-sql", _AZURE, "SQL Database", "99.99", _MICROSOFT),
    ("azure-sql-zones", _AZURE, "SQL Database, business critical, zone redundant", "99.995", _MICROSOFT),
    ("azure-cosmos", _AZURE, "Cosmos DB in one region", "99.99", _MICROSOFT),
    ("azure-cosmos-multi-write", _AZURE, "Cosmos DB, written in several regions", "99.999", _MICROSOFT),
    ("azure-storage", _AZURE, "Storage, hot tier", "99.9", _MICROSOFT),
    ("azure-storage-ra-grs", _AZURE, "Storage, RA-GRS, hot tier, reads that go to both regions", "99.99", _MICROSOFT),
    ("azure-front-door", _AZURE, "Front Door", "99.99", _MICROSOFT),
    ("azure-aks-zones", _AZURE, "AKS, the API server, zones, standard tier", "99.95", _MICROSOFT),
    ("azure-aks", _AZURE, "AKS, the API server, no zones, standard tier", "99.9", _MICROSOFT),
    ("azure-dns", _AZURE, "DNS, answers to queries", "100", _MICROSOFT),
    ("gcp-compute-zones", _GOOGLE, "Compute Engine, instances in several zones, premium network", "99.99", _ENGINE),
    ("gcp-compute-single", _GOOGLE, "Compute Engine, one instance, premium network", "99.9", _ENGINE),
    ("gcp-sql", _GOOGLE, "Cloud SQL Enterprise, high availability", "99.95", _SQL),
    ("gcp-sql-plus", _GOOGLE, "Cloud SQL Enterprise Plus, high availability", "99.99", _SQL),
    ("gcp-gke-regional", _GOOGLE, "GKE, the control plane of a regional cluster", "99.95", _GKE),
    ("gcp-gke-zonal", _GOOGLE, "GKE, the control plane of a zonal cluster", "99.5", _GKE),
    ("gcp-storage-multi-region", _GOOGLE, "Cloud Storage Standard, multi-region or dual-region", "99.95", _STORAGE),
    ("gcp-storage-regional", _GOOGLE, "Cloud Storage Standard, one region", "99.9", _STORAGE),
    ("gcp-spanner-regional", _GOOGLE, "Spanner, a regional instance", "99.99", _SPANNER),
    ("gcp-spanner-multi-region", _GOOGLE, "Spanner, a multi-region instance", "99.999", _SPANNER),
    ("gcp-pubsub", _GOOGLE, "Pub/Sub", "99.95", "Pub/Sub Service Level Agreement"),
    ("gcp-dns", _GOOGLE, "Cloud DNS, answers to queries", "100", "Cloud DNS Service Level Agreement"),
    ("cloudflare-business", "Cloudflare", "Business plan", "100", "Cloudflare Business Service Level Agreement"),
)

SERVICES: MappingProxyType[str, CloudService] = MappingProxyType(
    {
        name: CloudService(
            name=name, provider=provider, what=what, availability=Share.parse(f"{promise}%"), document=document
        )
        for name, provider, what, promise, document in _ROWS
    }
)
"""Every service that `like` may name."""


def service(name: str) -> CloudService:
    """The cloud service of this name.

    Raises:
        InputError: The catalogue has none.
    """
    found = SERVICES.get(name)
    if found is None:
        hint = did_you_mean(name, SERVICES) or "say its availability, with its basis"
        raise InputError(f"the catalogue has no cloud service {name!r}", hint=hint)
    return found
