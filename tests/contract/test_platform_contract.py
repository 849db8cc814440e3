"""What faults rely on, held against the lab, targets outside and the fake: idempotent, the effect seen on return."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.outside_pair import pair

from bascule.chaos.disk import DiskTrouble
from bascule.chaos.fake_platform import FakeHost, FakePlatform
from bascule.chaos.faults import (
    AnyFault,
    Bandwidth,
    ConnectionRefusal,
    ConnectionReset,
    CrashLoop,
    DescriptorExhaustion,
    DiskFull,
    DiskLostWrites,
    DiskReadOnly,
    DiskSlow,
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
)
from bascule.chaos.injection import Injection, missing
from bascule.chaos.journal import Journal, PlatformRef
from bascule.chaos.platform import Control, Platform
from bascule.chaos.traffic import Trouble
from bascule.engines.protocols import Launch
from bascule.kernel.clock import SystemClock
from bascule.kernel.errors import BasculeError
from bascule.kernel.quantities import Rate, Share
from bascule.lab import world
from bascule.lab.abilities import Abilities
from bascule.lab.plan import layout
from bascule.outside.platform import OutsidePlatform
from bascule.system.model import Availability, Component, Objectives, Region, System, Workload

SYSTEM = System(
    system="pair",
    objectives=Objectives(availability=Availability(target=Share(0.9))),
    regions={"north": Region(zones=("north-a",)), "south": Region(zones=("south-a",))},
    components={"app": Component(engine="service", replicas={"north-a": 1, "south-a": 1})},
    workload=Workload(through="app", rate=Rate(1.0)),
)
NORTH, SOUTH = "app-north-a-1", "app-south-a-1"
TREE = "import os, time\nos.fork()\nos.fork()\ntime.sleep(1000)"


def fake() -> FakePlatform:
    """The same hosts as the lab's."""
    python = ("python",) * 4
    return FakePlatform(
        (
            FakeHost(name=NORTH, zone="north-a", region="north", commands=python),
            FakeHost(name="probe-north-a", zone="north-a", region="north"),
            FakeHost(name=SOUTH, zone="south-a", region="south", commands=python),
            FakeHost(name="probe-south-a", zone="south-a", region="south"),
            FakeHost(name="client", zone="outside", region="outside"),
        )
    )


@pytest.fixture(
    scope="module",
    params=[
        "fake",
        pytest.param("namespaces", marks=pytest.mark.real),
        pytest.param("loopback", marks=pytest.mark.real),
        pytest.param("outside", marks=pytest.mark.real),
        pytest.param("ssh", marks=pytest.mark.real),
    ],
)
def platform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    if request.param == "fake":
        yield fake()
        return
    if request.param in {"outside", "ssh"}:
        place: Path = tmp_path_factory.mktemp(request.param)
        with pair((NORTH, SOUTH), place=place, over_ssh=request.param == "ssh") as met:
            yield met
        return
    if request.param == "namespaces" and (why := world.isolation_available()):
        pytest.skip(why)
    directory: Path = tmp_path_factory.mktemp(request.param) / "lab"
    plan = layout(SYSTEM, world.choose_prefix(request.param))
    client = world.create(
        directory, plan, isolation=request.param, wanted=Abilities(disks=True, clocks=True, names=True)
    )
    try:
        for name in (NORTH, SOUTH):
            home = directory / "members" / name
            home.mkdir(parents=True)
            client.launch(name, name, Launch(argv=(sys.executable, "-c", TREE)), home)
        yield client
    finally:
        client.down()


@pytest.fixture(autouse=True)
def whole(platform: Platform) -> None:
    """Every test begins with both members running as four processes each."""
    if not platform.refusal("network"):
        platform.heal()
    for name in (NORTH, SOUTH):
        platform.kill(name)
        platform.start(name)
    deadline_s = time.monotonic() + 10
    while any(len(platform.processes(name)) != 4 for name in (NORTH, SOUTH)):
        assert time.monotonic() < deadline_s
        time.sleep(0.01)


def need(platform: Platform, control: Control) -> None:
    if why := platform.refusal(control):
        pytest.skip(f"no control of {control}: {why}")


