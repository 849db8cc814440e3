"""A platform for tests: hosts, members and cuts as data, held to the same contract as a real one.

Kept in a file, it outlives the process that broke it, as a lab does.
"""

from __future__ import annotations

import fcntl
import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct, field

from bascule.chaos.disk import DiskCounts, DiskTrouble, DiskTry, LostWrites, Step
from bascule.chaos.endings import SignalDelivery
from bascule.chaos.fake_clocks import FakeClocks
from bascule.chaos.fake_endings import FakeEndings
from bascule.chaos.fake_naming import FakeDnsTrouble, FakeNaming
from bascule.chaos.fake_ports import FakePorts
from bascule.chaos.fake_proxies import FakeProxies, fake_proxies
from bascule.chaos.platform import Control, DescriptorView, Knock, ProcessState, ProcessView
from bascule.chaos.proxy.protocol import ProxyStatus
from bascule.chaos.proxying import Proxying
from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.kernel.errors import LabError

EVERYTHING: frozenset[Control] = frozenset(
    {"process", "host", "network", "memory", "disk", "restart", "signals", "proxy", "clock", "names"}
)
LIMIT = 1024


class FakeProcess(Struct, kw_only=True):
    """One process of a member."""

    pid: int
    command: str
    state: ProcessState = "running"
    is_main: bool = False
    free: int = LIMIT


class FakeTrouble(Struct, kw_only=True):
    """A trouble of a host, and what it did."""

    trouble: Trouble
    counts: TrafficCounts = field(default_factory=TrafficCounts)

    def meet(self, count: int) -> int:
        """So many frames meet it; how many of them do not arrive whole."""
        trouble, before = self.trouble, self.counts

        def some(share: float) -> int:
            return math.ceil(share * count)

        self.counts = TrafficCounts(
            met=before.met + count,
            delayed=before.delayed + (count if trouble.delay_s or trouble.rate_bytes_per_s else 0),
            lost=before.lost + some(trouble.loss),
            duplicated=before.duplicated + some(trouble.duplicate),
            reordered=before.reordered + some(trouble.reorder),
            corrupted=before.corrupted + some(trouble.corrupt),
            answered=before.answered,
        )
        return max(some(trouble.loss), some(trouble.corrupt))


class FakeDiskTrouble(Struct, kw_only=True):
    """A trouble of a host's disk, and how often it hit."""

    trouble: DiskTrouble
    hit: int = 0


class FakeHost(Struct, kw_only=True):
    """A host and its one member, which has the host's name; no commands, no member."""

    name: str
    zone: str
    region: str
    commands: tuple[str, ...] = ()
    processes: list[FakeProcess] = field(default_factory=list)
    powered: bool = True
    crashing: bool = False
    slow: bool = False
    looks: int = 0
    portless: bool = False
    dns_troubles: list[FakeDnsTrouble] = field(default_factory=list)
    troubles: list[FakeTrouble] = field(default_factory=list)
    memory_kills: int | None = None
    delivered: list[SignalDelivery] = field(default_factory=list)
    boots: int = 1
    clock: tuple[float, float] | None = None
    returning: bool = False
    disk_troubles: list[FakeDiskTrouble] = field(default_factory=list)
    lost: LostWrites | None = None


class FakeState(Struct, kw_only=True):
    """Everything there is: what a fault changes is a change of this."""

    hosts: dict[str, FakeHost]
    cuts: list[frozenset[str]] = field(default_factory=list)
    proxies: dict[str, ProxyStatus] = field(default_factory=fake_proxies)
    last_pid: int = 100


