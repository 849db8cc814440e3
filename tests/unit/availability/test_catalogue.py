"""What providers promise is never shown as if it had been measured."""

from __future__ import annotations

import re

import pytest

from bascule.availability.catalogue import AS_OF, MOST, OUTAGES, SERVICES, CloudService, service
from bascule.kernel.errors import InputError


@pytest.mark.parametrize("given", SERVICES.values(), ids=str)
def test_every_promise_says_that_it_is_one_where_it_stands_and_when_it_was_read(given: CloudService) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]+", given.name)
    assert given.basis == "sla"
    assert "Service Level Agreement" in given.document
    assert given.as_of == AS_OF
    assert given.mttr_source.startswith("assumption")
    assert 0 < given.mttr.seconds < 86400
    assert 0.99 <= given.availability.fraction <= 1
    assert all(
        part in given.label for part in ("an SLA", "a refund threshold, not a measurement", given.document, AS_OF)
    )
    assert given.label.startswith(str(given.availability))


@pytest.mark.parametrize(
    ("name", "promise"),
    [
        ("aws-s3", "99.9%"),
        ("aws-rds-multi-az", "99.95%"),
        ("aws-rds-single-az", "99.5%"),
        ("aws-ec2-region", "99.99%"),
        ("aws-ec2-instance", "99.5%"),
        ("aws-dynamodb-global", "99.999%"),
        ("azure-vm-set", "99.95%"),
        ("azure-sql-zones", "99.995%"),
        ("gcp-compute-zones", "99.99%"),
        ("gcp-gke-zonal", "99.5%"),
        ("gcp-storage-multi-region", "99.95%"),
    ],
)
def test_well_known_promises(name: str, promise: str) -> None:
    assert str(service(name).availability) == promise


def test_a_promise_of_all_the_time_is_not_reckoned_with() -> None:
    dns = service("aws-route53")
    assert str(dns.availability) == "100%"
    assert dns.predicted == MOST
    assert "99.999% is reckoned with, an assumption" in dns.label
    assert service("aws-s3").predicted == service("aws-s3").availability


def test_a_name_that_is_not_there_gets_the_nearest_one() -> None:
    with pytest.raises(InputError, match="aws-s4") as refused:
        service("aws-s4")
    assert "aws-s3" in refused.value.hint
    with pytest.raises(InputError) as refused:
        service("own-data-centre-in-the-cellar")
    assert refused.value.hint


def test_zones_and_regions_are_lost_now_and_then_by_assumption() -> None:
    assert set(OUTAGES) == {"zone", "region"}
    for given in OUTAGES.values():
        assert given.source.startswith("assumption")
        assert 0 < given.mttr.seconds < given.mtbf.seconds / 1000
    assert OUTAGES["zone"].mtbf < OUTAGES["region"].mtbf
