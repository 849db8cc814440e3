"""What is said of a name at Route 53 is refused at the start where it cannot work; batches compare before they swap."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest

from bascule.cluster.actuators import route53, route53_changes
from bascule.cluster.actuators.route53_changes import Wanted
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration

OPTIONS = route53.Options(zone_id="Z012345", name="DB.example.org", value="10.0.0.1")
WANTED = Wanted(name="db.example.org.", type="A", value="10.0.0.1", ttl_s=30)


@pytest.mark.parametrize(
    "changes",
    [
        {"zone_id": ""},
        {"zone_id": "/hostedzone/Z1"},
        {"name": "db"},
        {"name": "*.example.org"},
        {"name": "a..example.org"},
        {"name": "x" * 64 + ".example.org"},
        {"value": "fd00::1"},
        {"value": "10.0.0.1 10.0.0.2"},
        {"type": "AAAA"},
        {"type": "CNAME", "value": "a b"},
        {"ttl": Duration(0.5)},
        {"timeout": Duration(0)},
        {"look_every": Duration(3601)},
        {"endpoint": "http://10.0.0.1:5000"},
        {"endpoint": "http://localhost.example:5000"},
        {"endpoint": "ftp://127.0.0.1"},
        {"endpoint": "127.0.0.1"},
        {"endpoint": "http://[::1"},
    ],
)
def test_what_cannot_be_used_is_refused_at_the_start(changes: dict[str, object]) -> None:
    with pytest.raises(InputError) as refused:
        route53.make(msgspec.structs.replace(OPTIONS, **changes))
    assert refused.value.where


@pytest.mark.parametrize("endpoint", ["https://route53.example", "http://127.0.0.1:5000", "http://[::1]:5000", ""])
def test_endpoints_that_can_be_trusted_are_taken(endpoint: str) -> None:
    assert route53.make(msgspec.structs.replace(OPTIONS, endpoint=endpoint)).name


def test_the_options_need_no_boto3() -> None:
    said = "import sys, bascule.cluster.actuators.route53_options; print('boto3' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", said], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def actions(batch: list[dict[str, object]]) -> list[tuple[object, object]]:
    return [(each["Action"], each["ResourceRecordSet"]) for each in batch]


def test_a_batch_deletes_what_was_read_and_creates_what_is_wanted() -> None:
    records = {"Name": "db.example.org.", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "10.0.0.9"}]}
    texts = WANTED.texts(6)
    assert actions(route53_changes.pointing(WANTED, 7, records, texts)) == [
        ("DELETE", texts),
        ("CREATE", WANTED.texts(7)),
        ("DELETE", records),
        ("CREATE", WANTED.records()),
    ]


def test_what_was_not_there_is_created_and_so_fails_if_it_is_there_by_then() -> None:
    assert actions(route53_changes.pointing(WANTED, 7, None, None)) == [
        ("CREATE", WANTED.texts(7)),
        ("CREATE", WANTED.records()),
    ]


def test_what_points_here_already_is_left_and_the_token_is_swapped() -> None:
    assert actions(route53_changes.pointing(WANTED, 7, WANTED.records(), WANTED.texts(6))) == [
        ("DELETE", WANTED.texts(6)),
        ("CREATE", WANTED.texts(7)),
    ]


def test_a_removal_compares_the_token_too_and_keeps_it() -> None:
    texts = WANTED.texts(7)
    assert actions(route53_changes.removing(WANTED.records(), texts)) == [
        ("DELETE", texts),
        ("CREATE", texts),
        ("DELETE", WANTED.records()),
    ]


def test_an_alias_is_compared_as_it_is() -> None:
    alias = {"Name": "db.example.org.", "Type": "A", "AliasTarget": {"DNSName": "lb.example.org."}}
    assert not route53_changes.points(WANTED, alias)
    assert actions(route53_changes.pointing(WANTED, 7, alias, None))[1] == ("DELETE", alias)


@pytest.mark.parametrize(
    ("kind", "value", "spelled"),
    [("CNAME", "Node.example.org", "node.example.org."), ("AAAA", "fd00::1", "FD00:0:0:0:0:0:0:1")],
)
def test_a_value_that_is_spelled_otherwise_is_the_same(kind: str, value: str, spelled: str) -> None:
    wanted = msgspec.structs.replace(WANTED, type=kind, value=value)
    there = {"Name": "db.example.org.", "Type": kind, "TTL": 30, "ResourceRecords": [{"Value": spelled}]}
    assert route53_changes.points(wanted, there)
    both = {**there, "ResourceRecords": [{"Value": spelled}, {"Value": "x"}]}
    assert not route53_changes.points(wanted, both)
