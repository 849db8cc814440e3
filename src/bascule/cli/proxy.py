"""`bascule proxy`: run a proxy process, and make, list and remove its proxies; their faults: `bascule chaos inject`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

from cyclopts import App, Parameter
from rich.table import Table

from bascule.chaos.proxy.client import ProxyClient
from bascule.chaos.proxy.protocol import Protocol as Passing
from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.cli.output import emit

app = App(name="proxy", help="A TCP proxy that breaks the way to a server which is not in a lab.")

Json = Annotated[bool, Parameter(name="--json", help="Print one JSON document instead of text.")]


@app.command
def run(socket: Path, /, *, allow_listen: tuple[str, ...] = (), seed: int | None = None) -> int:
    """Run a proxy process in the foreground until Ctrl-C or SIGTERM; it prints `ready` once it may be asked.

    It is asked at its control socket, which is for its own user and root alone.

    Examples:
        bascule proxy run /tmp/proxy.sock
        bascule proxy run /tmp/proxy.sock --allow-listen 10.0.0.5 --seed 7

    Args:
        socket: Where its control socket shall be.
        allow_listen: An address beyond the loopback on which proxies may listen; may be given several times.
        seed: Makes the luck of toxicity and jitter come again.
    """
    argv = [sys.executable, "-m", "bascule.chaos.proxy", "--socket", str(socket)]
    argv += [word for address in allow_listen for word in ("--allow-listen", address)]
    argv += [] if seed is None else ["--seed", str(seed)]
    sys.stdout.flush()
    os.execv(sys.executable, argv)  # noqa: S606 - an argument list, no shell; it becomes that process


@app.command(name="list")
def list_proxies(socket: Path, /, *, as_json: Json = False) -> int:
    """List the proxies of a proxy process: where each listens, what it reaches, and what its faults have done.

    Examples:
        bascule proxy list /tmp/proxy.sock
        bascule proxy list /tmp/proxy.sock --json

    Args:
        socket: Its control socket.
        as_json: Print one JSON document instead of text.
    """
    statuses = ProxyClient(socket).proxies()
    table = Table("proxy", "listens at", "server", "passes", "connections", "faults, and how often each acted")
    for one in statuses:
        listens = one.listen if one.enabled else f"{one.listen} (disabled)"
        table.add_row(one.name, listens, one.upstream, one.protocol, str(one.connections), _acted(one) or "-")
    emit(statuses, as_json=as_json, text=table if statuses else "there is no proxy")
    return 0


@app.command
def add(
    socket: Path,
    name: str,
    server: str,
    /,
    *,
    listen: str = "127.0.0.1:0",
    passing: Annotated[Passing, Parameter(name="--protocol")] = "tcp",
    as_json: Json = False,
) -> int:
    """Make a proxy in front of a server, and print where it listens: that is where clients shall connect.

    Examples:
        bascule proxy add /tmp/proxy.sock redis 10.0.0.7:6379
        bascule proxy add /tmp/proxy.sock web localhost:8000 --protocol http --listen 127.0.0.1:8080

    Args:
        socket: The control socket of the proxy process.
        name: Its name.
        server: The real server, host:port.
        listen: Where it listens; port 0: any free one.
        passing: `http` makes faults of HTTP answers possible.
        as_json: Print one JSON document instead of text.
    """
    status = ProxyClient(socket).create(name, server, listen=listen, protocol=passing)
    emit(status, as_json=as_json, text=status.listen)
    return 0


@app.command
def remove(socket: Path, name: str, /, *, as_json: Json = False) -> int:
    """End a proxy with its connections, and print what it carried.

    Examples:
        bascule proxy remove /tmp/proxy.sock redis
        bascule proxy remove /tmp/proxy.sock redis --json

    Args:
        socket: The control socket of the proxy process.
        name: Its name.
        as_json: Print one JSON document instead of text.
    """
    status = ProxyClient(socket).remove(name)
    carried = f"{status.upstream_bytes} bytes to the server, {status.downstream_bytes} bytes from it"
    emit(status, as_json=as_json, text=f"{name} is removed: {status.accepted} connections, {carried}")
    return 0


def _acted(status: ProxyStatus) -> str:
    here = (*status.toxics, *status.faults)
    return ", ".join(f"{each.label} {status.acted[each.label].acts}" for each in here if each.label in status.acted)
