"""How keys become names in NATS and Kubernetes, and what people see there."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.stores import kubernetes_objects as objects
from bascule.cluster.stores.kubernetes_objects import Lease
from bascule.cluster.stores.nats_messages import Ticket, ticket
from bascule.cluster.stores.nats_subjects import Subjects

KEYS = st.text("aAbB01-_./", min_size=1, max_size=200)
NOW = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
SUBDOMAIN = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
LABEL = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")


def matches(pattern: str, subject: str) -> bool:
    """As NATS does."""
    wanted, given_ = pattern.split("."), subject.split(".")
    if wanted[-1] == ">":
        return len(given_) >= len(wanted) and given_[: len(wanted) - 1] == wanted[:-1]
    return wanted == given_


@given(KEYS)
def test_a_subject_is_legal_and_leads_back(key: str) -> None:
    subject = Subjects("bucket").of(key)
    assert re.fullmatch(r"\$KV\.bucket(\.[-/_=a-zA-Z0-9]+)+", subject)
    assert Subjects("bucket").key(subject) == key


@given(KEYS, KEYS)
def test_no_two_keys_share_a_name(one: str, other: str) -> None:
    if one != other:
        assert Subjects("bucket").of(one) != Subjects("bucket").of(other)
        assert objects.name_of(one) != objects.name_of(other)


@given(KEYS, st.integers(0, 200))
def test_a_filter_lets_through_whatever_begins_like_it(key: str, length: int) -> None:
    subjects = Subjects("bucket")
    assert matches(subjects.under(key[:length]), subjects.of(key))
    labels = dict(part.split("=") for part in objects.selector(key[:length]).split(","))
    lease = msgspec.json.decode(objects.document(key, b"", 1, NOW, None), type=Lease)
    assert labels.items() <= (lease.metadata.labels or {}).items()


def test_strangers_subjects_are_no_keys() -> None:
    subjects = Subjects("bucket")
    for subject in ("$KV.bucket.=barrier", "$KV.other.a", "$KV.bucket.a==", "$KV.bucket.a=2e", "$KV.bucket.a*", ""):
        assert subjects.key(subject) is None, subject
    assert subjects.barrier == "$KV.bucket.=barrier"


def test_tickets_are_read_with_and_without_a_domain() -> None:
    assert ticket("$JS.ACK.KV_b.c.1.17.3.1700000000.0") == Ticket(sequence=17, delivered=3)
    assert ticket("$JS.ACK.domain.hash.KV_b.c.1.17.3.1700000000.0.random") == Ticket(sequence=17, delivered=3)
    for text in ("", "_INBOX.a", "$JS.ACK.KV_b.c.1.x.3.1700000000.0", "$JS.FC.KV_b.c.1.17.3.1700000000.0"):
        assert ticket(text) is None


@given(KEYS)
def test_an_objects_name_is_legal(key: str) -> None:
    assert SUBDOMAIN.fullmatch(objects.name_of(key))
    assert len(objects.name_of(key)) <= 253
    assert LABEL.fullmatch(objects.cluster_label(key))
    assert len(objects.cluster_label(key)) <= 63


@given(KEYS, st.binary(max_size=300) | st.text(max_size=100).map(str.encode), st.integers(1, 2**53))
def test_an_object_leads_back(key: str, value: bytes, revision: int) -> None:
    lease = msgspec.json.decode(objects.document(key, value, revision, NOW, None), type=Lease)
    entry = objects.entry(lease)
    assert entry is not None
    assert (entry.key, entry.value, entry.revision) == (key, value, revision)


def test_what_was_tampered_with_is_no_register() -> None:
    good = msgspec.json.decode(objects.document("bascule/a/b", b"\0", 7, NOW, None))
    for name, text in (
        (objects.KEY, "bascule/a/c"),
        (objects.KEY, "no key"),
        (objects.REVISION, "0"),
        (objects.REVISION, "-1"),
        (objects.REVISION, "9" * 30),
        (objects.VALUE, "not base64"),
    ):
        bad = msgspec.json.decode(msgspec.json.encode(good))
        bad["metadata"]["annotations"][name] = text
        assert objects.entry(msgspec.convert(bad, Lease)) is None, name


def test_a_lease_says_no_more_than_it_knows() -> None:
    def spec(value: bytes) -> object:
        return msgspec.json.decode(objects.document("bascule/a/b", value, 1, NOW, None))["spec"]

    stamp = "2026-01-02T03:04:05.000678Z"
    shown = {"holderIdentity": "a", "acquireTime": stamp, "renewTime": stamp, "leaseTransitions": 0}
    assert spec(b'{"agent":"a","ttl_s":0.5}') == {**shown, "leaseDurationSeconds": 1}
    assert spec(b'{"holder":"a","ttl_s":-1}') == shown
    assert spec(b'{"holder":"a","ttl_s":1e300}') == {**shown, "leaseDurationSeconds": 2**31 - 1}
    for value in (b'{"holder":7}', b'{"holder":""}', b"[]", b"\xff", b"[" * 100_000):
        assert spec(value) == {}, value[:20]
