"""What may be said of a name at Amazon Route 53 that follows a lease; needs no boto3."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.kernel.quantities import Duration


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="route53"):
    """Which name of which hosted zone points at this node where the group is active.

    Credentials come by boto3's own chain: environment, `~/.aws`, the instance's role. They need
    `route53:ListResourceRecordSets`, `route53:ChangeResourceRecordSets` and `route53:GetChange`.

    Attributes:
        zone_id: The hosted zone: `Z0123456789ABCDEFGHIJ`.
        name: The name, in full: `db.example.org`. A TXT record at `_bascule.` and this name carries the fencing token.
        type: Of the record.
        value: What the name is to point at: this node's own address or name. No two agents have the same one.
        ttl: How long resolvers may keep the record: whole seconds, up to a week. Clients move only as fast as this.
        in_sync_within: How long to wait until all of Amazon's name servers have the change, and to fail otherwise.
            That takes 60 s or so: the group's limit of a promotion must be above it. 0: it is enough that the change
            was accepted, which makes it final.
        look_every: How often the zone is looked at while this node is active: 0 to 1 h. Amazon answers 5 calls a second
            for a whole account; a look is two.
        at_demote: Whether the record is left, to be overwritten by the next holder, or removed.
        profile: Of the credentials; empty: the chain's own choice.
        endpoint: Another address of the service: `https://...`, or `http://` on a loopback address; empty: Amazon's.
        timeout: Limit of one call's connecting, and of its silence.
    """

    zone_id: str
    name: str
    value: str
    type: Literal["A", "AAAA", "CNAME"] = "A"
    ttl: Duration = Duration(30.0)
    in_sync_within: Duration = Duration(0.0)
    look_every: Duration = Duration(30.0)
    at_demote: Literal["leave", "remove"] = "leave"
    profile: str = ""
    endpoint: str = ""
    timeout: Duration = Duration(3.0)
