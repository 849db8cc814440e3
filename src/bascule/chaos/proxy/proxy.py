"""One proxy: where it listens, whom it reaches, its toxics, its connections, and the count of what they did."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from ipaddress import ip_address

from bascule.chaos.proxy import protocol as say
from bascule.chaos.proxy.connection import RESET, Connection
from bascule.chaos.proxy.exchanges import Exchanges
from bascule.chaos.proxy.flow import Tally
from bascule.chaos.proxy.http_faults import AnyHttpFault, HttpFault
from bascule.chaos.proxy.toxics import AnyToxic, Toxic
from bascule.kernel.dice import Dice
from bascule.kernel.errors import InputError, MachineError

MOST_CONNECTIONS = 4096
"""Of one proxy at a time; further clients wait in the kernel's queue."""
MOST_TALLIES = 256
BACKLOG = 1024
ACCEPTS_AT_ONCE = 64
CONNECT_LIMIT_S = 10.0
BREATH_S = 0.1


def parse_address(text: str) -> tuple[str, int]:
    """Host and port of `host:port` or `[host]:port`.

    Raises:
        InputError: It is neither.
    """
    host, _, port = text.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    if not host or not (port.isascii() and port.isdigit()) or int(port) > 65_535:
        raise InputError(f"no address: {text!r}", hint="write host:port, such as 127.0.0.1:6379")
    return host, int(port)


def listening_address(text: str, allowed: frozenset[str]) -> tuple[str, int]:
    """Where to listen.

    Args:
        text: An IP address and a port, or `localhost` and a port.
        allowed: Addresses beyond the loopback that may be listened on.

    Raises:
        InputError: It is no address, or one that was not allowed: a proxy lets everybody in.
    """
    host, port = parse_address(text)
    host = "127.0.0.1" if host == "localhost" else host
    try:
        address = ip_address(host)
    except ValueError:
        raise InputError(f"a proxy listens on an IP address, not on {host!r}") from None
    if not address.is_loopback and str(address) not in allowed:
        hint = f"start the proxy process with --allow-listen {address}"
        raise InputError(f"listening on {address} was not allowed", hint=hint)
    return str(address), port


