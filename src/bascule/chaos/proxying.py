"""The part of the port that reaches the proxies of a proxy process, and what a platform says that has none. Pure."""

from __future__ import annotations

from typing import Literal, Protocol

from bascule.chaos.proxy.http_faults import AnyHttpFault
from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxy.toxics import AnyToxic
from bascule.kernel.errors import FaultError


class Proxying(Protocol):
    """What faults need of a proxy process. Each call is idempotent, and leaves everything else of a proxy as it is."""

    def status(self, proxy: str) -> ProxyStatus | None:
        """How a proxy is now, and what its toxics and faults have done; None when there is none of that name."""
        ...

    def add_toxic(self, proxy: str, toxic: AnyToxic) -> None:
        """One toxic more."""
        ...

    def add_http_fault(self, proxy: str, fault: AnyHttpFault) -> None:
        """One fault of HTTP answers more."""
        ...

    def take_away(self, proxy: str, label: str) -> None:
        """Take away what is counted under this name. A proxy that is gone has it no more."""
        ...

    def disable(self, proxy: str) -> None:
        """Let the proxy refuse connections, and end those that there are."""
        ...

    def enable(self, proxy: str) -> None:
        """Let it listen again. A proxy that is gone is left at that."""
        ...

    def knock(self, proxy: str) -> Literal["connected", "refused", "silent"]:
        """What becomes of a connection to where the proxy listens."""
        ...


class Proxied(Protocol):
    """A platform that may have proxies."""

    def proxying(self) -> Proxying:
        """Its proxies.

        Raises:
            FaultError: It has none.
        """
        ...


class Unproxied:
    """A platform without proxies."""

    def proxying(self) -> Proxying:
        """None.

        Raises:
            FaultError: Always.
        """
        raise FaultError("there is no proxy process here", hint="bascule chaos inject ... --on proxy:SOCKET")