class FakePlatform(FakeEndings, FakeClocks, FakeNaming, FakePorts):
    """Does to its state what a real platform does to hosts, at once.

    A main process starts what else belongs to its member again, as a keeper does; what outlives it ends when the member
    is started again.

    Args:
        hosts: All of them; members are started.
        capabilities: What it says that it can do.
    """

    def __init__(self, hosts: tuple[FakeHost, ...], capabilities: frozenset[Control] = EVERYTHING) -> None:
        self._capabilities = capabilities
        self._state = _started(hosts)

    @contextmanager
    def _opened(self) -> Iterator[FakeState]:
        yield self._state

    def whole(self) -> bool:
        """Whether nothing of any fault is left: every member as it was started, every wire whole."""
        with self._opened() as state:
            proxied = state.proxies == fake_proxies()
            return proxied and not state.cuts and all(_is_whole(host) for host in state.hosts.values())

    def refusal(self, control: Control) -> str:
        """It has control of what it was told."""
        return "" if control in self._capabilities else "this fake was told so"

    def proxying(self) -> Proxying:
        """Its two proxies, `web` and `redis`."""
        return FakeProxies(self._opened)

    def hosts(self, *, zone: str = "", region: str = "") -> tuple[str, ...]:
        """The hosts of a zone, of a region, or all."""
        with self._opened() as state:
            return tuple(
                host.name for host in state.hosts.values() if zone in {"", host.zone} and region in {"", host.region}
            )

    def members(self, host: str) -> tuple[str, ...]:
        """The host's member, if it has one."""
        with self._opened() as state:
            return (host,) if _host(state, host).commands else ()

    def host_of(self, member: str) -> str:
        """The host of the same name."""
        with self._opened() as state:
            return _member(state, member).name

    def processes(self, member: str) -> tuple[ProcessView, ...]:
        """Every live process of a member, main process first."""
        with self._opened() as state:
            host = _member(state, member)
            host.looks += 1
            stopped = host.slow and host.looks % 2 == 0
            return tuple(
                ProcessView(pid=one.pid, command=one.command, state="frozen" if stopped else one.state)
                for one in host.processes
            )

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """Kill all of a member, or the first process of that command."""
        with self._opened() as state:
            host = _member(state, member)
            if not command:
                return _end(host)
            hit = next((one for one in host.processes if one.command == command), None)
            if hit is None:
                raise LabError(f"{member} has no process called {command!r}")
            place = host.processes.index(hit)
            del host.processes[place]
            if any(one.is_main for one in host.processes):
                host.processes.insert(place, FakeProcess(pid=_next_pid(state), command=command))
            return (hit.pid,)

    def freeze(self, member: str) -> tuple[int, ...]:
        """Freeze what is not frozen."""
        with self._opened() as state:
            moving = [one for one in _member(state, member).processes if one.state == "running"]
            for one in moving:
                one.state = "frozen"
            return tuple(one.pid for one in moving)

    def thaw(self, member: str) -> None:
        """Let a member's processes go on."""
        with self._opened() as state:
            for one in _member(state, member).processes:
                one.state = "running"

    def crash_loop(self, member: str, up_s: float) -> tuple[int, ...]:  # noqa: ARG002 - here no time passes
        """Crash a member twice; it is between two lives then."""
        with self._opened() as state:
            host = _member(state, member)
            first = _end(host)[:1]
            if not host.powered:
                return first
            _boot(state, host)
            host.crashing = True
            return first + _end(host)[:1]

    def end_crash_loop(self, member: str) -> None:
        """Let a member live."""
        with self._opened() as state:
            host = _member(state, member)
            host.crashing = False
            if not host.powered:
                raise LabError(f"host {host.name} has no power")
            _boot(state, host)

    def slow(self, member: str, share: float) -> tuple[int, ...]:  # noqa: ARG002 - every second look sees it stopped
        """Stop and continue a member in turns: every second look sees it stopped."""
        with self._opened() as state:
            host = _member(state, member)
            host.slow = True
            return tuple(one.pid for one in host.processes)

    def turns(self, member: str) -> int | None:
        """One, for a member that is slow and has a process."""
        with self._opened() as state:
            host = _member(state, member)
            return len(host.processes[:1]) if host.slow else None

    def hasten(self, member: str) -> None:
        """Let a member run all the time."""
        with self._opened() as state:
            _member(state, member).slow = False

    def descriptors(self, member: str) -> tuple[DescriptorView, ...]:
        """What each process could still open."""
        with self._opened() as state:
            found = _member(state, member).processes
            return tuple(DescriptorView(pid=one.pid, open=0, free=one.free) for one in found)

    def limit_descriptors(self, member: str, spare: int) -> tuple[int, ...]:
        """Leave each process so many."""
        with self._opened() as state:
            host = _member(state, member)
            for one in host.processes:
                one.free = min(one.free, spare)
            return tuple(one.pid for one in host.processes)

    def free_descriptors(self, member: str) -> None:
        """Give each process its limit back."""
        with self._opened() as state:
            for one in _member(state, member).processes:
                one.free = LIMIT

    def start(self, member: str) -> None:
        """Start a member that is down; its host must have power."""
        with self._opened() as state:
            host = _member(state, member)
            if not host.powered:
                raise LabError(f"host {host.name} has no power")
            _boot(state, host)

    def power_off(self, hosts: tuple[str, ...]) -> None:
        """Take the power of these hosts."""
        with self._opened() as state:
            for host in [_host(state, name) for name in hosts]:
                host.powered = host.returning = False
                _end(host)

    def power_on(self, hosts: tuple[str, ...]) -> None:
        """Give these hosts power, and start their members."""
        with self._opened() as state:
            for host in [_host(state, name) for name in hosts]:
                host.boots += not host.powered
                host.powered, host.returning = True, False
                host.lost = None
                host.portless = False
                _boot(state, host)

    def partition(self, hosts: tuple[str, ...]) -> None:
        """Cut these hosts off."""
        with self._opened() as state:
            cut = frozenset(_host(state, name).name for name in hosts)
            if cut not in state.cuts:
                state.cuts.append(cut)

    def heal(self) -> None:
        """Undo every cut."""
        with self._opened() as state:
            state.cuts.clear()

    def address_of(self, host: str) -> str:
        """Its name."""
        with self._opened() as state:
            return _host(state, host).name

    def add_trouble(self, host: str, trouble: Trouble) -> None:
        """Add it once."""
        with self._opened() as state:
            found = _host(state, host)
            if all(one.trouble != trouble for one in found.troubles):
                found.troubles.append(FakeTrouble(trouble=trouble))

    def remove_trouble(self, host: str, trouble: Trouble) -> None:
        """Take it away."""
        with self._opened() as state:
            found = _host(state, host)
            found.troubles = [one for one in found.troubles if one.trouble != trouble]

    def traffic(self, host: str, trouble: Trouble) -> TrafficCounts | None:
        """Its counts."""
        with self._opened() as state:
            return next((one.counts for one in _host(state, host).troubles if one.trouble == trouble), None)

    def travel(
        self,
        source: str,
        target: str,
        *,
        count: int,
        limit_s: float,  # noqa: ARG002 - no time passes
        port: int = 0,  # noqa: ARG002 - every port is free
    ) -> tuple[float | None, ...]:
        """At once but for its troubles; the first of them do not arrive."""
        with self._opened() as state:
            if not _joined(state, source, target):
                return (None,) * count
            met = _met(state, source, target)
            gone = max((one.meet(count) for one in met), default=0)
            takes_s = sum(one.trouble.delay_s for one in met)
            return (None,) * gone + (takes_s,) * (count - gone)

    def knock(self, source: str, target: str, port: int, *, limit_s: float) -> Knock:  # noqa: ARG002 - here no time passes
        """Nobody listens: refused, by the kernel or by a trouble."""
        with self._opened() as state:
            for one in _met(state, source, target, tcp=True):
                if one.trouble.answer:
                    one.counts = msgspec.structs.replace(one.counts, answered=one.counts.answered + 1)
        return "refused" if self.reachable(source, target) else "silent"

    def reachable(self, source: str, target: str) -> bool:
        """Whether both have power and no cut lies between them."""
        with self._opened() as state:
            is_cut = any(one.trouble.loss == 1 for one in _met(state, source, target))
            return _joined(state, source, target) and not is_cut

    def add_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Add it once."""
        with self._opened() as state:
            found = _member(state, host)
            if all(one.trouble != trouble for one in found.disk_troubles):
                found.disk_troubles.append(FakeDiskTrouble(trouble=trouble))

    def remove_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Take it away."""
        with self._opened() as state:
            found = _host(state, host)
            found.disk_troubles = [one for one in found.disk_troubles if one.trouble != trouble]

    def disk_counts(self, host: str, trouble: DiskTrouble) -> DiskCounts | None:
        """Its counts."""
        with self._opened() as state:
            found = (one.hit for one in _host(state, host).disk_troubles if one.trouble == trouble)
            return next((DiskCounts(met=hit, hit=hit) for hit in found), None)

    def try_disk(self, host: str) -> DiskTry:
        """The first trouble that refuses ends it; those before it held it up."""
        with self._opened() as state:
            took_s = 0.0
            for one in _member(state, host).disk_troubles:
                one.hit += 1
                if one.trouble.kind != "slow":
                    error, step = _REFUSED[one.trouble.kind]
                    return DiskTry(error=error, step=step, took_s=took_s)
                took_s += 2 * one.trouble.delay_s
            return DiskTry(took_s=took_s)

    def lose_writes(self, hosts: tuple[str, ...]) -> None:
        """Take the power of these hosts; those with a member had written a file and not synced it."""
        self.power_off(hosts)
        with self._opened() as state:
            for host in [_host(state, name) for name in hosts]:
                host.lost = LostWrites(files=1, size_bytes=4096) if host.commands else None

    def writes_lost(self, host: str) -> LostWrites | None:
        """What it lost."""
        with self._opened() as state:
            return _host(state, host).lost


