"""What a system file may say about HAProxy. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct

from bascule.kernel.quantities import Duration

ServerRole = Literal["any", "primary", "replica"]


class Listener(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One port that is open to clients, and the component behind it.

    Attributes:
        port: Where it listens.
        to: The component whose members are its servers.
        mode: `http` looks into requests, and may send one again where that is safe; `tcp` passes bytes on.
        role: Which of the members serve: all, the primary alone, or replicas alone.
        health: Path of the health check, instead of the engine's own.
    """

    port: int
    to: str
    mode: Literal["http", "tcp"] = "tcp"
    role: ServerRole = "any"
    health: str = ""


class Check(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How servers are checked.

    Attributes:
        every: Pause between two checks.
        timeout: How long an answer may take. A frozen server is down after `every + fall x timeout` or so.
        fall: Failed checks in a row that mark a server down.
        rise: Good checks in a row that mark it up.
    """

    every: Duration = Duration(0.25)
    timeout: Duration = Duration(0.3)
    fall: int = 2
    rise: int = 1


class Timeouts(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long to wait for whom.

    Attributes:
        connect: A server to accept a connection.
        queue: A free place on a server.
        client: An idle client, in `http` mode.
        server: A silent server, in `http` mode.
        idle: Both of them in `tcp` mode, where a pool keeps connections open.
    """

    connect: Duration = Duration(0.5)
    queue: Duration = Duration(1.0)
    client: Duration = Duration(30.0)
    server: Duration = Duration(10.0)
    idle: Duration = Duration(3600.0)


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of an HAProxy component.

    Attributes:
        listeners: Its ports, by name.
        check: How servers are checked.
        timeouts: How long to wait for whom.
        maxconn: Connections that it accepts in all; more wait in the kernel.
        stats: Port of its own health and statistics page.
    """

    listeners: dict[str, Listener]
    check: Check = Check()
    timeouts: Timeouts = Timeouts()
    maxconn: int = 2000
    stats: int = 8404
