"""A DNS name points at the node where the group is active, by dynamic updates that carry the fencing token.

The server itself refuses an older holder: each update has the prerequisite that the TXT record beside the name still
holds the token that was read before. An update that comes late, from a process that was frozen or over a slow network,
finds another token there, and changes nothing.

Source: RFC 2136 2.4.2 (value-dependent prerequisite), 3.2 and 3.7 (all of an update, or nothing).
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Coroutine
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from msgspec import Struct

from bascule.cluster.actuators import dns_server, fencing_record
from bascule.cluster.actuators.dns_options import Options
from bascule.cluster.actuators.dns_server import Server
from bascule.cluster.actuators.port import Seen, Term
from bascule.kernel.errors import ActuatorError, ConflictError, InputError

__all__ = ["DnsName", "Options", "make"]
ATTEMPTS = 4
"""How often a set of records is read, updated and read again, when others write it too."""


class _There(Struct, frozen=True):
    """What a server has: the record set of the name, the TXT record's, and the token in it."""

    records: dns.rrset.RRset | None
    texts: dns.rrset.RRset | None
    token: int | None


def make(options: Options) -> DnsName:
    """The actuator. Reads the key.

    Raises:
        InputError: An option cannot be used, or the key cannot be read.
    """
    return DnsName(options)


def _name(text: str, where: str) -> dns.name.Name:
    try:
        return dns.name.from_text(text)
    except dns.exception.DNSException as error:
        raise InputError(f"{text[:120]!r} is no DNS name", where=where) from error


def _value(options: Options) -> dns.rdata.Rdata:
    """The record's data: an address of the record's family, or a name that stands for itself alone."""
    wanted: dict[str, type] = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
    try:
        if options.type in wanted:
            text = str(wanted[options.type](options.value))
        else:
            text = dns.name.from_text(options.value).to_text()
        return dns.rdata.from_text("IN", options.type, text)
    except (ValueError, dns.exception.DNSException) as error:
        hint = "an address for A and AAAA, a name for CNAME"
        raise InputError(
            f"{options.value[:120]!r} cannot be a {options.type} record", where="value", hint=hint
        ) from error