class Proxy:
    """A listening socket in front of one real server. While it is disabled its port refuses, and stays its own.

    Raises:
        InputError: An address is none.
        MachineError: The port cannot be had.
    """

    def __init__(self, wanted: say.Create, dice: Dice, allowed: frozenset[str]) -> None:
        self.name = wanted.name
        self.is_enabled = False
        self._wanted = wanted
        self._dice = dice
        self._loop = asyncio.get_running_loop()
        self._upstream = parse_address(wanted.upstream)
        self._toxics: tuple[AnyToxic, ...] = ()
        self._faults: tuple[AnyHttpFault, ...] = ()
        self._tallies: dict[str, Tally] = {}
        self._connections: set[Connection] = set()
        self._reaching: dict[asyncio.Task[None], socket.socket] = {}
        self._accepted = self._unreached = self._opaque = 0
        self._carried = {"upstream": 0, "downstream": 0}
        self._is_accepting = False
        host, port = listening_address(wanted.listen, allowed)
        self._listener = self._bind(host, port)
        if not port:
            # The kernel takes back a port that it chose when a socket stops listening, but not one that was asked for.
            port = self._listener.getsockname()[1]
            self._listener.close()
            self._listener = self._bind(host, port)
        if wanted.enabled:
            self.enable()

    def _bind(self, host: str, port: int) -> socket.socket:
        listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
        try:
            listener.settimeout(0)
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((host, port))
        except OSError as error:
            listener.close()
            raise MachineError(f"cannot listen: {error.strerror}", where=self._wanted.listen) from error
        return listener

    def enable(self) -> None:
        """Listen.

        Raises:
            MachineError: It cannot.
        """
        if self.is_enabled:
            return
        try:
            self._listener.listen(BACKLOG)
        except OSError as error:
            raise MachineError(f"cannot listen: {error.strerror}", where=self._wanted.listen) from error
        self.is_enabled = True
        self._accept_if_room()

    def disable(self) -> None:
        """Refuse whoever comes, and end the connections that there are."""
        if self.is_enabled:
            self.is_enabled = False
            self._stop_accepting()
            self._listener.shutdown(socket.SHUT_RD)  # it listens no longer, and its port is nobody else's
        self._end_connections()

    def close(self) -> None:
        """Nothing of it is left."""
        self._stop_accepting()
        self.is_enabled = False
        self._listener.close()
        self._end_connections()

    def _end_connections(self) -> None:
        for task in tuple(self._reaching):
            task.cancel()
        for connection in tuple(self._connections):
            connection.kill()

    def _accept_if_room(self) -> None:
        room = len(self._connections) + len(self._reaching) < MOST_CONNECTIONS
        if self.is_enabled and room and not self._is_accepting:
            self._is_accepting = True
            self._loop.add_reader(self._listener, self._accept)

    def _stop_accepting(self) -> None:
        if self._is_accepting:
            self._is_accepting = False
            self._loop.remove_reader(self._listener)

    def _accept(self) -> None:
        for _ in range(ACCEPTS_AT_ONCE):
            if len(self._connections) + len(self._reaching) >= MOST_CONNECTIONS:
                self._stop_accepting()
                return
            try:
                client, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # no descriptors are left: who is in the queue waits a little
                self._stop_accepting()
                self._loop.call_later(BREATH_S, self._accept_if_room)
                return
            client.settimeout(0)
            self._accepted += 1
            task = self._loop.create_task(self._reach(client))
            self._reaching[task] = client
            task.add_done_callback(self._reached)

    def _reached(self, task: asyncio.Task[None]) -> None:
        client = self._reaching.pop(task)
        if task.cancelled():
            client.close()  # a task that was cancelled before it began has closed nothing
        elif (error := task.exception()) is not None:
            self._loop.call_exception_handler({"message": "a connection was not begun", "exception": error})
        self._accept_if_room()

    async def _reach(self, client: socket.socket) -> None:
        server: socket.socket | None = None
        try:
            async with asyncio.timeout(CONNECT_LIMIT_S):
                server = await self._connect()
            self._begin(client, server)
        except OSError:
            self._unreached += 1
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)  # nobody serves: as if refused
            client.close()
        except BaseException:
            client.close()
            if server is not None:
                server.close()
            raise

    async def _connect(self) -> socket.socket:
        """A connected socket to the real server.

        Raises:
            OSError: None of its addresses was reached.
        """
        problem: OSError = OSError(f"{self._wanted.upstream} has no address")
        for family, address in await self._addresses():
            server = socket.socket(family, socket.SOCK_STREAM)
            try:
                server.settimeout(0)
                await self._loop.sock_connect(server, address)
            except OSError as error:
                server.close()
                problem = error
            except BaseException:
                server.close()
                raise
            else:
                return server
        raise problem

    async def _addresses(self) -> list[tuple[int, tuple[str, int] | tuple[str, int, int, int] | tuple[int, bytes]]]:
        """Every address of the real server; a name is looked up each time, since it may move."""
        host, port = self._upstream
        try:
            family = socket.AF_INET6 if ip_address(host).version == 6 else socket.AF_INET
        except ValueError:
            found = await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            return [(family, address) for family, _, _, _, address in found]
        return [(family, (host, port))]

    def _begin(self, client: socket.socket, server: socket.socket) -> None:
        for end in (client, server):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        exchanges = Exchanges(self._dice) if self._wanted.protocol == "http" else None
        connection = Connection(client, server, self._dice, exchanges, self._ended)
        self._connections.add(connection)
        connection.begin(self._toxics, self._faults, self._tallies)

    def _ended(self, connection: Connection) -> None:
        self._connections.discard(connection)
        self._opaque += connection.exchanges is not None and connection.exchanges.is_opaque
        for line in connection.lines:
            self._carried[line.stream] += line.carried_bytes
        self._accept_if_room()

    def set_toxics(self, toxics: Sequence[AnyToxic]) -> None:
        """These toxics and no others.

        Raises:
            InputError: Two are counted under one name.
        """
        self._replace(tuple(toxics), self._faults)

    def set_faults(self, faults: Sequence[AnyHttpFault]) -> None:
        """These HTTP faults and no others.

        Raises:
            InputError: Two are counted under one name, or the proxy is none for HTTP.
        """
        if faults and self._wanted.protocol != "http":
            raise InputError(
                f"{self.name} passes bytes and knows no HTTP", hint="create the proxy with the protocol http"
            )
        self._replace(self._toxics, tuple(faults))

    def add(self, one: AnyToxic | AnyHttpFault) -> None:
        """One more, in place of what is counted under the same name.

        Raises:
            InputError: There are too many already, or the proxy is none for HTTP.
        """
        toxics = tuple(each for each in self._toxics if each.label != one.label)
        faults = tuple(each for each in self._faults if each.label != one.label)
        if isinstance(one, HttpFault):
            faults = (*faults, one)
        else:
            toxics = (*toxics, one)
        if max(len(toxics), len(faults)) > say.MOST_TOXICS:
            raise InputError(f"{self.name} has {say.MOST_TOXICS} of these already; that is the limit")
        if isinstance(one, HttpFault):
            self.set_faults(faults)
        else:
            self.set_toxics(toxics)

    def take_away(self, label: str) -> None:
        """None that is counted under this name any more."""
        toxics = tuple(each for each in self._toxics if each.label != label)
        self._replace(toxics, tuple(each for each in self._faults if each.label != label))

    def _replace(self, toxics: tuple[AnyToxic, ...], faults: tuple[AnyHttpFault, ...]) -> None:
        known: tuple[Toxic | HttpFault, ...] = (*self._toxics, *self._faults)
        before = {one.label: one for one in known}
        wanted: tuple[Toxic | HttpFault, ...] = (*toxics, *faults)
        labels = [one.label for one in wanted]
        if twice := sorted({label for label in labels if labels.count(label) > 1}):
            raise InputError(f"more than one is named {twice[0]}", hint="give each a name of its own")
        for one in wanted:
            if before.get(one.label) != one:
                self._tallies.pop(one.label, None)  # another fault begins to count anew
                self._tallies[one.label] = Tally()
        for label in [label for label in self._tallies if label not in labels][: -MOST_TALLIES or None]:
            del self._tallies[label]
        self._toxics, self._faults = toxics, faults
        for connection in tuple(self._connections):
            connection.replace(toxics, faults, self._tallies)

    def status(self) -> say.ProxyStatus:
        """How it is now."""
        host, port = self._listener.getsockname()[:2]
        carried = dict(self._carried)
        opaque = self._opaque
        for connection in self._connections:
            opaque += connection.exchanges is not None and connection.exchanges.is_opaque
            for line in connection.lines:
                carried[line.stream] += line.carried_bytes
        return say.ProxyStatus(
            name=self.name,
            listen=f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
            upstream=self._wanted.upstream,
            protocol=self._wanted.protocol,
            enabled=self.is_enabled,
            toxics=self._toxics,
            faults=self._faults,
            connections=len(self._connections),
            accepted=self._accepted,
            unreached=self._unreached,
            opaque=opaque,
            upstream_bytes=carried["upstream"],
            downstream_bytes=carried["downstream"],
            acted={
                label: say.Acted(connections=tally.connections, acts=tally.acts, bytes=tally.bytes)
                for label, tally in self._tallies.items()
            },
        )


