"""A name at Amazon Route 53 points at the node where the group is active; an older holder's late change is refused.

How a change is refused stands in `route53_changes`. boto3 blocks: each call has a thread, one at a time. A call that is
in flight when its caller is cancelled goes on until it is answered or its timeout is over, and is the last one; should
it still be carried out, then only if nobody wrote the name in the meantime.
"""

from __future__ import annotations

import asyncio
import ipaddress
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, TypeVar
from urllib.parse import urlsplit

import boto3  # type: ignore[import-untyped]  # it ships no types; what is used of it stands in `Client`
from botocore.config import Config  # type: ignore[import-untyped]  # as boto3
from botocore.exceptions import BotoCoreError, ClientError  # type: ignore[import-untyped]  # as boto3
from msgspec import Struct

from bascule.cluster.actuators import fencing_record, route53_changes
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.actuators.route53_changes import RecordSet, Wanted
from bascule.cluster.actuators.route53_options import Options
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import ActuatorError, InputError

__all__ = ["Options", "Route53Name", "make"]
T = TypeVar("T")
ATTEMPTS = 4
ASK_EVERY_S = 1.0
HINT = "are there credentials with the rights that the documentation names, and is the zone's id right?"
_NAME = re.compile(r"(?=.{1,240}\.?$)([A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?\.)+[A-Za-z0-9-]{1,63}\.?")
_ZONE = re.compile(r"[A-Z0-9]{1,32}")
_SLOW_DOWN = {"Throttling", "ThrottlingException", "PriorRequestNotComplete"}


class Client(Protocol):
    """What is used of boto3's client."""

    def list_resource_record_sets(self, **words: object) -> Any:  # noqa: ANN401 - a JSON-like answer
        """Record sets from a name on."""

    def change_resource_record_sets(self, **words: object) -> Any:  # noqa: ANN401 - a JSON-like answer
        """All of a batch, or nothing."""

    def get_change(self, **words: object) -> Any:  # noqa: ANN401 - a JSON-like answer
        """How far a change is."""

    def close(self) -> None:
        """Let go of connections."""


class _There(Struct, frozen=True):
    """What the zone has: the record set of the name, the TXT record's, and the token in it."""

    records: RecordSet | None
    texts: RecordSet | None
    token: int | None


def make(options: Options) -> Route53Name:
    """The actuator. Credentials are looked for when it is first used.

    Raises:
        InputError: An option cannot be used.
    """
    return Route53Name(options, lambda: connect(options))


def connect(options: Options) -> Client:
    """boto3's client: it tries each call once, since its caller knows better when to try again."""
    limit_s = options.timeout.seconds
    config = Config(connect_timeout=limit_s, read_timeout=limit_s, retries={"total_max_attempts": 1})
    session = boto3.session.Session(profile_name=options.profile or None)
    region = session.region_name or "us-east-1"  # the service is a global one, but signatures name a region
    client: Client = session.client("route53", region, endpoint_url=options.endpoint or None, config=config)
    return client


def _wanted(options: Options) -> Wanted:
    families = {"A": 4, "AAAA": 6}
    try:
        address = ipaddress.ip_address(options.value) if options.type in families else None
    except ValueError:
        address = None
    is_name = options.type == "CNAME" and _NAME.fullmatch(options.value) is not None
    if not is_name and (address is None or address.version != families[options.type]):
        hint = "an address for A and AAAA, a name for CNAME"
        raise InputError(f"{options.value[:120]!r} cannot be a {options.type} record", where="value", hint=hint)
    name = options.name.lower().removesuffix(".") + "."
    value = options.value if address is None else str(address)
    return Wanted(name=name, type=options.type, value=value, ttl_s=int(options.ttl.seconds))


