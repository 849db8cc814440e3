"""HAProxy sends to this node's servers where the group is active: told and asked through its runtime API.

HAProxy knows no fencing tokens. What stops the old holder is that its servers are in `maint`, put there by the old
holder itself and, where `others` names them, by the new one as well.

Source: HAProxy 2.8 management guide, 9.3 (`set server`, `show servers state`, `shutdown sessions server`).
"""

from __future__ import annotations

import asyncio
import csv
import io
import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping

from msgspec import Struct

from bascule.cluster.actuators import control_socket
from bascule.cluster.actuators.port import Seen, Term
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import ActuatorError, InputError
from bascule.kernel.quantities import Duration

HINT = "is HAProxy running, with `stats socket ... level admin` in its `global` section?"
LOOK_EVERY_S = 0.02
_SERVER = re.compile(r"[A-Za-z0-9_.:-]{1,120}/[A-Za-z0-9_.:-]{1,120}")
# srv_admin_state: forced 0x01, inherited 0x02, no address 0x20, name without one 0x40; drain is 0x08, inherited 0x10.
_MAINT = 0x63
_DRAIN = 0x18
_STARTING_OR_RUNNING = (1, 2)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="haproxy"):
    """Which servers of which HAProxy are ready where the group is active.

    Attributes:
        socket: Its runtime API, with `level admin`: `/run/haproxy/admin.sock`, or a port of a loopback address:
            `127.0.0.1:9999`. It asks for no password: other addresses are refused.
        servers: `backend/server`, ready while the group is active here, else in `maint`; 1 to 64 of them. Write
            `disabled` beside them in HAProxy's own configuration, else they are ready after each of its restarts.
        others: `backend/server`, put into `maint` when the group becomes active here: the servers of the other nodes.
        address: `10.0.0.5:5432`: given to each of `servers` before it becomes ready. For a server that all agents
            share; one whose address is another one is then left alone by `demote`. Empty: addresses stay.
        drain: How long sessions may go on before `maint`, while new ones go elsewhere, up to 1 h. Must be well below
            the time that the group has to stop. Clients that stick to a server by cookie leave it only at `maint`.
        shutdown_sessions: Sessions that are left at `maint` are ended. Otherwise they last as long as their clients
            want, also to a node that is no longer active.
        up_within: How long a server may take to pass its health check once it is ready, up to 10 min.
        timeout: Limit of one question to HAProxy: 50 ms to 60 s.
    """

    socket: str
    servers: tuple[str, ...]
    others: tuple[str, ...] = ()
    address: str = ""
    drain: Duration = Duration(0.0)
    shutdown_sessions: bool = True
    up_within: Duration = Duration(5.0)
    timeout: Duration = Duration(1.0)


class ServerState(Struct, frozen=True, kw_only=True):
    """One server as HAProxy sees it.

    Attributes:
        address: Address and port, as HAProxy writes them.
        operational: 0 stopped, 1 starting, 2 running, 3 stopping.
        administrative: Bits that keep it from serving.
    """

    address: tuple[str, str]
    operational: int
    administrative: int

    @property
    def is_in_maint(self) -> bool:
        """Nobody is sent to it, not even who sticks to it."""
        return bool(self.administrative & _MAINT)

    @property
    def is_ready(self) -> bool:
        """Nobody keeps it from serving."""
        return not self.administrative & (_MAINT | _DRAIN)

    @property
    def is_serving(self) -> bool:
        """It is ready, and passes its health check if it has one."""
        return self.is_ready and self.operational in _STARTING_OR_RUNNING


States = Mapping[str, ServerState]


def parse_states(text: str) -> dict[str, ServerState]:
    """What `show servers state` says, by `backend/server`.

    Raises:
        ValueError: It is none of its answers.
    """
    version, _, rest = text.lstrip().partition("\n")
    header, _, rows = rest.partition("\n")
    if version.strip() != "1" or not header.startswith("# "):
        message = text.strip().partition("\n")[0][:200] or "nothing"
        raise ValueError(message)
    names = header[2:].split()
    found: dict[str, ServerState] = {}
    for row in filter(None, map(str.strip, rows.splitlines())):
        values = dict(zip(names, row.split(), strict=False))
        try:
            found[f"{values['be_name']}/{values['srv_name']}"] = ServerState(
                address=(values["srv_addr"], values["srv_port"]),
                operational=int(values["srv_op_state"]),
                administrative=int(values["srv_admin_state"]),
            )
        except KeyError as error:
            message = f"no column {error}"
            raise ValueError(message) from error
    return found


