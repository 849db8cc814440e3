"""Routes that ExaBGP announces where the group is active, told through the relay that ExaBGP runs for us.

What ends them when this machine dies is what ends every route: the session to the neighbours.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Sequence

from bascule.cluster.actuators import control_socket
from bascule.cluster.actuators.control_socket import Place
from bascule.cluster.actuators.port import Seen, Term
from bascule.kernel.errors import ActuatorError, InputError

HINT = (
    "does ExaBGP run, with the process of `bascule.cluster.actuators.exabgp_relay`, and may the agent reach its socket?"
)
_ROUTE = re.compile(r"^\S+ ipv[46] unicast (?P<route>\S+/\d+)", re.MULTILINE)


def check_routes(routes: Sequence[str], next_hop: str) -> tuple[str, ...]:
    """The routes as ExaBGP writes them.

    Raises:
        InputError: There is none, or one of them, or the next hop, is no address.
    """
    if not 1 <= len(routes) <= 64:
        raise InputError(f"{len(routes)} routes are impossible", where="routes", hint="name 1 to 64")
    try:
        if next_hop != "self":
            ipaddress.ip_address(next_hop)
        return tuple(str(ipaddress.ip_network(route)) for route in routes)
    except ValueError as error:
        hint = "routes like 192.0.2.1/32 or fd00::1/128, and a next hop that is `self` or an address"
        raise InputError(f"a route cannot be: {error}"[:200], where="routes", hint=hint) from error


class ExaBgpRoutes:
    """Routes that ExaBGP announces to the neighbours that the relay's process is named for.

    Args:
        routes: As `check_routes` gives them.
        next_hop: `self`, or an address.
        place: Of the relay's socket.
        timeout_s: Limit of one question.
    """

    def __init__(self, routes: tuple[str, ...], next_hop: str, place: Place, timeout_s: float) -> None:
        self.name = f"bgp {', '.join(routes)}"
        self._routes = routes
        self._next_hop = next_hop
        self._place = place
        self._timeout_s = timeout_s
        self._is_promoted = False

    async def promote(self, term: Term) -> None:
        """ExaBGP has the routes for its neighbours.

        Raises:
            ActuatorError: ExaBGP was not reached, or does not announce them.
        """
        del term
        there = await self._announced()
        for route in self._routes:
            if route not in there:
                await self._ask(f"announce route {route} next-hop {self._next_hop}")
        if absent := set(self._routes) - await self._announced():
            hint = "does the neighbour have the route's family, and `api { processes [ bascule ]; }`?"
            what = f"ExaBGP does not announce {', '.join(sorted(absent))}"
            raise ActuatorError(what, where=self._place.text, hint=hint)
        self._is_promoted = True

    def extend(self, term: Term) -> None:
        """Nothing: the guardian withdraws them when the agent cannot."""

    async def demote(self) -> None:
        """ExaBGP no longer has the routes for anybody.

        Raises:
            ActuatorError: ExaBGP was not reached, or still announces them. Also where it does not run at all: with
                graceful restart, its neighbours go on sending to it for a while.
        """
        self._is_promoted = False
        there = await self._announced()
        for route in self._routes:
            if route in there:
                await self._ask(f"withdraw route {route} next-hop {self._next_hop}")
        if left := set(self._routes) & await self._announced():
            what = f"ExaBGP still announces {', '.join(sorted(left))}"
            raise ActuatorError(what, where=self._place.text, hint="is it in ExaBGP's own configuration, too?")

    async def look(self) -> Seen:
        """Whether ExaBGP has all of the routes, or none. Once promoted, one that is missing makes it passive."""
        try:
            there = await self._announced() & set(self._routes)
        except ActuatorError:
            return "unknown"
        if len(there) == len(self._routes):
            return "active"
        return "passive" if not there or self._is_promoted else "unknown"

    async def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""

    async def _announced(self) -> set[str]:
        """The routes that any neighbour is sent, or will be once it is there."""
        return {match["route"] for match in _ROUTE.finditer(await self._ask("show adj-rib out"))}

    async def _ask(self, line: str) -> str:
        answer = await control_socket.ask(self._place, line, self._timeout_s)
        *told, end = answer.split("\n")[:-1] or [""]
        if end != "done":
            what = f"ExaBGP did not do `{line}`: {end[:100] or 'it is gone'}"
            raise ActuatorError(what, where=self._place.text, hint=HINT)
        return "\n".join(told)