class DnsName:
    """One record set of one name, at one or several authoritative servers."""

    def __init__(self, options: Options) -> None:
        if not 1 <= len(options.servers) <= 8:
            raise InputError(f"{len(options.servers)} servers are impossible", where="servers", hint="name 1 to 8")
        if options.ttl.seconds != int(options.ttl.seconds) or not 0 <= options.ttl.seconds <= 604800:
            raise InputError(f"a TTL of {options.ttl} is impossible", where="ttl", hint="whole seconds, up to 7d")
        if not 0.05 <= options.timeout.seconds <= 60:
            raise InputError(f"a timeout of {options.timeout} is impossible", where="timeout", hint="50ms to 60s")
        zone = _name(options.zone, "zone")
        self._name = _name(options.name, "name")
        self._token_name = _name(f"{fencing_record.PREFIX}.{options.name}", "name")
        if not self._name.is_subdomain(zone) or self._name.is_wild():
            raise InputError(f"{options.name[:120]} is no name in {options.zone[:120]}", where="name")
        self._value = _value(options)
        self._type = self._value.rdtype
        self._ttl_s = int(options.ttl.seconds)
        key = dns_server.read_key(options.key_file)
        places = [dns_server.place_of(text) for text in options.servers]
        self._servers = [Server(place, zone, key, options.timeout.seconds) for place in places]
        self._options = options
        self._token: int | None = None
        self.name = f"dns {options.name} {options.type} {options.value} at {', '.join(options.servers)}"

    async def promote(self, term: Term) -> None:
        """The name points here, at all of the servers, or at one of them if that is enough.

        Raises:
            ConflictError: A later term has written it; it was left alone.
            ActuatorError: A server was not reached, or refused; another one may point here already.
        """
        self._token = term.token
        failures = await _together([self._point(server, term.token) for server in self._servers])
        for failure in failures:
            if isinstance(failure, ConflictError):
                raise failure
        if failures and (self._options.need == "all" or len(failures) == len(self._servers)):
            raise failures[0]

    def extend(self, term: Term) -> None:
        """Nothing: a record ends with no term."""

    async def demote(self) -> None:
        """The name no longer points here, or may do so until the next holder overwrites it, if it is to be left.

        Raises:
            ActuatorError: It was to be removed, and a server was not reached, or refused.
        """
        is_removed = self._options.at_demote == "remove"
        if failures := await _together([self._remove(server) for server in self._servers if is_removed]):
            raise failures[0]
        self._token = None

    async def look(self) -> Seen:
        """Whether the servers point here.

        While this node is active, a server that no longer does makes it `passive`: it has to be done once more. A
        record that is left by intent counts as passive.
        """
        seen = await asyncio.gather(*(self._look(server) for server in self._servers))
        if self._token is None:
            return seen[0] if len(set(seen)) == 1 else "unknown"
        if "passive" in seen:
            return "passive"
        is_enough = all(each == "active" for each in seen) or (self._options.need == "one" and "active" in seen)
        return "active" if is_enough else "unknown"

    async def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""

    async def _there(self, server: Server) -> _There:
        texts = await server.records(self._token_name, dns.rdatatype.TXT)
        words = tuple(b"".join(each.strings).decode("utf-8", "replace") for each in texts or ())
        token = fencing_record.token_of(words, f"{server.text} {self._token_name}")
        return _There(await server.records(self._name, self._type), texts, token)

    def _is_here(self, there: _There) -> bool:
        return there.records is not None and list(there.records) == [self._value]

    async def _look(self, server: Server) -> Seen:
        try:
            there = await self._there(server)
        except ActuatorError:
            return "unknown"
        is_left = self._token is None and self._options.at_demote == "leave"
        return "active" if self._is_here(there) and not is_left and self._may_be_ours(there) else "passive"

    def _may_be_ours(self, there: _There) -> bool:
        """No later term than the one that we know of wrote it."""
        return self._token is None or there.token is None or there.token <= self._token

    async def _point(self, server: Server, token: int) -> None:
        """Read, update under the condition that it is still as it was read, and read again."""
        for _ in range(ATTEMPTS):
            there = await self._there(server)
            fencing_record.refuse_if_newer(there.token, token, f"{server.text} {self._name}")
            if there.token == token and self._is_here(there) and there.records and there.records.ttl == self._ttl_s:
                return
            update = self._conditional(server, there)
            update.delete(self._name, self._type)
            update.add(self._name, self._ttl_s, self._value)
            update.replace(self._token_name, self._ttl_s, "TXT", fencing_record.text_of(token))
            await server.update(update)
        what = f"{self._name} does not come to point at {self._value}"
        hint = "does somebody else write it, or does the name have a CNAME beside other records?"
        raise ActuatorError(what, where=server.text, hint=hint)

    async def _remove(self, server: Server) -> None:
        for _ in range(ATTEMPTS):
            there = await self._there(server)
            if not self._is_here(there) or not self._may_be_ours(there):
                return
            update = self._conditional(server, there)
            update.present(self._name, self._value)
            update.delete(self._name, self._type)
            await server.update(update)
        what = f"{self._name} does not cease to point at {self._value}"
        raise ActuatorError(what, where=server.text, hint="does somebody else write it?")

    def _conditional(self, server: Server, there: _There) -> Any:  # noqa: ANN401 - the library's own types are loose
        """An update that is carried out only if the token is still the one that was read."""
        update = server.new_update()
        if there.texts is None:
            update.absent(self._token_name, "TXT")
        else:
            update.present(self._token_name, *there.texts)
        return update


async def _together(doing: list[Coroutine[Any, Any, None]]) -> list[ActuatorError]:
    """Do it at all servers at once; the failures, in the servers' order."""
    failures: list[ActuatorError] = []
    for outcome in await asyncio.gather(*doing, return_exceptions=True):
        if isinstance(outcome, ActuatorError):
            failures.append(outcome)
        elif isinstance(outcome, BaseException):
            raise outcome
    return failures