_REFUSED: dict[str, tuple[str, Step]] = {
    "full": ("ENOSPC", "create"),
    "read-only": ("EROFS", "create"),
    "sync-error": ("EIO", "sync"),
}


class FakePlatformFile(FakePlatform):
    """A fake platform in a file: several processes act on the same one.

    Args:
        path: Of the file, made by `save`.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(())
        self._path = path

    @classmethod
    def save(cls, path: Path, hosts: tuple[FakeHost, ...]) -> FakePlatformFile:
        """Put a whole platform of these hosts into a file."""
        path.write_bytes(msgspec.json.encode(_started(hosts)))
        return cls(path)

    @contextmanager
    def _opened(self) -> Iterator[FakeState]:
        """The state, for one process at a time; written back if nothing failed."""
        with self._path.with_suffix(".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            state = msgspec.json.decode(self._path.read_bytes(), type=FakeState)
            yield state
            after = self._path.with_suffix(".new")
            after.write_bytes(msgspec.json.encode(state))
            after.rename(self._path)


def _started(hosts: tuple[FakeHost, ...]) -> FakeState:
    state = FakeState(hosts={host.name: host for host in hosts})
    for host in hosts:
        _boot(state, host)
    return state


def _next_pid(state: FakeState) -> int:
    state.last_pid += 1
    return state.last_pid


def _boot(state: FakeState, host: FakeHost) -> None:
    if not any(one.is_main for one in host.processes):
        host.processes = [
            FakeProcess(pid=_next_pid(state), command=command, is_main=number == 0)
            for number, command in enumerate(host.commands)
        ]


def _end(host: FakeHost) -> tuple[int, ...]:
    hit = tuple(one.pid for one in host.processes)
    host.processes = []
    return hit


def _is_whole(host: FakeHost) -> bool:
    commands = tuple(one.command for one in host.processes)
    strained = host.crashing or host.slow or any(one.free != LIMIT for one in host.processes)
    running = all(one.state == "running" for one in host.processes)
    if host.troubles or host.disk_troubles or host.dns_troubles or host.portless:
        return False
    if host.memory_kills is not None or host.clock is not None:
        return False
    return host.powered and commands == host.commands and running and not strained


def _host(state: FakeState, name: str) -> FakeHost:
    if name not in state.hosts:
        raise LabError(f"no host is called {name!r}")
    return state.hosts[name]


def _joined(state: FakeState, source: str, target: str) -> bool:
    """Whether both have power, and no partition lies between them."""
    here, there = _host(state, source), _host(state, target)
    return here.powered and there.powered and not any((source in cut) != (target in cut) for cut in state.cuts)


def _met(state: FakeState, source: str, target: str, *, tcp: bool = False) -> list[FakeTrouble]:
    """The troubles that a datagram, or a TCP segment, meets on its way."""
    out = [one for one in _host(state, source).troubles if one.trouble.direction in {"out", "both"}]
    come = [one for one in _host(state, target).troubles if one.trouble.direction in {"in", "both"}]
    found = [one for one in out if not one.trouble.peers or target in one.trouble.peers]
    found += [one for one in come if not one.trouble.peers or source in one.trouble.peers]
    protocols = {"all", "tcp"} if tcp else {"all", "udp"}
    return [one for one in found if one.trouble.protocol in protocols]


def _member(state: FakeState, name: str) -> FakeHost:
    if name not in state.hosts or not state.hosts[name].commands:
        raise LabError(f"no member is called {name!r}")
    return state.hosts[name]
