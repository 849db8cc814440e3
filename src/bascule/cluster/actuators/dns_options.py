"""What may be said of a DNS name that follows a lease; needs no DNS library."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.kernel.quantities import Duration


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="dns"):
    """Which name points at this node where the group is active, and which servers are told.

    Attributes:
        servers: Authoritative servers that take updates, 1 to 8: `192.0.2.53`, `127.0.0.1:5353`, `[fd00::53]:53`. Each
            one is told: name those that do not copy the zone from one another.
        zone: The zone that is updated: `example.org`.
        name: The name, in full: `db.example.org`. A TXT record at `_bascule.` and this name carries the fencing token.
        type: Of the record.
        value: What the name is to point at: this node's own address or name. No two agents have the same one.
        key_file: The TSIG key, as `tsig-keygen` writes it; readable by this user alone.
        ttl: How long resolvers may keep the record: whole seconds, up to a week. Clients move only as fast as this.
        need: Whether a promotion has to reach all of the servers, or one of them. With `one`, what a server missed
            is made good when it is back, as long as this node is active.
        at_demote: Whether the record is left, to be overwritten by the next holder, or removed. Where it is removed,
            resolvers remember for the zone's negative TTL that there is none, also when the next holder is quick.
        timeout: Limit of one question to a server: 50 ms to 60 s.
    """

    servers: tuple[str, ...]
    zone: str
    name: str
    value: str
    key_file: str
    type: Literal["A", "AAAA", "CNAME"] = "A"
    ttl: Duration = Duration(5.0)
    need: Literal["all", "one"] = "all"
    at_demote: Literal["leave", "remove"] = "leave"
    timeout: Duration = Duration(1.0)
