"""Faults of the name service: no such name, a failing server, no answer, a wrong address. Pure."""

from __future__ import annotations

from typing import ClassVar

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.naming import DnsAnswer, DnsFailure, DnsTrouble
from bascule.chaos.platform import Platform

_SEEN: dict[DnsFailure, str] = {
    "nxdomain": "no such name",
    "servfail": "failure",
    "timeout": "failure",
    "wrong-answer": "addresses",
}
_ASKED = 3


class DnsFault(Fault, frozen=True, kw_only=True, tag="dns-failure"):
    """Hosts ask for names, and are told that there are none, that the server failed, nothing, or a wrong address."""

    NEEDS: ClassVar = frozenset({"names"})
    DOES: ClassVar = "answers the hosts' questions with NXDOMAIN, SERVFAIL, silence, or a wrong address"
    SEEN_BY: ClassVar = (
        "a program that asks for a name meets it, on up to three of the hosts, and their resolvers count it"
    )
    UNDONE_BY: ClassVar = "letting the hosts' resolvers tell the truth; what programs remember is theirs to forget"

    hosts: tuple[str, ...]
    how: DnsFailure
    names: tuple[str, ...] = ()

    def trouble(self) -> DnsTrouble:
        """What shall become of the questions that are meant."""
        return DnsTrouble(how=self.how, names=self.names)

    def steps(self) -> tuple[str, ...]:
        """One resolver a host."""
        which = ", ".join(self.names) or "every name"
        return tuple(f"{self.how} for {which} that {host} asks for" for host in self.hosts)

    def ready(self, platform: Platform) -> Witness:
        """Nothing of it is there, and each host is told the right address."""
        having = sum(platform.dns_counts(host, self.trouble()) is not None for host in self.hosts)
        told = self._asked(platform)
        right = all(_is_right(platform, name, answer) for _, name, answer in told)
        return Witness(seen=bool(self.hosts) and not having and right, evidence=self._evidence(told))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Let each host's resolver fail."""
        for host in self.hosts:
            platform.add_dns_trouble(host, self.trouble())
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - questions are hit
        """Each host is told what it shall be told, and its resolver counts that."""
        told = self._asked(platform)
        counts = [platform.dns_counts(host, self.trouble()) for host, _, _ in told]
        having = all(platform.dns_counts(host, self.trouble()) is not None for host in self.hosts)
        as_meant = all(
            answer.ending == _SEEN[self.how] and not _is_right(platform, name, answer) for _, name, answer in told
        )
        counted = bool(counts) and all(one is not None and one.hit for one in counts)
        return Witness(seen=as_meant and counted and having, evidence=self._evidence(told))

    def undo(self, platform: Platform) -> None:
        """Let each resolver tell the truth."""
        for host in self.hosts:
            platform.remove_dns_trouble(host, self.trouble())

    def undone(self, platform: Platform) -> Witness:
        """No resolver has it, and each host is told the right address."""
        having = sum(platform.dns_counts(host, self.trouble()) is not None for host in self.hosts)
        return Witness(seen=not having, evidence=(f"{having} of {len(self.hosts)} resolvers have it",))

    def _asked(self, platform: Platform) -> list[tuple[str, str, DnsAnswer]]:
        """What some of the hosts are told: with a resolver that is silent, each question takes seconds."""
        names = [(host, self.names[0] if self.names else host) for host in self.hosts[:_ASKED]]
        return [(host, name, platform.ask_name(host, name)) for host, name in names]

    def _evidence(self, told: list[tuple[str, str, DnsAnswer]]) -> tuple[str, ...]:
        return tuple(
            f"{host} asked for {name}: {', '.join(answer.addresses) or answer.ending}, after {answer.took_s:.1f} s"
            for host, name, answer in told
        )


def _is_right(platform: Platform, name: str, answer: DnsAnswer) -> bool:
    return name in platform.hosts() and answer.addresses == (platform.address_of(name),)