def _check(options: Options) -> None:
    if not _ZONE.fullmatch(options.zone_id):
        hint = "write it like Z0123456789ABCDEFGHIJ"
        raise InputError(f"{options.zone_id[:60]!r} is no hosted zone's id", where="zone_id", hint=hint)
    if not _NAME.fullmatch(options.name):
        raise InputError(
            f"{options.name[:120]!r} is no name in full", where="name", hint="write it like db.example.org"
        )
    if options.ttl.seconds != int(options.ttl.seconds) or not 0 <= options.ttl.seconds <= 604800:
        raise InputError(f"a TTL of {options.ttl} is impossible", where="ttl", hint="whole seconds, up to 7d")
    if not 0.1 <= options.timeout.seconds <= 60:
        raise InputError(f"a timeout of {options.timeout} is impossible", where="timeout", hint="100ms to 60s")
    if not 0 <= options.look_every.seconds <= 3600:
        raise InputError(f"{options.look_every} is impossible", where="look_every", hint="0 to 1h")
    if options.endpoint and not _is_safe(options.endpoint):
        hint = "https://..., or http:// on a loopback address: calls are signed, answers are not"
        raise InputError(f"{options.endpoint[:120]!r} is no endpoint to be trusted", where="endpoint", hint=hint)


def _is_safe(endpoint: str) -> bool:
    try:
        parts = urlsplit(endpoint)
        host = parts.hostname or ""
        return bool(host) and (
            parts.scheme == "https" or (parts.scheme == "http" and ipaddress.ip_address(host).is_loopback)
        )
    except ValueError:
        return False