class Proxies:
    """All proxies of one process, by name."""

    def __init__(self, dice: Dice, allowed: frozenset[str]) -> None:
        self._dice = dice
        self._allowed = allowed
        self._proxies: dict[str, Proxy] = {}

    def carry_out(self, request: say.Requests) -> tuple[say.ProxyStatus, ...]:
        """Do what is asked, and return the statuses that are its answer.

        Raises:
            InputError: It cannot be asked so.
            MachineError: A port cannot be had.
        """
        match request:
            case say.Create():
                return (self._create(request).status(),)
            case say.List():
                return tuple(self._proxies[name].status() for name in sorted(self._proxies))
            case say.Reset():
                return self._reset()
            case _:
                return (self._change(self._named(request.name), request),)

    def _create(self, request: say.Create) -> Proxy:
        if request.name in self._proxies:
            raise InputError(f"there is a proxy {request.name} already", hint="remove it first")
        if len(self._proxies) >= say.MOST_PROXIES:
            raise InputError(f"there are {say.MOST_PROXIES} proxies already; that is the limit")
        self._proxies[request.name] = proxy = Proxy(request, self._dice, self._allowed)
        return proxy

    def _named(self, name: str) -> Proxy:
        if name not in self._proxies:
            known = ", ".join(sorted(self._proxies)) or "none"
            raise InputError(f"there is no proxy {name}", hint=f"there are: {known}")
        return self._proxies[name]

    def _change(self, proxy: Proxy, request: say.Requests) -> say.ProxyStatus:
        match request:
            case say.SetToxics():
                proxy.set_toxics(request.toxics)
            case say.SetFaults():
                proxy.set_faults(request.faults)
            case say.AddToxic():
                proxy.add(request.toxic)
            case say.AddFault():
                proxy.add(request.fault)
            case say.TakeAway():
                proxy.take_away(request.label)
            case say.Enable():
                proxy.enable()
            case say.Disable():
                proxy.disable()
            case say.Remove():
                del self._proxies[proxy.name]
                status = proxy.status()
                proxy.close()
                return status
            case _:
                pass  # a status alone was asked for
        return proxy.status()

    def _reset(self) -> tuple[say.ProxyStatus, ...]:
        for proxy in self._proxies.values():
            proxy.set_toxics(())
            proxy.set_faults(())
            proxy.enable()
        return self.carry_out(say.List())

    def close(self) -> None:
        """End them all."""
        for proxy in self._proxies.values():
            proxy.close()
        self._proxies.clear()
