"""Faults of single wires: late, lost, doubled or damaged frames, cuts one way, refused connections. Pure.

Hosts need not be cut off from all others: peers, a direction, a protocol and a port say which frames are meant. The tap
in the host's wire sees every frame, ARP and VRRP included, and its counts are the witness.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from msgspec import Meta
from msgspec.structs import replace

from bascule.chaos.faults.port import Fault, Witness
from bascule.chaos.platform import Platform
from bascule.chaos.traffic import Direction, Protocol, TrafficCounts, Trouble

Share = Annotated[float, Meta(gt=0.0, le=1.0)]
_PROBES = 30
_PATIENCE_S = 0.2
_CLOSED_PORT = 9


class TrafficFault(Fault, frozen=True, kw_only=True):
    """Some frames of some hosts are in trouble.

    A platform's tap carries out what `trouble` says; its count of that name is the witness.
    """

    NEEDS: ClassVar = frozenset({"network"})
    UNDONE_BY: ClassVar = "taking the tap out of the hosts' wires"
    COUNT: ClassVar[str] = "met"

    hosts: tuple[str, ...]
    peers: tuple[str, ...] = ()
    direction: Direction = "both"
    protocol: Protocol = "all"
    port: Annotated[int, Meta(ge=0, le=65535)] = 0

    def trouble(self, platform: Platform) -> Trouble:
        """What shall happen to the frames that are meant."""
        peers = tuple(platform.address_of(peer) for peer in self.peers)
        aim = Trouble(direction=self.direction, peers=peers, protocol=self.protocol, port=self.port)
        return self.worsen(aim)

    def worsen(self, aim: Trouble) -> Trouble:
        """The trouble that this fault brings to the frames that are aimed at."""
        raise AssertionError(aim)

    def told(self) -> str:
        """What happens to the frames, in words."""
        raise AssertionError

    def steps(self) -> tuple[str, ...]:
        """One tap a host."""
        which = "" if self.protocol == "all" else f" of {self.protocol}"
        which += f" at port {self.port}" if self.port else ""
        who = {"in": "from", "out": "to", "both": "from and to"}[self.direction]
        peers = ", ".join(self.peers) or "everybody"
        return tuple(f"{self.told()}: frames{which} {who} {peers} on the wire of {host}" for host in self.hosts)

    def ready(self, platform: Platform) -> Witness:
        """Nothing of it is there, and datagrams travel."""
        having = sum(one is not None for one in self._counts(platform))
        came, tried = self._probe(platform)
        told = f"{having} of {len(self.hosts)} wires have it; {came} of {tried} datagrams arrived"
        return Witness(seen=bool(self.hosts) and not having and came > 0, evidence=(told,))

    def inject(self, platform: Platform) -> tuple[int, ...]:
        """Bring the trouble to each wire."""
        trouble = self.trouble(platform)
        for host in self.hosts:
            platform.add_trouble(host, trouble)
        return ()

    def witness(self, platform: Platform, hit: tuple[int, ...]) -> Witness:  # noqa: ARG002 - frames, not pids, are hit
        """Each tap counts it, while datagrams and a connection are tried."""
        self._probe(platform)
        self._knock(platform)
        counts = self._counts(platform)
        did = [0 if one is None else int(getattr(one, self.COUNT)) for one in counts]
        told = [
            f"{count} of {one.met if one else 0} frames were {self.COUNT} on the wire of {host}"
            for host, one, count in zip(self.hosts, counts, did, strict=True)
        ]
        return Witness(seen=bool(did) and all(did), evidence=tuple(told))

    def undo(self, platform: Platform) -> None:
        """Take the trouble away from each wire."""
        trouble = self.trouble(platform)
        for host in self.hosts:
            platform.remove_trouble(host, trouble)

    def undone(self, platform: Platform) -> Witness:
        """No wire has it."""
        left = sum(one is not None for one in self._counts(platform))
        return Witness(seen=not left, evidence=(f"{left} of {len(self.hosts)} wires have it",))

    def _counts(self, platform: Platform) -> list[TrafficCounts | None]:
        trouble = self.trouble(platform)
        return [platform.traffic(host, trouble) for host in self.hosts]

    def _others(self, platform: Platform) -> list[tuple[str, str]]:
        """Each host with somebody of whom it shall hear, or who shall hear of it, in trouble."""
        outside = [host for host in self.peers or platform.hosts() if host not in self.hosts]
        rest = outside or list(self.peers or platform.hosts())
        idle = next((host for host in rest if not platform.members(host)), "")  # its ports are free to send from
        pairs = [(host, next((each for each in (idle, *rest) if each not in {"", host}), "")) for host in self.hosts]
        return [(host, other) for host, other in pairs if other]

    def _ways(self, platform: Platform) -> list[tuple[str, str]]:
        ways: list[tuple[str, str]] = []
        for host, other in self._others(platform):
            ways += [(other, host)] if self.direction != "out" else []
            ways += [(host, other)] if self.direction != "in" else []
        return ways

    def _probe(self, platform: Platform) -> tuple[int, int]:
        """How many datagrams came, of how many."""
        limit_s = _PATIENCE_S + self.slowest_s()
        port = self.port if self.protocol in {"all", "udp"} else 0
        travels = [
            platform.travel(source, target, count=_PROBES, limit_s=limit_s, port=port)
            for source, target in self._ways(platform)
        ]
        return sum(one is not None for each in travels for one in each), _PROBES * len(travels)

    def _knock(self, platform: Platform) -> None:
        if self.protocol in {"all", "tcp"}:
            for source, target in self._ways(platform):
                platform.knock(source, target, self.port or _CLOSED_PORT, limit_s=_PATIENCE_S)

    def slowest_s(self) -> float:
        """How much longer a datagram may take."""
        return 0.0


class ShareFault(TrafficFault, frozen=True, kw_only=True):
    """Something happens to a share of the frames that are meant, each by luck of its own."""

    HAPPENS: ClassVar[str] = ""

    share: Share

    def told(self) -> str:
        """In percent."""
        return f"{self.share * 100:g} % {self.HAPPENS}"


class NetworkDelay(TrafficFault, frozen=True, kw_only=True, tag="network-delay"):
    """Frames come later, one way, by the delay and up to the jitter more; their order is kept."""

    DOES: ClassVar = "holds frames up by a time, and by a random time more"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it held up"
    COUNT: ClassVar = "delayed"

    delay_s: Annotated[float, Meta(gt=0.0, le=60.0)]
    jitter_s: Annotated[float, Meta(ge=0.0, le=60.0)] = 0.0

    def worsen(self, aim: Trouble) -> Trouble:
        """A delay."""
        return replace(aim, delay_s=self.delay_s, jitter_s=self.jitter_s)

    def told(self) -> str:
        """In milliseconds."""
        more = f" and up to {self.jitter_s * 1000:g} ms more" if self.jitter_s else ""
        return f"{self.delay_s * 1000:g} ms{more} later"

    def slowest_s(self) -> float:
        """Both."""
        return self.delay_s + self.jitter_s


class PacketLoss(ShareFault, frozen=True, kw_only=True, tag="network-loss"):
    """A share of the frames vanishes."""

    DOES: ClassVar = "loses a share of the frames"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it lost"
    HAPPENS: ClassVar = "lost"
    COUNT: ClassVar = "lost"

    def worsen(self, aim: Trouble) -> Trouble:
        """That share of them."""
        return replace(aim, loss=self.share)


class NetworkCut(TrafficFault, frozen=True, kw_only=True, tag="network-cut"):
    """All frames that are meant vanish: one way, between named hosts, of one protocol, or all of these at once."""

    DOES: ClassVar = "drops every frame that is meant, without an answer"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it dropped"
    COUNT: ClassVar = "lost"

    def worsen(self, aim: Trouble) -> Trouble:
        """Everything is lost."""
        return replace(aim, loss=1.0)

    def told(self) -> str:
        """A cut."""
        return "dropped"


class PacketDuplication(ShareFault, frozen=True, kw_only=True, tag="network-duplicate"):
    """A share of the frames comes twice."""

    DOES: ClassVar = "sends a share of the frames twice"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it sent twice"
    HAPPENS: ClassVar = "twice"
    COUNT: ClassVar = "duplicated"

    def worsen(self, aim: Trouble) -> Trouble:
        """That share of them."""
        return replace(aim, duplicate=self.share)


class PacketReordering(ShareFault, frozen=True, kw_only=True, tag="network-reorder"):
    """A share of the frames is overtaken by those that were sent up to 10 ms after it."""

    DOES: ClassVar = "holds a share of the frames up by 10 ms, and lets the others pass"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it let be overtaken"
    HAPPENS: ClassVar = "overtaken"
    COUNT: ClassVar = "reordered"

    def worsen(self, aim: Trouble) -> Trouble:
        """That share of them."""
        return replace(aim, reorder=self.share)


class PacketCorruption(ShareFault, frozen=True, kw_only=True, tag="network-corrupt"):
    """In a share of the frames one bit is wrong: what has a checksum is thrown away by its receiver."""

    DOES: ClassVar = "turns one bit in a share of the frames"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it damaged"
    HAPPENS: ClassVar = "with a wrong bit"
    COUNT: ClassVar = "corrupted"

    def worsen(self, aim: Trouble) -> Trouble:
        """That share of them."""
        return replace(aim, corrupt=self.share)


class Bandwidth(TrafficFault, frozen=True, kw_only=True, tag="network-bandwidth"):
    """No more than so many bytes a second pass each way; what comes faster waits, and is dropped beyond 16 MiB."""

    DOES: ClassVar = "lets no more than so many bytes a second pass"
    SEEN_BY: ClassVar = "the tap in each wire counts frames that it held up"
    COUNT: ClassVar = "delayed"

    rate_bytes_per_s: Annotated[float, Meta(ge=1000.0, le=1e9)]

    def worsen(self, aim: Trouble) -> Trouble:
        """A bound."""
        return replace(aim, rate_bytes_per_s=self.rate_bytes_per_s)

    def told(self) -> str:
        """In kilobytes."""
        return f"at most {self.rate_bytes_per_s / 1000:g} kB/s"

    def slowest_s(self) -> float:
        """What the probes themselves take."""
        return _PROBES * 60 / self.rate_bytes_per_s


class ConnectionReset(TrafficFault, frozen=True, kw_only=True, tag="network-reset"):
    """Every TCP segment that is meant ends its connection: both ends get a reset, as from a firewall that forgot."""

    DOES: ClassVar = "answers TCP segments with resets to both ends"
    SEEN_BY: ClassVar = "the tap in each wire counts segments that it answered"
    COUNT: ClassVar = "answered"

    def worsen(self, aim: Trouble) -> Trouble:
        """A reset."""
        return replace(aim, answer="reset")

    def told(self) -> str:
        """A reset."""
        return "TCP connections reset"


class ConnectionRefusal(TrafficFault, frozen=True, kw_only=True, tag="network-refuse"):
    """New TCP connections are refused at once, as where nobody listens; those that are open go on."""

    DOES: ClassVar = "answers segments that open a TCP connection with a reset"
    SEEN_BY: ClassVar = "the tap in each wire counts segments that it answered"
    COUNT: ClassVar = "answered"

    def worsen(self, aim: Trouble) -> Trouble:
        """A refusal."""
        return replace(aim, answer="refuse")

    def told(self) -> str:
        """A refusal."""
        return "new TCP connections refused"
