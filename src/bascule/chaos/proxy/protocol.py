"""The words between a client and a proxy process: one JSON line asks, one answers, over a UNIX socket. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bascule.chaos.proxy.http_faults import AnyHttpFault
from bascule.chaos.proxy.toxics import AnyToxic
from bascule.kernel import errors

LINE_LIMIT_BYTES = 256 * 1024
REPLY_LIMIT_BYTES = 16 * 2**20
MOST_PROXIES = 256
MOST_TOXICS = 32
"""Toxics, and as many HTTP faults, of one proxy."""

ProxyName = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_.-]+$")]
Address = Annotated[str, Meta(min_length=1, max_length=300)]
Toxics = Annotated[tuple[AnyToxic, ...], Meta(max_length=MOST_TOXICS)]
Faults = Annotated[tuple[AnyHttpFault, ...], Meta(max_length=MOST_TOXICS)]
Protocol = Literal["tcp", "http"]


class Request(Struct, frozen=True, kw_only=True, tag_field="do", forbid_unknown_fields=True):
    """Something that the proxy process is asked to do."""


class Create(Request, frozen=True, kw_only=True, tag="create"):
    """Make a proxy, and answer its status.

    Attributes:
        listen: `127.0.0.1:6379`; port 0: any free one, which the status tells.
        upstream: The real server, `host:port`.
        protocol: `http` makes HTTP faults possible; they need to see a connection from its first byte on.
        enabled: Whether it listens at once.
    """

    name: ProxyName
    listen: Address
    upstream: Address
    protocol: Protocol = "tcp"
    enabled: bool = True


class SetToxics(Request, frozen=True, kw_only=True, tag="toxics"):
    """These toxics, in this order, and no others; those that are the same go on. Answers the status."""

    name: ProxyName
    toxics: Toxics


class SetFaults(Request, frozen=True, kw_only=True, tag="faults"):
    """These HTTP faults and no others. Answers the status."""

    name: ProxyName
    faults: Faults


class AddToxic(Request, frozen=True, kw_only=True, tag="add_toxic"):
    """This toxic beside those that there are, in place of one of the same name. Answers the status."""

    name: ProxyName
    toxic: AnyToxic


class AddFault(Request, frozen=True, kw_only=True, tag="add_fault"):
    """This HTTP fault beside those that there are, in place of one of the same name. Answers the status."""

    name: ProxyName
    fault: AnyHttpFault


class TakeAway(Request, frozen=True, kw_only=True, tag="take_away"):
    """No toxic and no HTTP fault that is counted under this name any more. Answers the status."""

    name: ProxyName
    label: str


class Enable(Request, frozen=True, kw_only=True, tag="enable"):
    """Listen. Answers the status."""

    name: ProxyName


class Disable(Request, frozen=True, kw_only=True, tag="disable"):
    """Refuse connections, and end those that there are. Answers the status."""

    name: ProxyName


class Remove(Request, frozen=True, kw_only=True, tag="remove"):
    """End a proxy with its connections. Answers its last status."""

    name: ProxyName


class Reset(Request, frozen=True, kw_only=True, tag="reset"):
    """Take every toxic and fault from every proxy, and enable all. Answers every status."""


class List(Request, frozen=True, kw_only=True, tag="list"):
    """Answers every status, by name."""


class Ask(Request, frozen=True, kw_only=True, tag="status"):
    """Answers one status."""

    name: ProxyName


Changes = SetToxics | SetFaults | AddToxic | AddFault | TakeAway | Enable | Disable | Remove
Requests = Create | Changes | Reset | List | Ask


class Acted(Struct, frozen=True, kw_only=True):
    """How much a toxic or a fault has done: the witness of it."""

    connections: int
    acts: int
    bytes: int


class ProxyStatus(Struct, frozen=True, kw_only=True):
    """One proxy at one moment.

    Attributes:
        listen: Where it listens, or would; with its real port.
        connections: Open now.
        accepted: Ever.
        unreached: Connections that ended because the real server was not reached.
        opaque: Connections of an HTTP proxy that were no HTTP/1.1, or no longer: no HTTP fault hits them.
        upstream_bytes: Read from clients.
        downstream_bytes: Read from servers.
        acted: By name, also of what was taken away lately.
    """

    name: str
    listen: str
    upstream: str
    protocol: Protocol
    enabled: bool
    toxics: tuple[AnyToxic, ...]
    faults: tuple[AnyHttpFault, ...]
    connections: int
    accepted: int
    unreached: int
    opaque: int
    upstream_bytes: int
    downstream_bytes: int
    acted: dict[str, Acted]


class Failure(Struct, frozen=True, kw_only=True):
    """Why something was not done: the error's class, and its three parts."""

    kind: str
    what: str
    where: str = ""
    hint: str = ""

    @classmethod
    def of(cls, error: errors.BasculeError) -> Failure:
        """The failure that stands for an error."""
        return cls(kind=type(error).__name__, what=error.what, where=error.where, hint=error.hint)

    def error(self) -> errors.BasculeError:
        """The error that this failure stands for; one that is unknown here becomes a `FaultError`."""
        kind = errors.kind_named(self.kind) or errors.FaultError
        return kind(self.what, where=self.where, hint=self.hint)


class Reply(Struct, frozen=True, kw_only=True):
    """The answer: the statuses that were asked for, or why not."""

    proxies: tuple[ProxyStatus, ...] = ()
    failure: Failure | None = None


def line(message: Struct) -> bytes:
    """A message as one line."""
    return msgspec.json.encode(message) + b"\n"
