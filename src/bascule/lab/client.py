"""The client through which everybody acts on a lab. Calls block, are bounded in time, and may come from any thread."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import msgspec

from bascule.chaos.platform import Control, DescriptorView, Knock, ProcessView
from bascule.chaos.proxying import Unproxied
from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.engines.protocols import Capability, Launch
from bascule.kernel.errors import LabError
from bascule.lab import mark
from bascule.lab import protocol as say
from bascule.lab.channel import Channel
from bascule.lab.client_clocks import ClockCalls
from bascule.lab.client_disks import DiskCalls
from bascule.lab.client_endings import EndingsClient
from bascule.lab.client_naming import NamingCalls
from bascule.lab.protocol import Completed, WorldStatus
from bascule.lab.request import Request

T = TypeVar("T")
END_LIMIT_S = 10.0
_POLL_S = 0.005


class LabClient(EndingsClient, DiskCalls, ClockCalls, NamingCalls, Unproxied):
    """Acts on one lab: the platform on which faults are injected, and the means to run programs there.

    Args:
        directory: The lab's.
        record: What `lab.json` says.
        owner: The owner's socket: only who made the lab has it. The lab ends with it, unless `keep` was said.
        keeper: The keeper's pid, if it is our child.
    """

    def __init__(
        self, directory: Path, record: say.LabRecord, owner: socket.socket | None = None, keeper: int = 0
    ) -> None:
        self.directory = directory
        self.record = record
        self.plan = record.plan
        self._owner = owner
        self._keeper = keeper
        self._channel = Channel(directory)

    def _do(self, request: Request, kind: type[T], *, within_s: float = 0.0) -> T:
        value, _ = self._channel.call(request, within_s=within_s)
        return msgspec.json.decode(value, type=kind)

    # -- the platform

    def refusal(self, control: Control) -> str:
        """In namespaces of all: what must be asked for if it was, memory if allowed; on loopback of processes alone."""
        if control == "memory":
            return self.memory_refusal()
        asked_for = {
            "disk": self.record.disk_refusal,
            "clock": self.record.clock_refusal,
            "names": self.record.names_refusal,
            "proxy": "a lab has no proxy process: its own wires can be troubled",
        }
        if control in asked_for:
            return asked_for[control]
        if control in {"process", "restart", "signals"} or self.record.isolation == "namespaces":
            return ""
        return "on loopback all hosts share this machine's own"

    def hosts(self, *, zone: str = "", region: str = "") -> tuple[str, ...]:
        """The hosts of a zone, of a region, or all; those of clients and probes included."""
        return tuple(host.name for host in self.plan.hosts if zone in {"", host.zone} and region in {"", host.region})

    def members(self, host: str) -> tuple[str, ...]:
        """Names of the members that were launched on a host."""
        return tuple(member.name for member in self.status().members if member.host == host)

    def host_of(self, member: str) -> str:
        """The host on which a member was launched.

        Raises:
            LabError: There is no such member.
        """
        for known in self.status().members:
            if known.name == member:
                return known.host
        raise LabError(f"no member is called {member!r}", where=str(self.directory))

    def processes(self, member: str) -> tuple[ProcessView, ...]:
        """Every live process of a member's tree, orphans and daemons included, main process first."""
        return self._do(say.Processes(member=member), tuple[ProcessView, ...])

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """SIGKILL the member's whole tree, or the topmost process of it whose command is `command`, alone."""
        return self._do(say.Kill(member=member, command=command), tuple[int, ...])

    def freeze(self, member: str) -> tuple[int, ...]:
        """SIGSTOP the member's whole tree; every thread of it is stopped when this returns."""
        return self._do(say.Freeze(member=member), tuple[int, ...])

    def thaw(self, member: str) -> None:
        """SIGCONT the member's whole tree."""
        self._do(say.Thaw(member=member), type(None))

    def crash_loop(self, member: str, up_s: float) -> tuple[int, ...]:
        """Kill the member's tree and start it, again and again; returns after the second crash."""
        return self._do(say.CrashLoop(member=member, up_s=up_s), tuple[int, ...], within_s=3 * up_s)

    def end_crash_loop(self, member: str) -> None:
        """End the loop, and start the member if it is down."""
        self._do(say.EndCrashLoop(member=member), type(None))

    def slow(self, member: str, share: float) -> tuple[int, ...]:
        """Stop and continue the member's tree in turns, so that it runs `share` of the time."""
        return self._do(say.Slow(member=member, share=share), tuple[int, ...])

    def turns(self, member: str) -> int | None:
        """How often the supervisor saw its main process stop and go on, in turn; None when it is not slowed."""
        return self._do(say.Turns(member=member), int | None)  # type: ignore[arg-type]  # a union is a type to msgspec

    def hasten(self, member: str) -> None:
        """Let the member's tree run all the time again."""
        self._do(say.Hasten(member=member), type(None))

    def descriptors(self, member: str) -> tuple[DescriptorView, ...]:
        """The file descriptors of every process of the member, main process first."""
        return self._do(say.Descriptors(member=member), tuple[DescriptorView, ...])

    def limit_descriptors(self, member: str, spare: int) -> tuple[int, ...]:
        """Leave every process of the member `spare` descriptors beside those that it has open."""
        return self._do(say.LimitDescriptors(member=member, spare=spare), tuple[int, ...])

    def free_descriptors(self, member: str) -> None:
        """Give every process of the member the limit of open files that it had."""
        self._do(say.FreeDescriptors(member=member), type(None))

    def start(self, member: str) -> None:
        """Start the member again, as it was launched, if its main process is down."""
        self._do(say.StartMember(member=member), type(None))

    def power_off(self, hosts: tuple[str, ...]) -> None:
        """Cut the hosts' wires, then SIGKILL everything on them. Nobody gets a farewell packet."""
        self._do(say.PowerOff(hosts=tuple(hosts)), type(None))

    def power_on(self, hosts: tuple[str, ...]) -> None:
        """Plug the wires in again and start the hosts' members."""
        self._do(say.PowerOn(hosts=tuple(hosts)), type(None))

    def partition(self, hosts: tuple[str, ...]) -> None:
        """Cut every path between these hosts and all others: packets vanish. Inside each side all flows."""
        self._do(say.Partition(hosts=tuple(hosts)), type(None))

    def heal(self) -> None:
        """Undo every partition. A neighbour asked for in vain is asked for again within a second, as in any network."""
        self._do(say.Heal(), type(None))

    def holding(self) -> tuple[say.EntryHost, ...]:
        """The hosts among which the address moves, and which of them have it, all at one moment; none without one.

        A host that has it answers for it to whoever reaches that host, unless it closes itself off in another way.
        """
        return self._do(say.Holding(), tuple[say.EntryHost, ...])

    def address_of(self, host: str) -> str:
        """The address of a host.

        Raises:
            LabError: There is no such host.
        """
        return self.plan.host(host).address

    def add_trouble(self, host: str, trouble: Trouble) -> None:
        """Let frames on the host's wire meet trouble from now on."""
        self._do(say.AddTrouble(host=host, trouble=trouble), type(None))

    def remove_trouble(self, host: str, trouble: Trouble) -> None:
        """Take a trouble away from the host's wire."""
        self._do(say.RemoveTrouble(host=host, trouble=trouble), type(None))

    def traffic(self, host: str, trouble: Trouble) -> TrafficCounts | None:
        """What a trouble did so far, as the tap counted; None when it is not there."""
        return self._do(say.Traffic(host=host, trouble=trouble), TrafficCounts | None)  # type: ignore[arg-type]  # a union is a type to msgspec

    def travel(
        self, source: str, target: str, *, count: int, limit_s: float, port: int = 0
    ) -> tuple[float | None, ...]:
        """Seconds that each datagram takes; None for one that does not come."""
        request = say.Travel(source=source, target=target, count=count, limit_s=limit_s, port=port)
        return self._do(request, tuple[float | None, ...], within_s=limit_s + count * 0.01)

    def knock(self, source: str, target: str, port: int, *, limit_s: float) -> Knock:
        """What becomes of a connection from one host to a port of another."""
        request = say.Knock(source=source, target=target, port=port, limit_s=limit_s)
        return self._do(request, Knock, within_s=limit_s)  # type: ignore[arg-type]  # a Literal is a type to msgspec

    def reachable(self, source: str, target: str) -> bool:
        """Whether a datagram sent now from one host arrives at the other within 100 ms plus the line's delay."""
        return self._do(say.Reachable(source=source, target=target), bool)

    def exhaust_ports(self, host: str) -> None:
        """Leave the host no local port for a further outgoing TCP connection."""
        self._do(say.ExhaustPorts(host=host), type(None))

    def free_ports(self, host: str) -> None:
        """Give the host the range of local ports that it had."""
        self._do(say.FreePorts(host=host), type(None))

    def finds_port(self, host: str) -> bool:
        """Whether an outgoing TCP connection from the host finds a local port now."""
        return self._do(say.FindsPort(host=host), bool)

    # -- members and other programs

    def launch(self, host: str, member: str, launch: Launch, directory: Path) -> None:
        """Register a member and start it, in `directory`. Nothing restarts it but `start` and `power_on`.

        Raises:
            LabError: It is up already, cannot be started, or the host has no power.
        """
        self._do(
            say.LaunchMember(host=host, member=member, launch=launch, directory=str(directory.absolute())), type(None)
        )

    def stop(self, member: str, timeout_s: float = 30.0) -> None:
        """End a member by its stop signal; after `timeout_s` by SIGKILL. Nothing of its tree is left."""
        self._do(say.StopMember(member=member, timeout_s=timeout_s), type(None), within_s=timeout_s)

    def spawn(
        self,
        host: str,
        name: str,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str] | None = None,
        directory: Path | None = None,
        output: Path | None = None,
        capabilities: tuple[Capability, ...] = (),
    ) -> int:
        """Start an auxiliary process, such as a load client; it dies with the lab. Returns its pid in the lab.

        Args:
            host: Where.
            name: Unique in the lab; free again once the process has ended.
            argv: The program and its arguments.
            environment: Variables beyond the few that every program gets.
            directory: Where it starts; by default the lab's own directory.
            output: The file that gets its output and errors; by default `logs/NAME.log`, with times.
            capabilities: What it may do to its host's network.
        """
        request = say.Spawn(
            host=host,
            name=name,
            argv=tuple(argv),
            environment=dict(environment or {}),
            directory=str((directory or self.directory).absolute()),
            output=str(output.absolute()) if output else "",
            capabilities=capabilities,
        )
        return self._do(request, int)

    def signal(self, name: str, signal: int) -> None:
        """Send a signal to the main process of a member or an auxiliary process; one that has ended gets none."""
        self._do(say.Signal(name=name, number=int(signal)), type(None))

    def wait(self, name: str, timeout_s: float) -> int | None:
        """The exit code of a program once it has ended; None when it still runs after `timeout_s`."""
        return self._do(say.Wait(name=name, timeout_s=timeout_s), int | None, within_s=timeout_s)  # type: ignore[arg-type]  # a union is no type to mypy

    def run(
        self,
        host: str,
        argv: Sequence[str],
        *,
        timeout_s: float = 60.0,
        environment: Mapping[str, str] | None = None,
        input: bytes = b"",  # noqa: A002 - as in subprocess.run
        capabilities: tuple[Capability, ...] = (),
    ) -> Completed:
        """Run a command on a host to its end, and collect what it says; `capabilities` as for `spawn`.

        Raises:
            LabError: It cannot be started, or did not end in time.
        """
        request = say.Run(
            host=host,
            argv=tuple(argv),
            timeout_s=timeout_s,
            environment=dict(environment or {}),
            directory=str(self.directory.absolute()),
            input=input,
            capabilities=capabilities,
        )
        return self._do(request, Completed, within_s=timeout_s)

    def dial(self, host: str, port: int, timeout_s: float = 1.0) -> socket.socket:
        """A TCP connection to a port of a host, made from inside that host: it works through every partition.

        Raises:
            ConnectionError: Refused, or not answered within `timeout_s`.
        """
        _, line = self._channel.call(say.Dial(host=host, port=port, timeout_s=timeout_s), within_s=timeout_s)
        if line is None:
            raise LabError("the supervisor sent no connection", where=str(self.directory))
        line.settimeout(timeout_s)
        return line

    def set_link(
        self,
        source_site: str,
        target_site: str,
        *,
        delay_s: float = 0.0,
        jitter_s: float = 0.0,
        loss: float = 0.0,
        cut: bool = False,
    ) -> None:
        """Shape the line from one region (or `outside`) to another, in this direction alone."""
        request = say.SetLink(
            source_site=source_site,
            target_site=target_site,
            delay_s=delay_s,
            jitter_s=jitter_s,
            loss=loss,
            cut=cut,
        )
        self._do(request, type(None))

    # -- the lab itself

    def status(self) -> WorldStatus:
        """How every host and member is now."""
        return self._do(say.Status(), WorldStatus)

    def memory_bytes(self) -> int:
        """Memory of all processes of the lab (PSS: shared pages are counted by shares)."""
        return self._do(say.Memory(), int)

    def keep(self) -> None:
        """Let the lab live on when its owner ends, until `down`."""
        self._do(say.Keep(), type(None))

    def down(self) -> None:
        """End the lab: nothing of it runs when this returns. A lab that is down already stays so.

        Raises:
            LabError: It did not end in time.
        """
        if self._is_up():
            with contextlib.suppress(LabError):  # if it does not listen, it is ended the hard way
                self._do(say.Down(), type(None))
            self.close()
            self._await_end()
        self.close()

    def _is_up(self) -> bool:
        """Whether this lab lives: not a later one in the same directory."""
        if not mark.is_held(self.directory):
            return False
        present = mark.record(self.directory)
        return present is None or present.identity == self.record.identity

    def _await_end(self) -> None:
        deadline_s = time.monotonic() + END_LIMIT_S
        killed = False
        while self._is_up():
            left_s = deadline_s - time.monotonic()
            if left_s < END_LIMIT_S / 2 and not killed:
                mark.kill_keeper(self.record)
                killed = True
            if left_s < 0:
                raise LabError("the lab does not end", where=str(self.directory), hint=f"kill -9 {self.record.pid}")
            time.sleep(_POLL_S)

    def __del__(self) -> None:
        """Let go of a lab that nobody speaks to any more."""
        self.close()

    def close(self) -> None:
        """Let go of the lab. If this client made it and nobody said `keep`, the lab ends."""
        self._channel.close()
        owner, self._owner = self._owner, None
        if owner is not None:
            owner.close()
        self._reap()

    def _reap(self) -> None:
        """Take note of the keeper's end, so that it does not stay a zombie of ours."""
        if self._keeper:
            with contextlib.suppress(ChildProcessError):
                if os.waitpid(self._keeper, os.WNOHANG)[0]:
                    self._keeper = 0
