"""A proxy process as a platform for faults: its proxies, and nothing else."""

from __future__ import annotations

import socket
import struct
from pathlib import Path
from typing import Literal, NoReturn, cast

from bascule.chaos.journal import PlatformRef
from bascule.chaos.platform import Control, Platform
from bascule.chaos.proxy.client import ProxyClient
from bascule.chaos.proxy.http_faults import AnyHttpFault
from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxy.proxy import parse_address
from bascule.chaos.proxy.toxics import AnyToxic
from bascule.chaos.proxying import Proxying
from bascule.kernel.errors import FaultError

KIND = "proxy"
KNOCK_LIMIT_S = 1.0
CALL_LIMIT_S = 5.0


class ProxiesOf:
    """The proxies of the process whose control socket is at `path`."""

    def __init__(self, path: Path) -> None:
        self._client = ProxyClient(path)

    def status(self, proxy: str) -> ProxyStatus | None:
        """How a proxy is now; None when there is none of that name."""
        return next((each for each in self._client.proxies() if each.name == proxy), None)

    def add_toxic(self, proxy: str, toxic: AnyToxic) -> None:
        """One toxic more."""
        self._client.add_toxic(proxy, toxic)

    def add_http_fault(self, proxy: str, fault: AnyHttpFault) -> None:
        """One fault of HTTP answers more."""
        self._client.add_fault(proxy, fault)

    def take_away(self, proxy: str, label: str) -> None:
        """Take away what is counted under this name."""
        if self.status(proxy) is not None:
            self._client.take_away(proxy, label)

    def disable(self, proxy: str) -> None:
        """Let the proxy refuse connections, and end those that there are."""
        self._client.disable(proxy)

    def enable(self, proxy: str) -> None:
        """Let it listen again."""
        if self.status(proxy) is not None:
            self._client.enable(proxy)

    def knock(self, proxy: str) -> Literal["connected", "refused", "silent"]:
        """What becomes of a connection to where the proxy listens."""
        status = self._client.status(proxy)
        try:
            socket.create_connection(parse_address(status.listen), timeout=KNOCK_LIMIT_S).close()
        except ConnectionRefusedError:
            return "refused"
        except OSError:
            return "silent"
        return "connected"


class ProxyPlatform:
    """A platform that has control of proxies alone."""

    def __init__(self, path: Path) -> None:
        self._proxies = ProxiesOf(path)

    def refusal(self, control: Control) -> str:
        """It has control of its proxies."""
        return "" if control == "proxy" else "a proxy process has proxies alone"

    def proxying(self) -> Proxying:
        """Its proxies."""
        return self._proxies

    def __getattr__(self, word: str) -> NoReturn:
        """No fault asks for anything else: it was refused before.

        Raises:
            FaultError: Always.
        """
        raise FaultError(f"a proxy process knows no {word}")


def join(path: Path) -> tuple[Platform, PlatformRef]:
    """The proxy process whose control socket is at `path`, and how another process finds the same one.

    Raises:
        FaultError: None answers there.
    """
    path = path.absolute()
    identity = _identity(path)
    if not identity:
        hint = f"bascule proxy run {path}"
        raise FaultError("no proxy process answers", where=str(path), hint=hint)
    # It has not all that a platform has: what it lacks is refused, first by `refusal`, then by `__getattr__`.
    return cast("Platform", ProxyPlatform(path)), PlatformRef(kind=KIND, directory=str(path), identity=identity)


def attach(reference: PlatformRef) -> Platform | None:
    """Join the proxy process that a journal names; None when it is gone, or another answers in its place.

    Raises:
        OSError: It may live, and cannot be reached.
    """
    path = Path(reference.directory)
    found = _identity(path)
    return cast("Platform", ProxyPlatform(path)) if found and found == reference.identity else None


def _identity(path: Path) -> str:
    """The pid and the start of the process that listens there, as the kernel tells them; empty when nobody does."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.settimeout(CALL_LIMIT_S)
        try:
            line.connect(str(path))
        except (FileNotFoundError, NotADirectoryError, ConnectionRefusedError):
            return ""
        credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid = int(struct.unpack("3i", credentials)[0])
    try:
        start = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()[19]
    except FileNotFoundError:
        start = "elsewhere"  # in another pid namespace, or just gone
    return f"{pid}-{start}"
