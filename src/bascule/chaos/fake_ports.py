"""The local ports of a platform for tests: there, or taken."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from bascule.kernel.errors import LabError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeHost, FakeState


class _Fake(Protocol):
    """What a fake platform has that its ports are made of."""

    def _opened(self) -> AbstractContextManager[FakeState]: ...


class FakePorts:
    """The local ports of a fake platform's hosts."""

    def exhaust_ports(self: _Fake, host: str) -> None:
        """Take the ports of a host that has power."""
        with self._opened() as state:
            found = _known(state, host)
            if not found.powered:
                raise LabError(f"host {host} has no power")
            found.portless = True

    def free_ports(self: _Fake, host: str) -> None:
        """Give them back."""
        with self._opened() as state:
            _known(state, host).portless = False

    def finds_port(self: _Fake, host: str) -> bool:
        """Whether it has its ports."""
        with self._opened() as state:
            return not _known(state, host).portless


def _known(state: FakeState, host: str) -> FakeHost:
    if host not in state.hosts:
        raise LabError(f"no host is called {host!r}")
    return state.hosts[host]
