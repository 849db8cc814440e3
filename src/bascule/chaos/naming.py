"""The part of the platform's port that lets a host's name service fail. Pure."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

DnsFailure = Literal["nxdomain", "servfail", "timeout", "wrong-answer"]
"""What becomes of a question: there is no such name; the server failed; no answer at all; another address."""
DnsEnding = Literal["addresses", "no such name", "failure"]


class DnsTrouble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with a host's name service: `names` are those that it is about; none: all."""

    how: DnsFailure
    names: tuple[str, ...] = ()


class DnsCounts(Struct, frozen=True, kw_only=True):
    """How many questions a host asked since a trouble came, and how many of them it was about."""

    asked: int = 0
    hit: int = 0


class DnsAnswer(Struct, frozen=True, kw_only=True):
    """What a program on a host was told when it asked for a name, and how long that took."""

    ending: DnsEnding
    addresses: tuple[str, ...] = ()
    took_s: float = 0.0


class Naming(Protocol):
    """How a platform lets the name service of a host fail. The host's programs ask as programs do."""

    def add_dns_trouble(self, host: str, trouble: DnsTrouble) -> None:
        """Let questions of the host meet a trouble from now on. One that is there already stays as it is."""
        ...

    def remove_dns_trouble(self, host: str, trouble: DnsTrouble) -> None:
        """Take a trouble away. One that is not there is no error."""
        ...

    def dns_counts(self, host: str, trouble: DnsTrouble) -> DnsCounts | None:
        """What a trouble did so far; None when it is not there."""
        ...

    def ask_name(self, host: str, name: str) -> DnsAnswer:
        """What a program on the host is told when it asks for a name now."""
        ...
