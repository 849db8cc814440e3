"""A node may have the group only where Patroni says that it is the primary; or that it is not too far behind."""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct

from bascule.cluster.actuators.patroni_api import PatroniApi
from bascule.cluster.checks.asking import Questions, check_url
from bascule.cluster.checks.limits import check_timeout
from bascule.cluster.checks.port import Health
from bascule.kernel.errors import ActuatorError
from bascule.kernel.quantities import Duration, Size

WORKING = frozenset({"running", "streaming", "in archive recovery"})


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="patroni"):
    """Which Patroni is asked, and for what.

    Attributes:
        url: The REST API of this node's Patroni, by IP address: `http://10.0.0.1:8008`.
        role: `primary`: the group follows Patroni's leader, and no other node may have it. `any`: each node whose
            PostgreSQL runs may have it; its lag is told, and the group's `most_lag` holds.
        most_lag: With `any`: beyond this, or when the lag of a replica is not known, it is not eligible.
        timeout: Limit of all questions of one check, up to a minute.
        ca_file: PEM of whom to trust with https; empty: whom the machine trusts.
        host: With https, the name that Patroni's certificate must have.
    """

    url: str
    role: Literal["primary", "any"] = "primary"
    most_lag: Size | None = None
    timeout: Duration = Duration(2.0)
    ca_file: str = ""
    host: str = ""


def make(options: Options) -> PatroniCheck:
    """The check; nothing is asked yet.

    Raises:
        InputError: An option is impossible.
    """
    check_timeout(options.timeout)
    check_url(options.url, where="url", has_path=False)
    return PatroniCheck(options)


class PatroniCheck:
    """Asks this node's Patroni. What it says is as old as the last round of its loop (`loop_wait`)."""

    def __init__(self, options: Options) -> None:
        self._options = options
        self._timeout_s = options.timeout.seconds
        questions = Questions(timeout_s=self._timeout_s, ca_file=options.ca_file, host=options.host)
        self._api = PatroniApi(options.url, questions)

    async def check(self) -> Health:
        """What Patroni says now; never raises."""
        try:
            async with asyncio.timeout(self._timeout_s):
                return await self._check()
        except TimeoutError:
            return Health(ok=False, why=f"no answer within {self._timeout_s:g} s")
        except ActuatorError as error:
            return Health(ok=False, why=error.what[:200])

    async def _check(self) -> Health:
        if await self._api.is_primary():
            return Health(ok=True, lag_bytes=0)
        if self._options.role == "primary":
            return Health(ok=False, why="Patroni does not say that this node is the primary")
        name = await self._api.name()
        member = (await self._api.members()).members.get(name)
        if member is None or member.state not in WORKING:
            return Health(ok=False, why=f"Patroni says that {name} is {member.state if member else 'not there'}"[:200])
        most = self._options.most_lag
        if most is not None and (member.lag_bytes is None or member.lag_bytes > most.bytes):
            behind = "unknown" if member.lag_bytes is None else f"{member.lag_bytes} bytes"
            return Health(ok=False, why=f"its lag is {behind}, more than {most}", lag_bytes=member.lag_bytes)
        return Health(ok=True, lag_bytes=member.lag_bytes)