class Route53Name:
    """One record set of one hosted zone.

    Args:
        options: As in the agent's file.
        connect: Makes the client; it is called in the thread, once.
    """

    def __init__(self, options: Options, connect: Callable[[], Client]) -> None:
        _check(options)
        self._wanted = _wanted(options)
        self._options = options
        self._connect = connect
        self._client: Client | None = None
        self._threads = ThreadPoolExecutor(max_workers=1, thread_name_prefix="bascule-route53")
        self._is_closed = False
        self._clock = SystemClock()
        self._where = f"route53 {options.zone_id} {options.name}"
        self._token: int | None = None
        self._change = ""
        self._looked: tuple[float, Seen] | None = None
        self.name = f"{self._where} {options.type} {options.value}"

    async def promote(self, term: Term) -> None:
        """The zone has the name point here, and so do all name servers if that is to be waited for.

        Raises:
            ConflictError: A later term has written it; it was left alone.
            ActuatorError: Route 53 was not reached, or refused; or its servers took too long. A change that was
                accepted goes on.
        """
        self._token = term.token
        self._looked = None
        why = ""
        for _ in range(ATTEMPTS):
            there = await self._there()
            fencing_record.refuse_if_newer(there.token, term.token, self._where)
            if there.token == term.token and self._is_here(there) and self._has_ttl(there):
                return await self._wait_until_in_sync()
            batch = route53_changes.pointing(self._wanted, term.token, there.records, there.texts)
            why = await self._swap(batch)
        raise ActuatorError(f"the name does not come to point here: {why}", where=self._where, hint=HINT)

    def extend(self, term: Term) -> None:
        """Nothing: a record ends with no term."""

    async def demote(self) -> None:
        """The zone no longer has the name point here, or may do so until the next holder overwrites it.

        That all name servers have heard of it is not waited for.

        Raises:
            ActuatorError: It was to be removed, and Route 53 was not reached, or refused.
        """
        self._looked = None
        if self._options.at_demote == "remove":
            await self._remove()
        self._token = None
        self._change = ""

    async def look(self) -> Seen:
        """Whether the zone has the name point here; a record that is left by intent counts as passive.

        What was seen less than `look_every` ago is said again, without a call.
        """
        now_s = self._clock.monotonic_s()
        if self._looked is None or now_s - self._looked[0] >= self._options.look_every.seconds:
            self._looked = (now_s, await self._look())
        return self._looked[1]

    async def _look(self) -> Seen:
        try:
            there = await self._there()
        except ActuatorError:
            return "unknown"
        is_left = self._token is None and self._options.at_demote == "leave"
        return "active" if self._is_here(there) and not is_left else "passive"

    async def close(self) -> None:
        """Let go of the connections, as soon as a call that is in flight has ended; once more does no harm."""
        if not self._is_closed:
            self._is_closed = True
            closing = self._threads.submit(self._close)
            self._threads.shutdown(wait=False)
            await asyncio.wrap_future(closing)

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()

    def _is_here(self, there: _There) -> bool:
        is_ours = self._token is None or there.token is None or there.token <= self._token
        return is_ours and route53_changes.points(self._wanted, there.records)

    def _has_ttl(self, there: _There) -> bool:
        return there.records is not None and there.records.get("TTL") == self._wanted.ttl_s

    async def _there(self) -> _There:
        texts = await self._read(self._wanted.token_name, "TXT")
        token = fencing_record.token_of(route53_changes.values(texts), f"{self._where} {self._wanted.token_name}")
        return _There(await self._read(self._wanted.name, self._wanted.type), texts, token)

    async def _read(self, name: str, kind: str) -> RecordSet | None:
        words = {"HostedZoneId": self._options.zone_id, "StartRecordName": name, "StartRecordType": kind}
        answer = await self._call(lambda client: client.list_resource_record_sets(**words, MaxItems="1"))
        found: RecordSet | None = next(iter(answer.get("ResourceRecordSets", ())), None)
        if found is None or (str(found["Name"]).lower(), found["Type"]) != (name, kind):
            return None
        if "SetIdentifier" in found:
            hint = "a name that follows a lease has no routing policy"
            raise ActuatorError(f"{name} has several record sets of type {kind}", where=self._where, hint=hint)
        return found

    async def _remove(self) -> None:
        why = ""
        for _ in range(ATTEMPTS):
            there = await self._there()
            if there.records is None or not self._is_here(there):
                return
            why = await self._swap(route53_changes.removing(there.records, there.texts))
        raise ActuatorError(f"the name does not cease to point here: {why}", where=self._where, hint=HINT)

    async def _swap(self, changes: list[dict[str, Any]]) -> str:
        """Empty when all of the changes were accepted; else why none of them was, such as that others write too."""
        words = {"HostedZoneId": self._options.zone_id, "ChangeBatch": {"Changes": changes}}
        try:
            answer = await self._call(lambda client: client.change_resource_record_sets(**words))
        except ActuatorError as error:
            if _code(error.__cause__) != "InvalidChangeBatch":
                raise
            return error.what
        self._change = str(answer["ChangeInfo"]["Id"])
        return ""

    async def _wait_until_in_sync(self) -> None:
        limit_s = self._options.in_sync_within.seconds
        until_s = self._clock.monotonic_s() + limit_s
        while self._change and limit_s > 0 and not await self._is_in_sync():
            if self._clock.monotonic_s() >= until_s:
                what = f"the change was accepted, but not all name servers have it within {limit_s:g} s"
                raise ActuatorError(what, where=self._where, hint="allow for a longer `in_sync_within`")
            await asyncio.sleep(min(ASK_EVERY_S, limit_s / 10))
        self._change = ""

    async def _is_in_sync(self) -> bool:
        try:
            answer = await self._call(lambda client: client.get_change(Id=self._change))
        except ActuatorError as error:
            if _code(error.__cause__) in _SLOW_DOWN:
                return False
            raise
        return bool(answer["ChangeInfo"]["Status"] == "INSYNC")

    async def _call(self, doing: Callable[[Client], T]) -> T:
        """Do it in the thread.

        Raises:
            ActuatorError: It failed, or was not answered in time.
        """

        def call() -> T:
            if self._client is None:
                self._client = self._connect()
            return doing(self._client)

        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, call)
        except (BotoCoreError, ClientError, OSError, KeyError, ValueError) as error:
            said = str(error).strip().partition("\n")[0][:300] or type(error).__name__
            raise ActuatorError(f"Route 53: {said}", where=self._where, hint=HINT) from error


def _code(error: BaseException | None) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) if isinstance(error, ClientError) else ""
