"""A route that BIRD or ExaBGP announces where the group is active: anycast, with the network as the load balancer.

In BIRD's configuration a `static` protocol has the routes, and is disabled at the start; a `bgp` protocol exports what
it has. The actuator enables and disables it through BIRD's control socket. What BIRD does then, it does at once; how
long neighbours take is theirs: some send updates seconds apart, and the longest path to the old place is tried first.
ExaBGP is the matter of `exabgp`.
"""

from __future__ import annotations

import asyncio
import re
from typing import Literal

from msgspec import Struct

from bascule.cluster.actuators import exabgp
from bascule.cluster.actuators.control_socket import Place, opened, place_of
from bascule.cluster.actuators.port import Actuator, Seen, Term
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

_PROTOCOL = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,62}")
_ANSWER = re.compile(rb"^(\d{4})([ -])(.*)$")
_ENABLED, _ALREADY_ENABLED, _DISABLED, _ALREADY_DISABLED, _PROTOCOLS = "0011", "0010", "0009", "0008", "1002"
LINES_LIMIT = 10_000
POLL_S = 0.02


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="bgp"):
    """Which routes of which speaker follow the lease.

    Attributes:
        speaker: The program that speaks BGP.
        protocol: BIRD: the name of its `static` protocol that has the routes, configured with `disabled`.
        routes: ExaBGP: the routes, 1 to 64 of them: `192.0.2.1/32`.
        next_hop: ExaBGP: of the routes: `self`, or an address.
        socket: Where the speaker is told what to do; whoever may write to it commands it. BIRD's control socket, else
            `/run/bird/bird.ctl`; or that of the relay which ExaBGP runs, else `/run/exabgp/bascule.sock`.
        timeout: How long the speaker may take to do one thing: 50 ms to 60 s.
    """

    speaker: Literal["bird", "exabgp"] = "bird"
    protocol: str = ""
    routes: tuple[str, ...] = ()
    next_hop: str = "self"
    socket: str = ""
    timeout: Duration = Duration(2.0)

    @property
    def name(self) -> str:
        """What is the same on all agents."""
        return self.protocol or ", ".join(self.routes)


def make(options: Options) -> Actuator:
    """The actuator; nothing is announced yet.

    Raises:
        InputError: An option is impossible.
    """
    if not 0.05 <= options.timeout.seconds <= 60:
        raise InputError(f"{options.timeout} is impossible", where="timeout", hint="50ms to 60s")
    if options.speaker == "exabgp":
        return _exabgp(options)
    if options.routes or options.next_hop != "self":
        hint = "write the routes into BIRD's own configuration"
        raise InputError("`routes` and `next_hop` are ExaBGP's", where="routes", hint=hint)
    if not _PROTOCOL.fullmatch(options.protocol):
        hint = "letters, digits and _, a letter first"
        raise InputError(f"{options.protocol[:80]!r} is no protocol of BIRD", where="protocol", hint=hint)
    hint = "does BIRD run, and may the agent write to its control socket?"
    return Bgp(options, place_of(options.socket or "/run/bird/bird.ctl", daemon="BIRD", hint=hint))


def _exabgp(options: Options) -> Actuator:
    if options.protocol:
        raise InputError("`protocol` is BIRD's", where="protocol", hint="name the `routes` instead")
    place = place_of(options.socket or "/run/exabgp/bascule.sock", daemon="ExaBGP's relay", hint=exabgp.HINT)
    routes = exabgp.check_routes(options.routes, options.next_hop)
    return exabgp.ExaBgpRoutes(routes, options.next_hop, place, options.timeout.seconds)


class Bgp:
    """The routes of one protocol of BIRD."""

    def __init__(self, options: Options, place: Place) -> None:
        self.name = f"bgp {options.protocol}"
        self._protocol = options.protocol
        self._timeout_s = options.timeout.seconds
        self._place = place

    async def promote(self, term: Term) -> None:
        """Have the routes announced.

        Raises:
            ActuatorError: BIRD was not reached, has no such protocol, or did not do it in time.
        """
        del term
        await self._order("enable", {_ENABLED, _ALREADY_ENABLED}, "up")

    def extend(self, term: Term) -> None:
        """Nothing: the guardian withdraws them when the agent cannot."""

    async def demote(self) -> None:
        """Have the routes withdrawn.

        Raises:
            ActuatorError: BIRD was not reached, or did not do it in time. Also where it does not run at all: with
                graceful restart, its neighbours go on sending to it for a while.
        """
        await self._order("disable", {_DISABLED, _ALREADY_DISABLED}, "down")

    async def look(self) -> Seen:
        """Whether BIRD says that the protocol is up."""
        try:
            state = await self._state()
        except ActuatorError:
            return "unknown"
        return "active" if state == "up" else "passive"

    async def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""

    async def _order(self, word: str, expected: set[str], state: str) -> None:
        answers = await self._ask(f"{word} {self._protocol}")
        if not any(code in expected for code, _ in answers):
            told = "; ".join(text for _, text in answers)[:200]
            hint = f"a protocol static {self._protocol} in bird.conf"
            raise ActuatorError(f"BIRD does not {word} {self._protocol}: {told}", where=self._place.text, hint=hint)
        try:
            async with asyncio.timeout(self._timeout_s):
                while await self._state() != state:  # noqa: ASYNC110 - BIRD tells nobody when it is done
                    await asyncio.sleep(POLL_S)
        except TimeoutError as error:
            what = f"{self._protocol} of BIRD is not {state} within {self._timeout_s:g} s"
            raise ActuatorError(what, where=self._place.text, hint="birdc show protocols all") from error

    async def _state(self) -> str:
        for code, text in await self._ask(f"show protocols {self._protocol}"):
            words = text.split()
            if code == _PROTOCOLS and len(words) >= 4 and words[0] == self._protocol:
                return words[3]
        raise ActuatorError(f"BIRD has no protocol {self._protocol}", where=self._place.text, hint="bird.conf")

    async def _ask(self, line: str) -> list[tuple[str, str]]:
        """The answer to a line: codes and texts, without the greeting. BIRD keeps the connection open."""
        async with opened(self._place, self._timeout_s) as (reader, writer):
            await self._answer(reader)
            writer.write(line.encode() + b"\n")
            await writer.drain()
            return await self._answer(reader)

    async def _answer(self, reader: asyncio.StreamReader) -> list[tuple[str, str]]:
        """Lines up to one whose code is followed by a blank. Source: BIRD, `doc/reply_codes` and `client/`."""
        found: list[tuple[str, str]] = []
        code = ""
        for _ in range(LINES_LIMIT):
            line = (await reader.readuntil(b"\n")).rstrip(b"\n")
            match = _ANSWER.match(line)
            if match is None and not (line.startswith(b" ") and code):
                break
            code = match[1].decode() if match else code
            found.append((code, (match[3] if match else line[1:]).decode("utf-8", "replace")))
            if match is not None and match[2] == b" ":
                return found
        raise ActuatorError("what answers here is not BIRD", where=self._place.text, hint=self._place.hint)
