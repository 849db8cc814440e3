"""A service is well while it takes connections."""

from __future__ import annotations

import asyncio
import ipaddress

from msgspec import Struct

from bascule.cluster.checks.limits import check_timeout
from bascule.cluster.checks.port import Health
from bascule.kernel.errors import InputError
from bascule.kernel.quantities import Duration


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="tcp"):
    """Where connections must be taken.

    Attributes:
        address: IP address and port: `127.0.0.1:5432`, `[::1]:5432`.
        timeout: Limit of one connection, up to a minute.
    """

    address: str
    timeout: Duration = Duration(1.0)


def make(options: Options) -> TcpCheck:
    """The check; nothing is asked yet.

    Raises:
        InputError: An option is impossible.
    """
    check_timeout(options.timeout)
    host, _, port = options.address.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        hint = "write it like 127.0.0.1:5432 or [::1]:5432"
        raise InputError(f"{options.address[:120]!r} is no IP address with a port", where="address", hint=hint)
    return TcpCheck(str(address), int(port), options.timeout.seconds)


class TcpCheck:
    """Connects, and lets go at once.

    Args:
        host: An IP address.
        port: Its port.
        timeout_s: Limit of one connection.
    """

    def __init__(self, host: str, port: int, timeout_s: float) -> None:
        self._host = host
        self._port = port
        self._timeout_s = timeout_s

    async def check(self) -> Health:
        """Whether a connection is taken now; never raises."""
        try:
            async with asyncio.timeout(self._timeout_s):
                _, writer = await asyncio.open_connection(self._host, self._port)
        except TimeoutError:
            return Health(ok=False, why=f"no connection within {self._timeout_s:g} s")
        except OSError as error:
            return Health(ok=False, why=error.strerror or type(error).__name__)
        own, peer = writer.get_extra_info("sockname"), writer.get_extra_info("peername")
        writer.transport.abort()
        # A port that nobody listens at may be given to our own end, which then finds itself (RFC 9293, 3.5: both open).
        return Health(ok=own != peer, why="nobody listens there" if own == peer else "")
