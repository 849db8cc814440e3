"""Changes of record sets at Route 53 that are carried out only if everything is still as it was read.

Route 53 knows no conditions. But it deletes a record set only if all that is said of it is so, creates one only if
there is none, and carries out all of a batch or nothing: to delete the TXT record with the token that was read, and to
create one with the token that counts now, is a compare-and-swap.

Source: Amazon Route 53 API Reference, ChangeResourceRecordSets.
"""

from __future__ import annotations

import ipaddress
from typing import Any

from msgspec import Struct

from bascule.cluster.actuators import fencing_record

RecordSet = dict[str, Any]
"""As the API has it: Name, Type, TTL, ResourceRecords; or an AliasTarget; or a routing policy's SetIdentifier too."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a record set is to be.

    Attributes:
        name: In full, in lower case, with its last dot.
        ttl_s: In whole seconds.
    """

    name: str
    type: str
    value: str
    ttl_s: int

    @property
    def token_name(self) -> str:
        """Where the TXT record is."""
        return f"{fencing_record.PREFIX}.{self.name}"

    def records(self) -> RecordSet:
        """The record set that points here."""
        return _set(self.name, self.type, self.ttl_s, self.value)

    def texts(self, token: int) -> RecordSet:
        """The TXT record set that carries a token."""
        return _set(self.token_name, "TXT", self.ttl_s, f'"{fencing_record.text_of(token)}"')


def _set(name: str, kind: str, ttl_s: int, value: str) -> RecordSet:
    return {"Name": name, "Type": kind, "TTL": ttl_s, "ResourceRecords": [{"Value": value}]}


def points(wanted: Wanted, records: RecordSet | None) -> bool:
    """Whether a record set has the wanted value, and no other, however its name server spells it."""
    return [_spelled(each) for each in values(records)] == [_spelled(wanted.value)]


def _spelled(value: str) -> str:
    try:
        return str(ipaddress.ip_address(value))
    except ValueError:
        return value.lower().removesuffix(".")


def values(there: RecordSet | None) -> tuple[str, ...]:
    """The values of a record set, as they were written; those of TXT records without their quotes."""
    if there is None:
        return ()
    raw = (str(each["Value"]) for each in there.get("ResourceRecords", ()))
    return tuple(each.strip('"') if there["Type"] == "TXT" else each for each in raw)


def pointing(wanted: Wanted, token: int, records: RecordSet | None, texts: RecordSet | None) -> list[dict[str, Any]]:
    """The batch that has the name point here, if both record sets are still as they were read.

    One that points here already is not touched: the token alone says whether another term came in between.
    """
    pointed = [] if records == wanted.records() else _swapped(records, wanted.records())
    return [*_swapped(texts, wanted.texts(token)), *pointed]


def removing(records: RecordSet, texts: RecordSet | None) -> list[dict[str, Any]]:
    """The batch that removes a record set, if both are still as they were read. The token stays."""
    return [*(_swapped(texts, texts) if texts else ()), {"Action": "DELETE", "ResourceRecordSet": records}]


def _swapped(old: RecordSet | None, new: RecordSet) -> list[dict[str, Any]]:
    deleted = [{"Action": "DELETE", "ResourceRecordSet": old}] if old is not None else []
    return [*deleted, {"Action": "CREATE", "ResourceRecordSet": new}]
