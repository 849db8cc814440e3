"""The name service of a platform for tests: it knows its hosts, and fails as it is told."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from msgspec import Struct

from bascule.chaos.naming import DnsAnswer, DnsCounts, DnsTrouble
from bascule.kernel.errors import LabError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeHost, FakeState

WRONG = "127.0.0.2"


class FakeDnsTrouble(Struct, kw_only=True):
    """A trouble of a host's name service, and what it did."""

    trouble: DnsTrouble
    asked: int = 0
    hit: int = 0


class _Fake(Protocol):
    """What a fake platform has that its name service is made of."""

    def _opened(self) -> AbstractContextManager[FakeState]: ...

    def address_of(self, host: str) -> str: ...


class FakeNaming:
    """The name service of a fake platform's hosts."""

    def add_dns_trouble(self: _Fake, host: str, trouble: DnsTrouble) -> None:
        """Add it once."""
        with self._opened() as state:
            found = _known(state, host)
            if all(one.trouble != trouble for one in found.dns_troubles):
                found.dns_troubles.append(FakeDnsTrouble(trouble=trouble))

    def remove_dns_trouble(self: _Fake, host: str, trouble: DnsTrouble) -> None:
        """Take it away."""
        with self._opened() as state:
            found = _known(state, host)
            found.dns_troubles = [one for one in found.dns_troubles if one.trouble != trouble]

    def dns_counts(self: _Fake, host: str, trouble: DnsTrouble) -> DnsCounts | None:
        """Its counts."""
        with self._opened() as state:
            found = (one for one in _known(state, host).dns_troubles if one.trouble == trouble)
            return next((DnsCounts(asked=one.asked, hit=one.hit) for one in found), None)

    def ask_name(self: _Fake, host: str, name: str) -> DnsAnswer:
        """The first trouble that is about the name decides."""
        with self._opened() as state:
            asking = _known(state, host)
            if not asking.powered:
                raise LabError(f"host {host} has no power")
            for one in asking.dns_troubles:
                one.asked += 1
                if not one.trouble.names or name in one.trouble.names:
                    one.hit += 1
                    return _told(one.trouble)
            known = name in state.hosts
        if not known:
            return DnsAnswer(ending="no such name")
        return DnsAnswer(ending="addresses", addresses=(self.address_of(name),))


def _told(trouble: DnsTrouble) -> DnsAnswer:
    match trouble.how:
        case "nxdomain":
            return DnsAnswer(ending="no such name")
        case "wrong-answer":
            return DnsAnswer(ending="addresses", addresses=(WRONG,))
        case _:
            return DnsAnswer(ending="failure", took_s=2.0 if trouble.how == "timeout" else 0.0)


def _known(state: FakeState, host: str) -> FakeHost:
    if host not in state.hosts:
        raise LabError(f"no host is called {host!r}")
    return state.hosts[host]