def test_hosts_and_members_are_found_by_their_place(platform: Platform) -> None:
    if isinstance(platform, OutsidePlatform):
        pytest.skip("outside the lab there is one machine, and nothing is known of its place")
    assert platform.hosts(zone="north-a") == (NORTH, "probe-north-a")
    assert platform.hosts(region="south") == (SOUTH, "probe-south-a")
    assert set(platform.hosts()) == {NORTH, SOUTH, "probe-north-a", "probe-south-a", "client"}
    assert platform.members(NORTH) == (NORTH,)
    assert platform.members("client") == ()
    assert platform.host_of(SOUTH) == SOUTH


def test_processes_are_the_members_own_and_the_main_one_is_first(platform: Platform) -> None:
    north, south = platform.processes(NORTH), platform.processes(SOUTH)
    assert not {view.pid for view in north} & {view.pid for view in south}
    assert {view.state for view in north} == {"running"}
    assert north[0].pid == min(view.pid for view in north)


def test_a_killed_member_is_down_when_the_call_returns_and_the_other_is_not_touched(platform: Platform) -> None:
    before = {view.pid for view in platform.processes(NORTH)}
    assert set(platform.kill(NORTH)) == before
    assert platform.processes(NORTH) == ()
    assert platform.kill(NORTH) == ()
    assert len(platform.processes(SOUTH)) == 4
    platform.start(NORTH)
    platform.start(NORTH)
    assert platform.processes(NORTH)


def test_the_topmost_process_of_a_command_dies_alone(platform: Platform) -> None:
    main = platform.processes(NORTH)[0]
    assert platform.kill(NORTH, command=main.command) == (main.pid,)
    assert len(platform.processes(NORTH)) == 3


def test_a_frozen_member_is_frozen_when_the_call_returns(platform: Platform) -> None:
    assert len(platform.freeze(NORTH)) == 4
    assert [view.state for view in platform.processes(NORTH)] == ["frozen"] * 4
    assert platform.freeze(NORTH) == ()
    assert {view.state for view in platform.processes(SOUTH)} == {"running"}
    platform.thaw(NORTH)
    platform.thaw(NORTH)
    assert {view.state for view in platform.processes(NORTH)} == {"running"}


def test_a_crash_loop_goes_on_until_it_is_ended(platform: Platform) -> None:
    before = platform.processes(NORTH)[0].pid
    first, second = platform.crash_loop(NORTH, 0.05)
    assert first == before != second
    assert len(platform.processes(SOUTH)) == 4
    platform.end_crash_loop(NORTH)
    platform.end_crash_loop(NORTH)
    alive = platform.processes(NORTH)[0].pid
    assert alive not in {first, second}
    assert platform.processes(NORTH)[0].pid == alive


def test_a_slow_member_stops_and_goes_and_its_neighbour_does_not(platform: Platform) -> None:
    assert platform.turns(NORTH) is None
    platform.slow(NORTH, 0.5)
    seen: set[str] = set()
    deadline_s = time.monotonic() + 10
    while len(seen) < 2:
        assert time.monotonic() < deadline_s
        seen |= {view.state for view in platform.processes(NORTH)}
        assert {view.state for view in platform.processes(SOUTH)} == {"running"}
    while not platform.turns(NORTH):
        assert time.monotonic() < deadline_s
    assert platform.turns(SOUTH) is None
    platform.hasten(NORTH)
    platform.hasten(NORTH)
    assert platform.turns(NORTH) is None
    assert {view.state for _ in range(50) for view in platform.processes(NORTH)} == {"running"}


def test_a_member_may_open_only_what_is_spared_and_gets_its_limits_back(platform: Platform) -> None:
    before = platform.descriptors(NORTH)
    platform.limit_descriptors(NORTH, 3)
    platform.limit_descriptors(NORTH, 2)
    assert [view.free for view in platform.descriptors(NORTH)] == [2] * 4
    assert {view.free for view in platform.descriptors(SOUTH)} == {before[0].free}
    platform.free_descriptors(NORTH)
    platform.free_descriptors(NORTH)
    assert platform.descriptors(NORTH) == before


def test_a_host_without_power_is_silent_and_its_members_come_back_with_it(platform: Platform) -> None:
    need(platform, "host")
    platform.power_off((NORTH,))
    platform.power_off((NORTH,))
    assert platform.processes(NORTH) == ()
    assert not platform.reachable("client", NORTH)
    platform.power_on((NORTH,))
    platform.power_on((NORTH,))
    assert platform.processes(NORTH)


