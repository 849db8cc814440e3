"""The proxies of a platform for tests: somebody calls between any two looks at them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Literal, TypeVar

from msgspec.structs import replace

from bascule.chaos.proxy.http_faults import AnyHttpFault, HttpFault
from bascule.chaos.proxy.protocol import Acted, Protocol, ProxyStatus
from bascule.chaos.proxy.toxics import AnyToxic, Toxic
from bascule.kernel.errors import InputError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeState

T = TypeVar("T", bound=Toxic | HttpFault)


def fake_proxies() -> dict[str, ProxyStatus]:
    """Two proxies to which nothing was done: `web` knows HTTP, `redis` does not."""
    return {"web": _made("web", "http"), "redis": _made("redis", "tcp")}


def _made(name: str, protocol: Protocol) -> ProxyStatus:
    return ProxyStatus(
        name=name,
        listen="127.0.0.1:1",
        upstream="127.0.0.1:2",
        protocol=protocol,
        enabled=True,
        toxics=(),
        faults=(),
        connections=1,
        accepted=1,
        unreached=0,
        opaque=0,
        upstream_bytes=0,
        downstream_bytes=0,
        acted={},
    )


class FakeProxies:
    """Does to its proxies what a proxy process does."""

    def __init__(self, opened: Callable[[], AbstractContextManager[FakeState]]) -> None:
        self._opened = opened

    def _change(self, proxy: str, change: Callable[[ProxyStatus], ProxyStatus]) -> None:
        with self._opened() as state:
            if proxy not in state.proxies:
                raise InputError(f"there is no proxy {proxy}")
            after = change(state.proxies[proxy])
            labels = [each.label for each in (*after.toxics, *after.faults)]
            acted = {label: Acted(connections=1, acts=1, bytes=1) for label in labels if after.enabled}
            state.proxies[proxy] = replace(after, acted=acted)

    def status(self, proxy: str) -> ProxyStatus | None:
        """How it is."""
        with self._opened() as state:
            return state.proxies.get(proxy)

    def add_toxic(self, proxy: str, toxic: AnyToxic) -> None:
        """Add it once."""
        self._change(proxy, lambda one: replace(one, toxics=(*_without(one.toxics, toxic.label), toxic)))

    def add_http_fault(self, proxy: str, fault: AnyHttpFault) -> None:
        """Add it once."""
        self._change(proxy, lambda one: replace(one, faults=(*_without(one.faults, fault.label), fault)))

    def take_away(self, proxy: str, label: str) -> None:
        """Take it away."""
        if self.status(proxy) is not None:
            self._change(
                proxy,
                lambda one: replace(one, toxics=_without(one.toxics, label), faults=_without(one.faults, label)),
            )

    def disable(self, proxy: str) -> None:
        """Let it refuse."""
        self._change(proxy, lambda one: replace(one, enabled=False))

    def enable(self, proxy: str) -> None:
        """Let it listen."""
        if self.status(proxy) is not None:
            self._change(proxy, lambda one: replace(one, enabled=True))

    def knock(self, proxy: str) -> Literal["connected", "refused", "silent"]:
        """Refused while it is disabled."""
        status = self.status(proxy)
        return "connected" if status is not None and status.enabled else "refused"


def _without(several: tuple[T, ...], label: str) -> tuple[T, ...]:
    return tuple(each for each in several if each.label != label)
