"""What a system file may say about a service of one's own. Pure."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct, field

StopSignal = Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGUSR2"]


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Options of a service: any command.

    `command` and the values of `environment` may hold references: `${COMPONENT.KEY}` is what that component exports
    (`${database.user}`, `${edge.postgresql}` as `host:port,host:port`, nearest first), `${self.address}`,
    `${self.port}`, `${self.name}`, `${self.zone}`, `${self.region}`, `${system.name}`, `${system.directory}` (the
    file's folder), `${python}` (the interpreter that runs bascule). `$$` is a dollar.

    Attributes:
        command: The argument list; there is no shell.
        port: Where it listens, on `${self.address}`.
        environment: Added to its environment.
        health: Path that answers 200 while it may take traffic.
        stop_signal: What asks it to end.
    """

    command: tuple[str, ...]
    port: int = 8000
    environment: dict[str, str] = field(default_factory=dict)
    health: str = "/health/ready"
    stop_signal: StopSignal = "SIGTERM"