def test_a_partition_acts_when_the_call_returns_and_is_gone_after_the_heal(platform: Platform) -> None:
    need(platform, "network")
    platform.partition((NORTH, "probe-north-a"))
    platform.partition((NORTH, "probe-north-a"))
    assert not platform.reachable(NORTH, SOUTH)
    assert not platform.reachable("client", NORTH)
    assert platform.reachable(NORTH, "probe-north-a")
    assert platform.reachable("client", SOUTH)
    platform.heal()
    platform.heal()
    for source, target in ((NORTH, SOUTH), ("client", NORTH)):
        # As in any network, an address that was asked for in vain is asked for again after up to a second.
        assert any(platform.reachable(source, target) for _ in range(30)), f"{source} -> {target}"


def test_trouble_is_met_by_those_who_are_meant_and_by_nobody_else(platform: Platform) -> None:
    need(platform, "network")
    late = Trouble(delay_s=0.05, direction="in", peers=(platform.address_of(SOUTH),))
    assert platform.traffic(NORTH, late) is None
    platform.add_trouble(NORTH, late)
    platform.add_trouble(NORTH, late)
    slow = platform.travel(SOUTH, NORTH, count=10, limit_s=2.0)
    assert all(one is not None and one >= 0.05 for one in slow)
    for source, target in ((NORTH, SOUTH), ("client", NORTH), (SOUTH, "client")):
        quick = platform.travel(source, target, count=10, limit_s=2.0)
        assert min(one for one in quick if one is not None) < 0.05
    counts = platform.traffic(NORTH, late)
    assert counts is not None
    assert counts.delayed == counts.met >= 10
    platform.remove_trouble(NORTH, late)
    platform.remove_trouble(NORTH, late)
    assert platform.traffic(NORTH, late) is None
    assert min(one for one in platform.travel(SOUTH, NORTH, count=10, limit_s=2.0) if one is not None) < 0.05


def test_a_cut_of_one_way_lets_the_other_way_through(platform: Platform) -> None:
    need(platform, "network")
    cut = Trouble(loss=1.0, direction="in", protocol="udp")
    platform.add_trouble(NORTH, cut)
    assert set(platform.travel(SOUTH, NORTH, count=5, limit_s=0.2)) == {None}
    assert None not in platform.travel(NORTH, SOUTH, count=5, limit_s=2.0)
    platform.remove_trouble(NORTH, cut)
    assert None not in platform.travel(SOUTH, NORTH, count=5, limit_s=2.0)


def test_nobody_listens_is_refused_and_a_cut_is_silent(platform: Platform) -> None:
    need(platform, "network")
    assert platform.knock("client", NORTH, 9, limit_s=2.0) == "refused"
    cut = Trouble(loss=1.0)
    platform.add_trouble(NORTH, cut)
    assert platform.knock("client", NORTH, 9, limit_s=0.2) == "silent"
    platform.remove_trouble(NORTH, cut)


def test_a_trouble_of_a_disk_is_met_on_that_disk_alone(platform: Platform) -> None:
    need(platform, "disk")
    full = DiskTrouble(kind="full")
    assert platform.try_disk(NORTH).error == ""
    platform.add_disk_trouble(NORTH, full)
    platform.add_disk_trouble(NORTH, full)
    assert (platform.try_disk(NORTH).error, platform.try_disk(NORTH).step) == ("ENOSPC", "create")
    assert platform.try_disk(SOUTH).error == ""
    counts = platform.disk_counts(NORTH, full)
    assert counts is not None
    assert counts.hit >= 2
    assert platform.disk_counts(SOUTH, full) is None
    platform.remove_disk_trouble(NORTH, full)
    platform.remove_disk_trouble(NORTH, full)
    assert platform.disk_counts(NORTH, full) is None
    assert platform.try_disk(NORTH).error == ""


