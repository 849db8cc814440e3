"""A small fake platform, and faults that fit it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from bascule.chaos.fake_platform import EVERYTHING, FakeHost, FakePlatform
from bascule.chaos.faults import (
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
    PowerLoss,
    ProcessFreeze,
    ProcessKill,
    ProcessSignals,
    ProcessSlow,
    SyncFailure,
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
from bascule.chaos.injection import Injection
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.platform import Control
from bascule.kernel.clock import FakeClock

REFERENCE = PlatformRef(kind="fake", directory="/fake", identity="one")


def fake_hosts() -> tuple[FakeHost, ...]:
    return (
        FakeHost(name="db-1", zone="a", region="north", commands=("keeper", "postgres", "worker")),
        FakeHost(name="db-2", zone="b", region="south", commands=("keeper", "postgres")),
        FakeHost(name="probe-a", zone="a", region="north"),
        FakeHost(name="client", zone="outside", region="outside"),
    )


FAULTS: tuple[AnyFault, ...] = (
    ProcessKill(member="db-1"),
    MainProcessKill(member="db-1", command="postgres"),
    MainProcessKill(member="db-1", command="keeper"),
    CrashLoop(member="db-1"),
    ProcessFreeze(member="db-1"),
    ProcessSlow(member="db-1"),
    DescriptorExhaustion(member="db-1"),
    DescriptorExhaustion(member="db-1", spare=3),
    PowerLoss(hosts=("db-1",)),
    PowerLoss(hosts=("db-1", "probe-a")),
    Partition(hosts=("db-1",)),
    Partition(hosts=("db-1", "probe-a")),
    NetworkDelay(hosts=("db-1",), delay_s=0.05, jitter_s=0.01),
    NetworkDelay(hosts=("db-1", "db-2"), delay_s=0.05, direction="in"),
    PacketLoss(hosts=("db-1",), share=0.2),
    NetworkCut(hosts=("db-1",), peers=("db-2",), direction="in"),
    NetworkCut(hosts=("db-1",), direction="out"),
    PacketDuplication(hosts=("db-1",), share=0.2),
    PacketReordering(hosts=("db-1",), share=0.2),
    PacketCorruption(hosts=("db-1",), share=0.2),
    Bandwidth(hosts=("db-1",), rate_bytes_per_s=10_000.0),
    ConnectionReset(hosts=("db-1",), peers=("db-2",)),
    ConnectionRefusal(hosts=("db-1",), direction="in", protocol="tcp", port=5432),
    OutOfMemory(member="db-1"),
    OutOfMemory(member="db-1", command="postgres"),
    ProcessSignals(member="db-1", signals=("SIGINT", "SIGKILL")),
    ProcessSignals(member="db-1", signals=("SIGHUP", "SIGUSR1", "SIGTERM"), to="leaves-first", pause_s=0.0),
    HostReboot(hosts=("db-1",)),
    HostReboot(hosts=("db-1", "probe-a"), down_s=1.0),
    DiskFull(hosts=("db-1",)),
    DiskSlow(hosts=("db-1", "db-2"), delay_s=0.05),
    DiskReadOnly(hosts=("db-1",)),
    SyncFailure(hosts=("db-1",)),
    DiskLostWrites(hosts=("db-1", "probe-a")),
    ProxyLatency(proxy="redis", latency_s=0.1, jitter_s=0.02),
    ProxyBandwidth(proxy="redis", rate_bytes_per_s=1000, stream="upstream"),
    ProxySlowClose(proxy="web", delay_s=1.0),
    ProxyTimeout(proxy="redis"),
    ProxyReset(proxy="redis", toxicity=0.5),
    ProxySlicer(proxy="redis", average_bytes=10),
    ProxyLimitData(proxy="redis", size_bytes=100),
    ProxyDown(proxy="web"),
    HttpStatus(proxy="web", share=0.5, path="/tasks"),
    HttpCorruptBody(proxy="web"),
    HttpSlowBody(proxy="web", rate_bytes_per_s=100),
    HttpSlowAnswer(proxy="web", delay_s=1.0, method="GET"),
    HttpCutBody(proxy="web"),
    ClockStep(member="db-1", step_s=3600.0),
    ClockStep(member="db-2", step_s=-2.0),
    ClockDrift(member="db-1", rate=0.5),
    ClockDrift(member="db-1", rate=-0.5),
    DnsFault(hosts=("db-1",), how="nxdomain"),
    DnsFault(hosts=("db-1", "probe-a"), how="servfail"),
    DnsFault(hosts=("db-2",), how="timeout", names=("db-1",)),
    DnsFault(hosts=("db-1",), how="wrong-answer"),
)
Inject = Callable[..., Injection]


@pytest.fixture(params=FAULTS, ids=str)
def fault(request: pytest.FixtureRequest) -> AnyFault:
    one: AnyFault = request.param
    return one


@pytest.fixture
def platform() -> FakePlatform:
    return FakePlatform(fake_hosts())


@pytest.fixture
def make_platform() -> Callable[[frozenset[Control]], FakePlatform]:
    def make(capabilities: frozenset[Control] = EVERYTHING) -> FakePlatform:
        return FakePlatform(fake_hosts(), capabilities)

    return make


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(100.0)


@pytest.fixture
def journal(tmp_path: Path) -> Journal:
    return Journal(tmp_path / "journal.jsonl")


@pytest.fixture
def reference() -> PlatformRef:
    return REFERENCE


@pytest.fixture
def inject(platform: FakePlatform, journal: Journal, clock: FakeClock) -> Inject:
    """Makes an injection on the fake platform; waiting advances the clock, and nothing else."""

    def make(fault: AnyFault, number: int = 1) -> Injection:
        return Injection(fault, platform, journal, reference=REFERENCE, number=number, clock=clock, sleep=clock.advance)

    return make
