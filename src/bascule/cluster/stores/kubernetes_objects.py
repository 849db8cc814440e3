"""How a register becomes a Lease object of Kubernetes, and back.

The object's name is made of the key's legal letters and a digest; the key itself stands in an annotation, and so does
the value, as text where it is text. `spec` is for people: `kubectl get leases` shows holder and age where the value is
a JSON object with a `holder` or an `agent`; nothing is ever decided by it.

Source: Kubernetes API, `coordination.k8s.io/v1`; "Object Names and IDs" (RFC 1123 subdomain), "Labels and Selectors",
"Annotations" (256 KiB for all of an object's together).
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import math
import re
from datetime import datetime

import msgspec
from msgspec import UNSET, Struct, UnsetType, field

from bascule.cluster.stores.foreign import is_key
from bascule.cluster.stores.port import Entry
from bascule.kernel.errors import InputError

LEASE_VALUE_LIMIT_BYTES = 180 * 1024
"""So that value, Base64 and the rest stay below the limit of all annotations."""
MANAGED_BY = "app.kubernetes.io/managed-by"
CLUSTER = "bascule/cluster"
KEY, VALUE, ENCODING, REVISION = "bascule/key", "bascule/value", "bascule/encoding", "bascule/revision"
_LABEL = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_MOST_SECONDS = 2**31 - 1


class Metadata(Struct, frozen=True, rename="camel"):
    """What every object of Kubernetes has."""

    name: str = ""
    uid: str = ""
    resource_version: str = ""
    labels: dict[str, str] | None = None
    annotations: dict[str, str] | None = None


class Spec(Struct, frozen=True, rename="camel", omit_defaults=True):
    """What a Lease says to people; times are RFC 3339."""

    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class Lease(Struct, frozen=True):
    """One object."""

    metadata: Metadata = Metadata()
    spec: Spec | None = None


class ListMetadata(Struct, frozen=True, rename="camel"):
    """At which version a list was made."""

    resource_version: str = ""
    continue_: str = field(default="", name="continue")


class LeaseList(Struct, frozen=True):
    """Objects, as they were together at one moment."""

    metadata: ListMetadata = ListMetadata()
    items: list[Lease] = []


class Status(Struct, frozen=True):
    """How the API server says no."""

    code: int = 0
    reason: str = ""
    message: str = ""


class Event(Struct, frozen=True):
    """One line of a watch; what the object is depends on the type."""

    type: str = ""
    object: msgspec.Raw = msgspec.Raw(b"{}")


class _Shown(Struct, frozen=True):
    holder: str | UnsetType = UNSET
    agent: str | UnsetType = UNSET
    ttl_s: float | UnsetType = UNSET


def name_of(key: str) -> str:
    """The object's name: no two keys share one, and every letter is legal."""
    legible = re.sub(r"[^a-z0-9]+", "-", key.lower()).strip("-")[:120].strip("-")
    digest = hashlib.sha256(key.encode()).hexdigest()[:20]
    return f"{legible}-{digest}" if legible else digest


def cluster_label(key: str) -> str:
    """By which label keys of one cluster are found; empty where the key, or what it begins with, names none."""
    parts = key.split("/")
    if len(parts) < 3 or not parts[1]:
        return ""
    name = parts[1]
    return name if _LABEL.fullmatch(name) else f"x{hashlib.sha256(name.encode()).hexdigest()[:20]}"


def selector(prefix: str) -> str:
    """The labels of all objects whose key begins like this; of others as well, maybe."""
    label = cluster_label(prefix)
    return f"{MANAGED_BY}=bascule" + (f",{CLUSTER}={label}" if label else "")


def check_value(key: str, value: bytes) -> None:
    """Refuse what an object cannot hold.

    Raises:
        InputError: It is too large.
    """
    if len(value) > LEASE_VALUE_LIMIT_BYTES:
        hint = f"a Lease of Kubernetes holds {LEASE_VALUE_LIMIT_BYTES} bytes"
        raise InputError(f"a value of {len(value)} bytes is too large", where=key, hint=hint)


def entry(lease: Lease) -> Entry | None:
    """The register that an object is; None where it is none of ours."""
    notes = lease.metadata.annotations or {}
    key, revision = notes.get(KEY, ""), notes.get(REVISION, "")
    if not is_key(key) or lease.metadata.name != name_of(key) or not re.fullmatch(r"[1-9][0-9]{0,17}", revision):
        return None
    value = notes.get(VALUE, "").encode("utf-8", "surrogatepass")
    if ENCODING in notes:
        try:
            value = base64.b64decode(value, validate=True)
        except binascii.Error:
            return None
    return Entry(key=key, value=value, revision=int(revision))


def document(key: str, value: bytes, revision: int, now: datetime, before: Lease | None) -> bytes:
    """The object that says this, as JSON; over which other one it is written stands in it.

    Args:
        key: The register's.
        value: What it shall hold.
        revision: Its new revision.
        now: For people.
        before: What is written over. Without its `uid`, Kubernetes would make a Lease that was removed meanwhile anew.
    """
    metadata: dict[str, object] = {"name": name_of(key)}
    labels, notes = dict(before.metadata.labels or {}) if before else {}, dict[str, str]()
    if before:
        notes = dict(before.metadata.annotations or {})
        metadata |= {"uid": before.metadata.uid, "resourceVersion": before.metadata.resource_version}
    labels[MANAGED_BY] = "bascule"
    if label := cluster_label(key):
        labels[CLUSTER] = label
    notes |= {KEY: key, REVISION: str(revision)}
    notes.pop(ENCODING, None)
    if (text := _text(value)) is not None:
        notes[VALUE] = text
    else:
        notes |= {VALUE: base64.b64encode(value).decode(), ENCODING: "base64"}
    metadata |= {"labels": labels, "annotations": notes}
    spec = _spec(value, now, before.spec if before else None)
    kind = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease"}
    return msgspec.json.encode({**kind, "metadata": metadata, "spec": spec})


def _text(value: bytes) -> str | None:
    """The value as a text that stays what it is on its way through JSON and YAML; None if it is none."""
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return None
    return text if all(one.isprintable() or one == " " for one in text) else None


def _spec(value: bytes, now: datetime, before: Spec | None) -> Spec:
    """What people are shown: whose it is since when, and how often that changed."""
    try:
        shown = msgspec.json.decode(value, type=_Shown)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Spec()
    holder = shown.agent if isinstance(shown.holder, UnsetType) else shown.holder
    if isinstance(holder, UnsetType) or not holder:
        return Spec(lease_transitions=before.lease_transitions if before else None)
    ttl_s = shown.ttl_s if isinstance(shown.ttl_s, float) and math.isfinite(shown.ttl_s) else 0.0
    stamp = now.isoformat(timespec="microseconds").replace("+00:00", "Z")
    transitions = (before.lease_transitions or 0) if before else 0
    is_same = before is not None and before.holder_identity == holder
    return Spec(
        holder_identity=holder[:253],
        lease_duration_seconds=min(math.ceil(ttl_s), _MOST_SECONDS) if ttl_s > 0 else None,
        acquire_time=before.acquire_time if is_same and before else stamp,
        renew_time=stamp,
        lease_transitions=transitions if is_same or before is None else transitions + 1,
    )