def parse_sessions(text: str) -> dict[str, int]:
    """How many sessions each `backend/server` has, from what `show stat` says."""
    rows = csv.DictReader(io.StringIO(text.lstrip().removeprefix("# ")))
    return {f"{row.get('pxname')}/{row.get('svname')}": int(row.get("scur") or 0) for row in rows}


def make(options: Options) -> HaproxyServers:
    """The actuator.

    Raises:
        InputError: An option cannot be used.
    """
    return HaproxyServers(options)


class HaproxyServers:
    """Servers of one HAProxy: ready where the group is active, in `maint` where it is not.

    A HAProxy that does not answer is given no order, only the question: one that thaws later has no order of ours
    left to carry out, but for one that froze within the moment between its answer and our order.
    """

    def __init__(self, options: Options) -> None:
        self._place = control_socket.place_of(options.socket, daemon="HAProxy", hint=HINT)
        if not 1 <= len(options.servers) <= 64 or len(options.others) > 64:
            raise InputError("a haproxy actuator has 1 to 64 `servers`, and at most 64 `others`", where=options.socket)
        for server in (*options.servers, *options.others):
            if not _SERVER.fullmatch(server):
                raise InputError(f"{server[:120]!r} is no server", where=options.socket, hint="write backend/server")
        if both := set(options.servers) & set(options.others):
            what = f"{', '.join(sorted(both))} cannot be both in `servers` and in `others`"
            raise InputError(what, where=options.socket, hint="name it in one of them")
        _check_durations(options)
        self._options = options
        self._is_promoted = False
        self._address = _address(options)
        self._timeout_s = options.timeout.seconds
        self._clock = SystemClock()
        self.name = f"haproxy {', '.join(options.servers)} at {options.socket}"

    async def promote(self, term: Term) -> None:  # noqa: ARG002 - HAProxy knows no tokens
        """The servers serve, and the others are in `maint`.

        Raises:
            ActuatorError: HAProxy was not reached or refused, or a server does not pass its health check in time.
        """
        states = await self._states()
        for other in self._options.others:
            await self._close_server(
                other
            )  # also one in `maint`: whoever put it there may not have come to its sessions
        for server in self._options.servers:
            if not self._is_here(states[server]):
                await self._move(server)
            if not (self._is_here(states[server]) and states[server].is_ready):
                await self._order(f"set server {server} state ready")
        await self._until(self._is_active, self._options.up_within.seconds, "is not serving, or others still are")
        self._is_promoted = True

    def extend(self, term: Term) -> None:
        """Nothing: HAProxy's servers end with no term."""

    async def demote(self) -> None:
        """The servers are in `maint`, and so are their sessions ended if that is wanted.

        Raises:
            ActuatorError: HAProxy was not reached or refused, or sessions went on.
        """
        self._is_promoted = False
        states = await self._states()
        mine = [server for server in self._options.servers if self._is_here(states[server])]
        serving = [server for server in mine if not states[server].is_in_maint]
        if serving and self._options.drain.seconds > 0:
            await self._drain(serving)
        for server in mine:
            await self._close_server(server)
        await self._until(self._is_passive, self._timeout_s, "is not in maint")
        if self._options.shutdown_sessions and not await self._end_of_sessions(mine, self._timeout_s):
            raise ActuatorError(f"sessions of {', '.join(mine)} go on", where=self._place.text, hint="see `show sess`")

    async def look(self) -> Seen:
        """Active when all of the servers serve and none of the others may; passive when none of them may.

        Once promoted, it is passive too when somebody undid a part of it. A server that only fails its health check
        leaves it unknown: it is as it was ordered, and to order it again would not help.
        """
        try:
            states = await self._states()
        except ActuatorError:
            return "unknown"
        if self._is_active(states):
            return "active"
        is_undone = self._is_promoted and not self._is_as_ordered(states)
        return "passive" if is_undone or self._is_passive(states) else "unknown"

    async def close(self) -> None:
        """Nothing to let go of: each question has a connection of its own."""

    def _is_here(self, state: ServerState) -> bool:
        return not self._address or state.address == self._address

    def _is_as_ordered(self, states: States) -> bool:
        own = all(states[one].is_ready and self._is_here(states[one]) for one in self._options.servers)
        return own and all(states[one].is_in_maint for one in self._options.others)

    def _is_active(self, states: States) -> bool:
        return self._is_as_ordered(states) and all(states[one].is_serving for one in self._options.servers)

    def _is_passive(self, states: States) -> bool:
        return all(states[one].is_in_maint or not self._is_here(states[one]) for one in self._options.servers)

    async def _states(self) -> States:
        text = await control_socket.ask(self._place, "show servers state", self._timeout_s)
        try:
            states = parse_states(text)
        except ValueError as error:
            raise ActuatorError(
                f"HAProxy does not tell of servers: {error}", where=self._place.text, hint=HINT
            ) from error
        for server in (*self._options.servers, *self._options.others):
            if server not in states:
                what = f"HAProxy has no server {server}"
                raise ActuatorError(what, where=self._place.text, hint="see `show servers state`")
        return states

    async def _sessions(self) -> dict[str, int]:
        text = await control_socket.ask(self._place, "show stat", self._timeout_s)
        try:
            return parse_sessions(text)
        except ValueError as error:
            raise ActuatorError(
                f"HAProxy does not tell of sessions: {error}", where=self._place.text, hint=HINT
            ) from error

    async def _order(self, line: str) -> None:
        """Say what is answered with nothing when it was done."""
        answer = (await control_socket.ask(self._place, line, self._timeout_s)).strip()
        if answer:
            raise ActuatorError(f"HAProxy refused `{line}`: {answer[:200]}", where=self._place.text, hint=HINT)

    async def _move(self, server: str) -> None:
        """Give a shared server our address; who is at the old one is sent away first."""
        await self._close_server(server)
        host, port = self._address or ("", "")
        # What it answers to this order is prose; the state that is asked for later says whether it was done.
        await control_socket.ask(self._place, f"set server {server} addr {host} port {port}", self._timeout_s)

    async def _close_server(self, server: str) -> None:
        await self._order(f"set server {server} state maint")
        if self._options.shutdown_sessions:
            await self._order(f"shutdown sessions server {server}")

    async def _drain(self, servers: Iterable[str]) -> None:
        for server in servers:
            await self._order(f"set server {server} state drain")
        await self._end_of_sessions(servers, self._options.drain.seconds)

    async def _end_of_sessions(self, servers: Iterable[str], limit_s: float) -> bool:
        """Whether the servers have no session left, at the latest when the limit is over."""
        until_s = self._clock.monotonic_s() + limit_s
        while True:
            sessions = await self._sessions()
            if not any(sessions.get(server, 0) for server in servers):
                return True
            if self._clock.monotonic_s() >= until_s:
                return False
            await asyncio.sleep(LOOK_EVERY_S)

    async def _until(self, is_so: Callable[[States], bool], limit_s: float, otherwise: str) -> None:
        until_s = self._clock.monotonic_s() + limit_s
        while not is_so(states := await self._states()):
            if self._clock.monotonic_s() >= until_s:
                seen = ", ".join(
                    f"{one}: {states[one].operational}/{states[one].administrative:#04x}"
                    for one in (*self._options.servers, *self._options.others)
                )
                what = f"{', '.join(self._options.servers)} {otherwise} (state/admin bits: {seen})"
                raise ActuatorError(what, where=self._place.text, hint="see `show servers state`")
            await asyncio.sleep(LOOK_EVERY_S)


def _check_durations(options: Options) -> None:
    for name, least_s, most_s in (("drain", 0.0, 3600.0), ("up_within", 0.0, 600.0), ("timeout", 0.05, 60.0)):
        given: Duration = getattr(options, name)
        if not least_s <= given.seconds <= most_s:
            hint = f"{Duration(least_s)} to {Duration(most_s)}"
            raise InputError(f"{name} = {given} is impossible", where=options.socket, hint=hint)


def _address(options: Options) -> tuple[str, str] | None:
    if not options.address:
        return None
    host, _, port = options.address.rpartition(":")
    try:
        address = ipaddress.ip_address(host.removeprefix("[").removesuffix("]"))
    except ValueError:
        address = None
    if address is None or not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        hint = "write it like 10.0.0.5:5432 or [fd00::5]:5432"
        raise InputError(f"{options.address[:120]!r} is no address with a port", where=options.socket, hint=hint)
    return str(address), str(int(port))
