"""Every fault acts, is seen to act, and is undone; aimed wrong, it is never seen."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import pytest
from msgspec import structs

from bascule.chaos.disk import DiskTrouble
from bascule.chaos.fake_platform import FakePlatform
from bascule.chaos.faults import (
    KINDS,
    AnyFault,
    Bandwidth,
    ClockDrift,
    ClockStep,
    ConnectionRefusal,
    ConnectionReset,
    CrashLoop,
    DescriptorExhaustion,
    DiskFull,
    DiskLostWrites,
    DiskReadOnly,
    DiskSlow,
    DnsFault,
    Fault,
    HostReboot,
    MainProcessKill,
    NetworkCut,
    NetworkDelay,
    OutOfMemory,
    PacketCorruption,
    PacketDuplication,
    PacketLoss,
    PacketReordering,
    Partition,
    PortExhaustion,
    PowerLoss,
    ProcessFreeze,
    ProcessKill,
    ProcessSignals,
    ProcessSlow,
    SyncFailure,
    Witness,
)
from bascule.chaos.faults.proxies import (
    HttpCorruptBody,
    HttpCutBody,
    HttpSlowAnswer,
    HttpSlowBody,
    HttpStatus,
    ProxyBandwidth,
    ProxyDown,
    ProxyLatency,
    ProxyLimitData,
    ProxyReset,
    ProxySlicer,
    ProxySlowClose,
    ProxyTimeout,
)
from bascule.chaos.naming import DnsTrouble
from bascule.chaos.proxy.protocol import Acted
from bascule.chaos.proxying import Proxying
from bascule.kernel.errors import BasculeError, FaultError

YES = Witness(seen=True, evidence=("of course",))


def seen(fault: Fault, platform: FakePlatform) -> bool:
    """Whether a fault counts as witnessed on this platform, whatever is wrong with its aim."""
    try:
        if not fault.ready(platform).seen:
            return False
        return fault.witness(platform, fault.inject(platform)).seen
    except BasculeError:
        return False


def test_it_acts_is_seen_to_act_and_is_undone(fault: AnyFault, platform: FakePlatform) -> None:
    assert platform.whole()
    assert fault.ready(platform).seen
    hit = fault.inject(platform)
    witness = fault.witness(platform, hit)
    assert witness.seen, witness.evidence
    assert witness.evidence
    fault.undo(platform)
    assert fault.undone(platform).seen
    assert platform.whole()


def test_undoing_twice_or_what_never_was_changes_nothing(fault: AnyFault, platform: FakePlatform) -> None:
    fault.undo(platform)
    assert platform.whole()
    fault.inject(platform)
    fault.undo(platform)
    fault.undo(platform)
    assert fault.undone(platform).seen
    assert platform.whole()


def test_what_was_not_injected_is_not_witnessed(fault: AnyFault, platform: FakePlatform) -> None:
    assert not fault.witness(platform, ()).seen


def test_what_still_acts_is_not_undone(fault: AnyFault, platform: FakePlatform) -> None:
    fault.inject(platform)
    if not isinstance(fault, MainProcessKill):  # its keeper undid it, or what outlived it looks like the member
        assert not fault.undone(platform).seen


def test_what_acts_already_is_not_ready_again(fault: AnyFault, platform: FakePlatform) -> None:
    fault.inject(platform)
    if not platform.whole():
        assert not fault.ready(platform).seen


TRAFFIC_AIMED_WRONG: tuple[tuple[str, dict[str, object], Callable[[FakePlatform], object]], ...] = (
    ("nothing", {"hosts": ()}, lambda _: None),
    ("no host of ours", {"hosts": ("nowhere",)}, lambda _: None),
    ("a host that is lost", {}, lambda p: p.power_off(("db-1",))),
    ("peers that are lost", {"peers": ("db-2",)}, lambda p: p.power_off(("db-2",))),
)
DISKS_AIMED_WRONG: tuple[tuple[str, dict[str, object], Callable[[FakePlatform], object]], ...] = (
    ("nothing", {"hosts": ()}, lambda _: None),
    ("no host of ours", {"hosts": ("nowhere",)}, lambda _: None),
    ("a host that has no disk", {"hosts": ("client",)}, lambda _: None),
    ("a disk that is broken already", {}, lambda p: p.add_disk_trouble("db-1", DiskTrouble(kind="sync-error"))),
)


def _nameless(platform: FakePlatform) -> None:
    platform.add_dns_trouble("db-1", DnsTrouble(how="nxdomain"))


def _turned(platform: FakePlatform) -> None:
    platform.turn_clock("db-1", step_s=5.0, rate=0.0)


def _disabled(platform: FakePlatform) -> None:
    for each in ("web", "redis"):
        platform.proxying().disable(each)


PROXIES_AIMED_WRONG: tuple[tuple[str, dict[str, object], Callable[[FakePlatform], object]], ...] = (
    ("no proxy of ours", {"proxy": "nobody"}, lambda _: None),
    ("a proxy that is disabled", {}, _disabled),
)
AIMED_WRONG: dict[str, tuple[Fault, Callable[[FakePlatform], object]]] = {
    "kill of a member that is down": (ProcessKill(member="db-1"), lambda p: p.kill("db-1")),
    "kill of nobody": (ProcessKill(member="nobody"), lambda _: None),
    "kill of a host without member": (ProcessKill(member="client"), lambda _: None),
    "kill of a command that is not there": (MainProcessKill(member="db-1", command="redis"), lambda _: None),
    "kill of a command of a member that is down": (
        MainProcessKill(member="db-1", command="postgres"),
        lambda p: p.kill("db-1"),
    ),
    "freeze of a member that is down": (ProcessFreeze(member="db-1"), lambda p: p.kill("db-1")),
    "freeze of what is frozen": (ProcessFreeze(member="db-1"), lambda p: p.freeze("db-1")),
    "crash loop of a member that is down": (CrashLoop(member="db-1"), lambda p: p.kill("db-1")),
    "crash loop of nobody": (CrashLoop(member="nobody"), lambda _: None),
    "slowing of a member that is down": (ProcessSlow(member="db-1"), lambda p: p.kill("db-1")),
    "slowing of what is frozen": (ProcessSlow(member="db-1"), lambda p: p.freeze("db-1")),
    "slowing of what is slow": (ProcessSlow(member="db-1"), lambda p: p.slow("db-1", 0.5)),
    "exhaustion of a member that is down": (DescriptorExhaustion(member="db-1"), lambda p: p.kill("db-1")),
    "exhaustion of what is exhausted": (
        DescriptorExhaustion(member="db-1", spare=2),
        lambda p: p.limit_descriptors("db-1", 1),
    ),
    "ports of a host that is lost": (PortExhaustion(host="db-1"), lambda p: p.power_off(("db-1",))),
    "ports of no host of ours": (PortExhaustion(host="nowhere"), lambda _: None),
    "ports of what has none": (PortExhaustion(host="db-1"), lambda p: p.exhaust_ports("db-1")),
    **{
        f"{fault.kind()} of {what}": (structs.replace(fault, **aim), prepare)
        for fault in (
            ProxyLatency(proxy="redis", latency_s=0.1),
            ProxyBandwidth(proxy="redis", rate_bytes_per_s=1000),
            ProxySlowClose(proxy="redis", delay_s=1.0),
            ProxyTimeout(proxy="redis"),
            ProxyReset(proxy="redis"),
            ProxySlicer(proxy="redis", average_bytes=10),
            ProxyLimitData(proxy="redis", size_bytes=100),
            ProxyDown(proxy="redis"),
            HttpStatus(proxy="web"),
            HttpCorruptBody(proxy="web"),
            HttpSlowBody(proxy="web", rate_bytes_per_s=100),
            HttpSlowAnswer(proxy="web", delay_s=1.0),
            HttpCutBody(proxy="web"),
        )
        for what, aim, prepare in PROXIES_AIMED_WRONG
    },
    "an HTTP fault of a proxy that knows no HTTP": (HttpStatus(proxy="redis"), lambda _: None),
    **{
        f"{fault.kind()} of {what}": (structs.replace(fault, **aim), prepare)
        for fault in (
            NetworkDelay(hosts=("db-1",), delay_s=0.1),
            PacketLoss(hosts=("db-1",), share=0.5),
            NetworkCut(hosts=("db-1",)),
            PacketDuplication(hosts=("db-1",), share=0.5),
            PacketReordering(hosts=("db-1",), share=0.5),
            PacketCorruption(hosts=("db-1",), share=0.5),
            Bandwidth(hosts=("db-1",), rate_bytes_per_s=1e6),
            ConnectionReset(hosts=("db-1",)),
            ConnectionRefusal(hosts=("db-1",)),
        )
        for what, aim, prepare in TRAFFIC_AIMED_WRONG
    },
    "power loss of nothing": (PowerLoss(hosts=()), lambda _: None),
    "power loss of a host that is lost": (PowerLoss(hosts=("db-1",)), lambda p: p.power_off(("db-1",))),
    "power loss of a host that is cut off": (PowerLoss(hosts=("db-1",)), lambda p: p.partition(("db-1",))),
    "power loss of a host where nothing runs": (PowerLoss(hosts=("client",)), lambda _: None),
    "power loss of everything": (PowerLoss(hosts=("db-1", "db-2", "probe-a", "client")), lambda _: None),
    "power loss of no host of ours": (PowerLoss(hosts=("nowhere",)), lambda _: None),
    "partition of nothing": (Partition(hosts=()), lambda _: None),
    "partition of everything": (Partition(hosts=("db-1", "db-2", "probe-a", "client")), lambda _: None),
    "partition of what is cut off": (Partition(hosts=("db-1",)), lambda p: p.partition(("db-1",))),
    "partition of a host that is lost": (Partition(hosts=("db-1",)), lambda p: p.power_off(("db-1",))),
    "partition of no host of ours": (Partition(hosts=("nowhere",)), lambda _: None),
    "running out of memory of a member that is down": (OutOfMemory(member="db-1"), lambda p: p.kill("db-1")),
    "running out of memory of a command that is not there": (
        OutOfMemory(member="db-1", command="redis"),
        lambda _: None,
    ),
    "running out of memory of nobody": (OutOfMemory(member="nobody"), lambda _: None),
    "signals to a member that is down": (ProcessSignals(member="db-1", signals=("SIGHUP",)), lambda p: p.kill("db-1")),
    "signals to nobody": (ProcessSignals(member="nobody", signals=("SIGHUP",)), lambda _: None),
    "a signal that comes too late": (ProcessSignals(member="db-1", signals=("SIGTERM", "SIGKILL")), lambda _: None),
    "reboot of nothing": (HostReboot(hosts=()), lambda _: None),
    "reboot of a host that is lost": (HostReboot(hosts=("db-1",)), lambda p: p.power_off(("db-1",))),
    "reboot of a host where nothing runs": (HostReboot(hosts=("client",)), lambda _: None),
    "reboot of everything": (HostReboot(hosts=("db-1", "db-2", "probe-a", "client")), lambda _: None),
    "a clock that is turned already": (ClockStep(member="db-1", step_s=9.0), _turned),
    "names of nobody": (DnsFault(hosts=(), how="nxdomain"), lambda _: None),
    "names of no host of ours": (DnsFault(hosts=("nowhere",), how="nxdomain"), lambda _: None),
    "a name that nobody has": (DnsFault(hosts=("db-1",), how="servfail", names=("nowhere",)), lambda _: None),
    "names that fail already": (DnsFault(hosts=("db-1",), how="nxdomain"), _nameless),
    "a clock of nobody": (ClockStep(member="nobody", step_s=9.0), lambda _: None),
    "a clock of a member that is down": (ClockStep(member="db-1", step_s=9.0), lambda p: p.kill("db-1")),
    "a step too small to be told from none": (ClockStep(member="db-1", step_s=0.1), lambda _: None),
    "a drift of nothing": (ClockDrift(member="db-1", rate=0.0), lambda _: None),
    "a drift of a clock that is turned": (ClockDrift(member="db-1", rate=0.5), _turned),
    "running out of memory again": (OutOfMemory(member="db-1"), lambda p: p.run_out_of_memory("db-1")),
    **{
        f"{fault.kind()} of {what}": (structs.replace(fault, **aim), prepare)
        for fault in (
            DiskFull(hosts=("db-1",)),
            DiskSlow(hosts=("db-1",), delay_s=0.1),
            DiskReadOnly(hosts=("db-1",)),
            SyncFailure(hosts=("db-1",)),
            DiskLostWrites(hosts=("db-1",)),
        )
        for what, aim, prepare in DISKS_AIMED_WRONG
    },
}


def wrongly_seen(name: str, platform: FakePlatform) -> bool:
    fault, prepare = AIMED_WRONG[name]
    prepare(platform)
    return seen(fault, platform)


@pytest.mark.parametrize("name", AIMED_WRONG)
def test_a_fault_that_is_aimed_wrong_is_never_witnessed(name: str, platform: FakePlatform) -> None:
    assert not wrongly_seen(name, platform)


@pytest.mark.parametrize("kind", KINDS)
def test_mutant_a_witness_that_always_says_yes_is_caught(
    kind: type[Fault], make_platform: Callable[[], FakePlatform], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kind, "ready", lambda *_: YES)
    monkeypatch.setattr(kind, "witness", lambda *_: YES)
    aimed = {name: fault for name, (fault, _) in AIMED_WRONG.items() if type(fault) is kind}
    assert any(
        wrongly_seen(name, make_platform()) or fault.witness(make_platform(), ()).seen for name, fault in aimed.items()
    )


class HalfCut(FakePlatform):
    """Cuts the first host only."""

    def partition(self, hosts: tuple[str, ...]) -> None:
        super().partition(hosts[:1])


class OneWayCut(FakePlatform):
    """Lets out what shall be cut off."""

    def reachable(self, source: str, target: str) -> bool:
        cut = {host for hosts in self._state.cuts for host in hosts}
        return super().reachable(source, target) or (source in cut and target not in cut)


class BlackOut(FakePlatform):
    """Cuts the inside apart too."""

    def reachable(self, source: str, target: str) -> bool:
        return super().reachable(source, target) and not self._state.cuts


class HalfDead(FakePlatform):
    """Kills all but the last process."""

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]:
        last = self._state.hosts[member].processes[-1]
        hit = super().kill(member, command=command)
        self._state.hosts[member].processes.append(last)
        return hit


class HalfFrozen(FakePlatform):
    """Lets the first process go on."""

    def freeze(self, member: str) -> tuple[int, ...]:
        hit = super().freeze(member)
        self._state.hosts[member].processes[0].state = "running"
        return hit


class NeverGoesOn(FakePlatform):
    """Stops a member, and does not let it go on."""

    def slow(self, member: str, share: float) -> tuple[int, ...]:
        super().slow(member, share)
        return self.freeze(member)

    def turns(self, member: str) -> int | None:
        return None if super().turns(member) is None else 0


class NotSlow(FakePlatform):
    """Says whom it would slow, and does nothing."""

    def slow(self, member: str, share: float) -> tuple[int, ...]:  # noqa: ARG002 - nothing is done
        return tuple(view.pid for view in self.processes(member))


class KilledByUs(FakePlatform):
    """Kills the process itself, which the kernel does not count."""

    def memory_kills(self, member: str) -> int | None:
        return None if super().memory_kills(member) is None else 0


class StaysAway(FakePlatform):
    """Takes the power for good."""

    def reboot(self, hosts: tuple[str, ...], down_s: float) -> None:  # noqa: ARG002 - no time passes
        self.power_off(hosts)


class OnlyRestarts(FakePlatform):
    """Restarts what runs on a host, and leaves the host."""

    def reboot(self, hosts: tuple[str, ...], down_s: float) -> None:  # noqa: ARG002 - no time passes
        for host in hosts:
            self.kill(host)
            self.start(host)


class Quiet(FakePlatform):
    """A platform whose proxies nobody calls: what is added is there, and does nothing."""

    def proxying(self) -> Proxying:
        for status in self._state.proxies.values():
            status.acted.update(dict.fromkeys(status.acted, Acted(connections=0, acts=0, bytes=0)))
        return super().proxying()


class StillWired(FakePlatform):
    """Kills, but leaves the wires."""

    def power_off(self, hosts: tuple[str, ...]) -> None:
        for host in hosts:
            self.kill(host)


@pytest.mark.parametrize(
    ("kind", "fault"),
    [
        (HalfDead, ProcessKill(member="db-1")),
        (HalfFrozen, ProcessFreeze(member="db-1")),
        (NeverGoesOn, ProcessSlow(member="db-1")),
        (NotSlow, ProcessSlow(member="db-1")),
        (KilledByUs, OutOfMemory(member="db-1")),
        (StaysAway, HostReboot(hosts=("db-1",))),
        (OnlyRestarts, HostReboot(hosts=("db-1",))),
        (Quiet, ProxyLatency(proxy="redis", latency_s=0.1)),
        (Quiet, HttpStatus(proxy="web")),
        (StillWired, PowerLoss(hosts=("db-1",))),
        (HalfCut, Partition(hosts=("db-1", "probe-a"))),
        (OneWayCut, Partition(hosts=("db-1",))),
        (BlackOut, Partition(hosts=("db-1", "probe-a"))),
    ],
)
def test_a_platform_that_does_half_of_it_is_found_out(
    kind: type[FakePlatform], fault: Fault, platform: FakePlatform
) -> None:
    half = kind(tuple(platform._state.hosts.values()))
    assert fault.ready(half).seen
    assert not fault.witness(half, fault.inject(half)).seen


def test_a_main_process_without_a_name_is_refused_because_to_a_platform_it_means_everything(
    platform: FakePlatform,
) -> None:
    with pytest.raises(FaultError, match="known by name"):
        MainProcessKill(member="db-1", command="").inject(platform)
    assert platform.whole()


def test_only_the_main_process_dies_and_its_keeper_starts_it_again(platform: FakePlatform) -> None:
    before = platform.processes("db-1")
    assert MainProcessKill(member="db-1", command="postgres").inject(platform) == (before[1].pid,)
    after = platform.processes("db-1")
    assert (after[0], after[2]) == (before[0], before[2])
    assert after[1].pid != before[1].pid


def test_every_kind_says_what_it_needs_does_shows_and_leaves() -> None:
    names = [kind.kind() for kind in KINDS]
    assert len(set(names)) == len(KINDS)
    for kind in KINDS:
        assert kind.NEEDS
        assert kind.DOES
        assert kind.SEEN_BY
        assert kind.UNDONE_BY


def test_a_fault_survives_the_journal(fault: AnyFault) -> None:
    assert msgspec.json.decode(msgspec.json.encode(fault), type=AnyFault) == fault
    assert fault.steps()
    assert all(fault.steps())