def test_a_full_disk_is_full_after_a_loss_of_power_too(platform: Platform) -> None:
    need(platform, "disk")
    full = DiskTrouble(kind="full")
    platform.add_disk_trouble(NORTH, full)
    assert platform.writes_lost(NORTH) is None
    platform.lose_writes((NORTH,))
    platform.lose_writes((NORTH,))
    assert platform.writes_lost(NORTH) is not None
    assert platform.processes(NORTH) == ()
    platform.power_on((NORTH,))
    assert platform.writes_lost(NORTH) is None
    assert platform.try_disk(NORTH).error == "ENOSPC"
    platform.remove_disk_trouble(NORTH, full)
    assert platform.try_disk(NORTH).error == ""


def test_what_does_not_exist_is_an_error_never_a_silent_success(platform: Platform) -> None:
    for call in (platform.kill, platform.freeze, platform.thaw, platform.start, platform.processes, platform.host_of):
        with pytest.raises(BasculeError):
            call("nobody")
    with pytest.raises(BasculeError):
        platform.reachable("nowhere", "client")
    if not platform.refusal("network"):
        with pytest.raises(BasculeError):
            platform.partition(("nowhere",))


@pytest.mark.parametrize(
    "fault",
    [
        ProcessKill(member=NORTH),
        ProcessFreeze(member=NORTH),
        CrashLoop(member=NORTH, up_s=0.1),
        ProcessSlow(member=NORTH),
        DescriptorExhaustion(member=NORTH),
        DescriptorExhaustion(member=NORTH, spare=5),
        PowerLoss(hosts=(NORTH, "probe-north-a")),
        Partition(hosts=(NORTH, "probe-north-a")),
        Partition(hosts=(SOUTH,)),
        NetworkDelay(hosts=(NORTH,), delay_s=0.03, jitter_s=0.01),
        NetworkDelay(hosts=(NORTH, SOUTH), delay_s=0.03, direction="in"),
        PacketLoss(hosts=(NORTH,), share=0.3),
        NetworkCut(hosts=(NORTH,), peers=("probe-north-a",), direction="in"),
        NetworkCut(hosts=(NORTH,), direction="out", protocol="udp"),
        PacketDuplication(hosts=(NORTH,), share=0.3),
        PacketReordering(hosts=(NORTH,), share=0.3),
        PacketCorruption(hosts=(NORTH,), share=0.3),
        Bandwidth(hosts=(NORTH,), rate_bytes_per_s=20_000.0),
        ConnectionReset(hosts=(NORTH,), peers=(SOUTH,)),
        ConnectionRefusal(hosts=(NORTH,), direction="in", protocol="tcp", port=80),
        OutOfMemory(member=NORTH),
        ProcessSignals(member=NORTH, signals=("SIGTERM",), to="leaves-first"),
        HostReboot(hosts=(NORTH, "probe-north-a"), down_s=600.0),
        HostReboot(hosts=(SOUTH,), down_s=0.5),
        DiskFull(hosts=(NORTH,)),
        DiskSlow(hosts=(NORTH, SOUTH), delay_s=0.05),
        DiskSlow(hosts=(NORTH,), delay_s=0.01, rate_bytes_per_s=1e6),
        DiskReadOnly(hosts=(NORTH,)),
        SyncFailure(hosts=(NORTH,)),
        DiskLostWrites(hosts=(NORTH, "probe-north-a")),
        PortExhaustion(host=NORTH),
    ],
    ids=str,
)
def test_every_fault_acts_is_witnessed_and_undone(platform: Platform, tmp_path: Path, fault: AnyFault) -> None:
    if why := missing(fault, platform):
        pytest.skip(why)
    injection = made(fault, platform, tmp_path)
    struck = injection.strike()
    assert struck.witness.seen, struck.witness.evidence
    injection.undo()
    assert fault.undone(platform).seen
    assert fault.ready(platform).seen
    injection.undo()
    assert Journal(tmp_path / "journal.jsonl").pending() == ()


def test_a_main_process_is_killed_by_its_name(platform: Platform, tmp_path: Path) -> None:
    main = platform.processes(NORTH)[0]
    injection = made(MainProcessKill(member=NORTH, command=main.command), platform, tmp_path)
    assert injection.strike().witness.seen
    injection.undo()
    assert main.pid not in {view.pid for view in platform.processes(NORTH)}
    assert len(platform.processes(NORTH)) >= 4


