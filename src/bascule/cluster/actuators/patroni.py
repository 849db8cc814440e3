"""Patroni's leader follows the group: where the group becomes active, Patroni switches over to this node's PostgreSQL.

Patroni has a lock of its own that keeps its cluster to one primary, whatever becomes of the group's lease. So nothing
has to be undone for safety when the group leaves. The other way round, a group that follows Patroni's leader, needs no
actuator: it needs the check of the kind `patroni`.
"""

from __future__ import annotations

import asyncio
from typing import Literal

from msgspec import Struct

from bascule.cluster.actuators.hook import check_limit
from bascule.cluster.actuators.patroni_api import HINT, Members, PatroniApi
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.checks.asking import Questions, check_url
from bascule.cluster.stores.secret_files import read_secret
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

LOOK_EVERY_S = 0.2


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="patroni"):
    """Which Patroni is asked, and what it is told.

    Attributes:
        url: The REST API of this node's Patroni, by IP address: `http://10.0.0.1:8008`.
        user: For its orders, as in its `restapi.authentication`; empty: it asks for none.
        password_file: The password, in a file that others cannot read.
        at_demote: `leave`: Patroni's leader stays until the next holder switches over. `switchover`: it is moved away,
            also when an agent starts on the node that leads: each restart of an agent moves it then.
        timeout: Limit of one question.
        switchover_within: How long a switchover may take, until this node's PostgreSQL is the primary. Patroni takes
            one round of its loop (`loop_wait`) and a checkpoint for it. Less than the agent's `promote_within`.
        ca_file: PEM of whom to trust with https; empty: whom the machine trusts.
        host: With https, the name that Patroni's certificate must have.
    """

    url: str
    user: str = ""
    password_file: str = ""
    at_demote: Literal["leave", "switchover"] = "leave"
    timeout: Duration = Duration(2.0)
    switchover_within: Duration = Duration(30.0)
    ca_file: str = ""
    host: str = ""


def make(options: Options) -> PatroniLeader:
    """The actuator; nothing is asked yet. The password is read.

    Raises:
        InputError: An option is impossible.
    """
    check_url(options.url, where="url", has_path=False)
    for limit in ("timeout", "switchover_within"):
        check_limit(getattr(options, limit), where=limit)
    if bool(options.user) != bool(options.password_file) or ":" in options.user or not options.user.isascii():
        raise InputError("`user` and `password_file` are given together", where="user", hint="as Patroni's restapi has")
    password = read_secret(options.password_file, for_whom="password_file") if options.password_file else ""
    return PatroniLeader(options, password, BootClock())


class PatroniLeader:
    """This node's PostgreSQL leads where the group is active.

    A switchover that was ordered goes on in Patroni also when the call that ordered it is cancelled.

    Args:
        options: Checked by `make`.
        password: For orders.
        clock: `CLOCK_BOOTTIME`.
    """

    def __init__(self, options: Options, password: str, clock: Clock) -> None:
        self.name = f"patroni at {options.url}"
        self._options = options
        self._clock = clock
        self._until_s = 0.0
        self._asking = self._api(options.timeout.seconds, password)
        self._ordering = self._api(options.switchover_within.seconds, password)

    def _api(self, timeout_s: float, password: str) -> PatroniApi:
        one = self._options
        questions = Questions(timeout_s=timeout_s, host=one.host, ca_file=one.ca_file, user=one.user, password=password)
        return PatroniApi(one.url, questions)

    async def promote(self, term: Term) -> None:
        """This node is Patroni's primary; nothing is ordered once the validity has ended.

        Raises:
            ActuatorError: It is not: Patroni was not reached, refused, or did not do it in time.
        """
        self._until_s = term.until_s
        if await self._asking.is_primary():
            return
        own = await self._asking.name()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.switchover_within.seconds
        asked = False
        while True:
            try:
                if await self._asking.is_primary():
                    return
                leader = (await self._asking.members()).leader
            except ActuatorError:
                if not asked or loop.time() >= until_s:
                    raise
                leader = ""  # in the middle of a switchover that was taken, one answer more or less says nothing
            if leader not in {"", own} and not asked:
                await self._order(leader, own)
                asked = True
            elif loop.time() >= until_s:
                raise self._late(f"is not the primary: the leader is {leader or 'nobody'}")
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _order(self, leader: str, candidate: str) -> None:
        if self._clock.monotonic_s() >= self._until_s:
            raise ActuatorError("the validity has ended", where=self.name, hint="the next term will be tried")
        await self._ordering.switch_over(leader, candidate)

    def extend(self, term: Term) -> None:
        """An order that is given later may still be given; nothing else."""
        self._until_s = term.until_s

    async def demote(self) -> None:
        """Nothing with `leave`. With `switchover`, this node leads no longer.

        Raises:
            ActuatorError: It still leads: Patroni was not reached, refused, or has nobody else.
        """
        if self._options.at_demote == "leave":
            return
        own = await self._asking.name()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.switchover_within.seconds
        asked = False
        while await self._leads(own):
            if not asked:
                await self._ordering.switch_over(own, _next(await self._asking.members(), own))
                asked = True
            elif loop.time() >= until_s:
                raise self._late("still leads")
            else:
                await asyncio.sleep(LOOK_EVERY_S)

    async def _leads(self, own: str) -> bool:
        return await self._asking.is_primary() or (await self._asking.members()).leader == own

    def _late(self, what: str) -> ActuatorError:
        within_s = self._options.switchover_within.seconds
        return ActuatorError(f"this node {what} within {within_s:g} s", where=self.name, hint=HINT)

    async def look(self) -> Seen:
        """Active where this node is Patroni's primary, also after a demotion with `leave`."""
        try:
            return "active" if await self._asking.is_primary() else "passive"
        except ActuatorError:
            return "unknown"

    async def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""


def _next(seen: Members, own: str) -> str:
    """Whom to name: nobody, since Patroni chooses best; while it is paused it has to be told, and then the nearest."""
    if not seen.is_paused:
        return ""
    known = [one for one in seen.members.values() if one.name != own and one.lag_bytes is not None]
    return min(known, key=lambda one: (one.lag_bytes or 0, one.name)).name if known else ""
