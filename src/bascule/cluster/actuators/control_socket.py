"""Connections through which a daemon is told what to do: reached, asked and let go of within a limit."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from msgspec import Struct

from bascule.kernel.errors import ActuatorError, InputError

ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
PATH_LIMIT = 107  # unix(7): what fits into sun_path


class Place(Struct, frozen=True, kw_only=True):
    """Where a control socket is: a path of this machine, or a port of its loopback addresses.

    Attributes:
        text: As it was written.
        daemon: What listens there, for errors: `HAProxy`.
        hint: What to do when it is not reached.
        path: Of a UNIX socket; empty for TCP.
        host: A loopback address.
    """

    text: str
    daemon: str
    hint: str
    path: str = ""
    host: str = ""
    port: int = 0


def place_of(text: str, *, daemon: str, hint: str) -> Place:
    """The place that `/run/haproxy/admin.sock`, `127.0.0.1:9999` or `[::1]:9999` names.

    Raises:
        InputError: It is neither a path nor a port of a loopback address: these sockets ask for no password, so that
            whoever reaches one commands the daemon.
    """
    if text.startswith("/") and len(text.encode()) <= PATH_LIMIT and "\0" not in text:
        return Place(text=text, daemon=daemon, hint=hint, path=text)
    host, _, port = text.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    is_port = port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
    if address is None or not is_port or not address.is_loopback:
        advice = "an absolute path, or a port of a loopback address: 127.0.0.1:9999"
        raise InputError(f"{text[:120]!r} is no control socket of this machine", where=daemon, hint=advice)
    return Place(text=text, daemon=daemon, hint=hint, host=str(address), port=int(port))


@asynccontextmanager
async def opened(place: Place, timeout_s: float) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """A connection that is gone at the end, also when the caller was cancelled or the time was over.

    Args:
        place: Whom to reach.
        timeout_s: Limit of everything that happens within, in seconds.

    Raises:
        ActuatorError: Not reached, broken off, or not done in time.
    """
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await _connect(place)
            try:
                yield reader, writer
            finally:
                writer.transport.abort()
    except TimeoutError as error:
        what = f"{place.daemon} did not answer within {timeout_s:g} s"
        raise ActuatorError(what, where=place.text, hint="is it frozen, or does it have too much to do?") from error
    except (OSError, EOFError, asyncio.LimitOverrunError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error) or type(error).__name__
        raise ActuatorError(f"{place.daemon} was not reached: {reason}", where=place.text, hint=place.hint) from error


async def _connect(place: Place) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    if place.path:
        return await asyncio.open_unix_connection(place.path, limit=ANSWER_LIMIT_BYTES)
    return await asyncio.open_connection(place.host, place.port, limit=ANSWER_LIMIT_BYTES)


async def ask(place: Place, line: str, timeout_s: float) -> str:
    """What is answered to one line until the daemon closes the connection.

    Raises:
        ActuatorError: Not reached, no whole answer in time, or one that is too long.
    """
    async with opened(place, timeout_s) as (reader, writer):
        writer.write(line.encode() + b"\n")
        await writer.drain()
        answer = bytearray()
        while part := await reader.read(65536):
            answer += part
            if len(answer) > ANSWER_LIMIT_BYTES:
                raise ActuatorError(f"{place.daemon} answers without end", where=place.text, hint=place.hint)
        return answer.decode("utf-8", "replace")