def test_a_command_that_is_not_there_is_not_injected(platform: Platform, tmp_path: Path) -> None:
    struck = made(MainProcessKill(member=NORTH, command="postgres"), platform, tmp_path).strike()
    assert not struck.witness.seen
    assert not (tmp_path / "journal.jsonl").exists()
    assert len(platform.processes(NORTH)) == 4


def test_the_oom_killer_strikes_one_process_and_its_neighbours_live(platform: Platform) -> None:
    need(platform, "memory")
    before = {view.pid for view in platform.processes(NORTH)}
    assert platform.memory_kills(NORTH) is None
    (struck,) = platform.run_out_of_memory(NORTH)
    assert struck in before
    assert {view.pid for view in platform.processes(NORTH)} >= before - {struck} or len(before) == 1
    assert struck not in {view.pid for view in platform.processes(NORTH)}
    assert platform.memory_kills(NORTH)
    assert platform.memory_kills(SOUTH) is None
    assert len(platform.processes(SOUTH)) == 4
    platform.relieve_memory(NORTH)
    platform.relieve_memory(NORTH)
    assert platform.memory_kills(NORTH) is None


def test_a_command_that_is_not_there_runs_out_of_no_memory(platform: Platform) -> None:
    need(platform, "memory")
    with pytest.raises(BasculeError):
        platform.run_out_of_memory(NORTH, command="postgres")
    assert platform.memory_kills(NORTH) is None
    assert len(platform.processes(NORTH)) == 4


def test_signals_reach_those_who_are_meant_in_their_order(platform: Platform) -> None:
    need(platform, "signals")
    pids = [view.pid for view in platform.processes(NORTH)]
    hit = platform.send_signals(NORTH, ("SIGKILL",), pause_s=0.0, to="children")
    assert sorted(hit) == sorted(pids[1:])
    assert pids[0] in {view.pid for view in platform.processes(NORTH)}
    assert platform.send_signals(NORTH, ("SIGTERM", "SIGKILL"), pause_s=1.0, to="main") == (pids[0],)
    assert [(each.signal, each.pids) for each in platform.delivered(NORTH)] == [
        ("SIGTERM", (pids[0],)),
        ("SIGKILL", ()),
    ]
    assert platform.delivered(SOUTH) == ()
    assert len(platform.processes(SOUTH)) == 4


def test_a_host_that_reboots_is_away_and_comes_back_by_itself(platform: Platform) -> None:
    need(platform, "host")
    before = platform.boot(NORTH)
    pids = {view.pid for view in platform.processes(NORTH)}
    platform.reboot((NORTH,), 0.5)
    assert platform.processes(NORTH) == ()
    assert not platform.reachable("client", NORTH)
    deadline_s = time.monotonic() + 10
    while not platform.boot(NORTH).powered:
        assert time.monotonic() < deadline_s
    after = platform.boot(NORTH)
    assert (after.number, after.powered, after.returning) == (before.number + 1, True, False)
    assert platform.processes(NORTH)
    assert not pids & {view.pid for view in platform.processes(NORTH)}


def test_a_host_whose_disk_forgets_at_a_loss_of_power_does_not_come_back_by_itself_either(platform: Platform) -> None:
    need(platform, "host")
    need(platform, "disk")
    platform.reboot((NORTH,), 600.0)
    assert platform.boot(NORTH).returning or platform.boot(NORTH).powered  # a fake's is back once it was looked at
    platform.power_on((NORTH,))
    platform.reboot((NORTH,), 600.0)
    platform.lose_writes((NORTH,))
    assert not platform.boot(NORTH).returning
    platform.power_on((NORTH,))


def test_a_host_whose_power_is_taken_by_hand_does_not_come_back_by_itself(platform: Platform) -> None:
    need(platform, "host")
    platform.reboot((NORTH,), 600.0)
    platform.power_off((NORTH,))
    assert not platform.boot(NORTH).returning
    platform.power_on((NORTH,))
    assert platform.boot(NORTH).powered


def made(fault: AnyFault, platform: Platform, folder: Path) -> Injection:
    return Injection(
        fault,
        platform,
        Journal(folder / "journal.jsonl"),
        reference=PlatformRef(kind="test", directory="/"),
        number=1,
        clock=SystemClock(),
        sleep=time.sleep,
    )
