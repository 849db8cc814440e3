"""The port through which faults reach a platform: what can be done to its hosts, processes and links.

The lab implements it; Kubernetes and remote hosts can come later behind the same calls. Each call is idempotent,
bounded in time, and returns once the platform has seen its effect itself.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

from bascule.chaos.clocks import Clocks
from bascule.chaos.disk import DiskCounts, DiskTrouble, DiskTry, LostWrites
from bascule.chaos.endings import Endings
from bascule.chaos.naming import Naming
from bascule.chaos.proxying import Proxied
from bascule.chaos.traffic import TrafficCounts, Trouble

ProcessState = Literal["running", "frozen", "exited", "absent"]


class ProcessView(Struct, frozen=True, kw_only=True):
    """One operating-system process as the platform sees it now.

    Attributes:
        pid: Process id, as the platform numbers it.
        command: The kernel's name for it (`postgres`, `patroni`, ...): at most 15 characters.
        state: `frozen` when every thread is stopped.
    """

    pid: int
    command: str
    state: ProcessState


class DescriptorView(Struct, frozen=True, kw_only=True):
    """How many file descriptors one process has open, and how many more it could open."""

    pid: int
    open: int
    free: int


Knock = Literal["connected", "refused", "silent"]
Control = Literal["process", "host", "network", "memory", "disk", "restart", "signals", "proxy", "clock", "names"]
"""What a platform may have in its hands; `restart`: starting what was killed; `signals`: any but kill and stop."""


class Platform(Endings, Proxied, Clocks, Naming, Protocol):
    """What faults need of the place in which a system runs."""

    def refusal(self, control: Control) -> str:
        """Why it has no control of that; empty when it has. A fault that needs it is then skipped, and the why said."""
        ...

    def hosts(self, *, zone: str = "", region: str = "") -> tuple[str, ...]:
        """The hosts of a zone, of a region, or all."""
        ...

    def members(self, host: str) -> tuple[str, ...]:
        """Names of the supervised members (one supervised process tree each) of a host."""
        ...

    def host_of(self, member: str) -> str:
        """The host on which a member runs."""
        ...

    def processes(self, member: str) -> tuple[ProcessView, ...]:
        """Every live process of a member's tree, main process first. Empty when it is down."""
        ...

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """SIGKILL the member's whole tree, or the topmost process of it whose command is `command`, alone.

        A killed member stays down until `start`. Returns the pids that were hit.
        """
        ...

    def freeze(self, member: str) -> tuple[int, ...]:
        """SIGSTOP the member's whole tree. Returns the pids that were hit."""
        ...

    def thaw(self, member: str) -> None:
        """SIGCONT the member's whole tree."""
        ...

    def crash_loop(self, member: str, up_s: float) -> tuple[int, ...]:
        """Kill the member's whole tree and start it, for ever, `up_s` after each start.

        Returns once it died twice: the main processes of both lives.
        """
        ...

    def end_crash_loop(self, member: str) -> None:
        """End the loop, and start the member if it is down."""
        ...

    def slow(self, member: str, share: float) -> tuple[int, ...]:
        """Let the member's whole tree run `share` of the time, in turns of a tenth of a second; the pids so far."""
        ...

    def turns(self, member: str) -> int | None:
        """How often its main process was seen to stop and to go on by what slows it; None when nothing does."""
        ...

    def hasten(self, member: str) -> None:
        """Let it run all the time again."""
        ...

    def descriptors(self, member: str) -> tuple[DescriptorView, ...]:
        """The file descriptors of every process of the member, main process first. Empty when it is down."""
        ...

    def limit_descriptors(self, member: str, spare: int) -> tuple[int, ...]:
        """Leave every process of the member `spare` descriptors beside those that it has open; the pids."""
        ...

    def free_descriptors(self, member: str) -> None:
        """Give every process of the member the limit that it had, also those that were born meanwhile."""
        ...

    def start(self, member: str) -> None:
        """Start the member again if it is down."""
        ...

    def power_off(self, hosts: tuple[str, ...]) -> None:
        """Cut the hosts' wires, then SIGKILL everything on them. Nobody gets a farewell packet."""
        ...

    def power_on(self, hosts: tuple[str, ...]) -> None:
        """Plug the wires in again and start the hosts' members."""
        ...

    def partition(self, hosts: tuple[str, ...]) -> None:
        """Cut every path between these hosts and all others: packets are dropped. Inside each side all still flows."""
        ...

    def heal(self) -> None:
        """Undo every partition."""
        ...

    def address_of(self, host: str) -> str:
        """The address by which the others know the host."""
        ...

    def add_trouble(self, host: str, trouble: Trouble) -> None:
        """Let frames on the host's wire meet trouble from now on. One that is there already stays as it is."""
        ...

    def remove_trouble(self, host: str, trouble: Trouble) -> None:
        """Take a trouble away. One that is not there is no error."""
        ...

    def traffic(self, host: str, trouble: Trouble) -> TrafficCounts | None:
        """What a trouble did so far; None when it is not there."""
        ...

    def travel(
        self, source: str, target: str, *, count: int, limit_s: float, port: int = 0
    ) -> tuple[float | None, ...]:
        """Seconds that each of `count` datagrams takes from one host to another; None: not there within `limit_s`.

        They are sent from this port, so that a trouble of that port meets them; none arrives where it is taken.
        """
        ...

    def knock(self, source: str, target: str, port: int, *, limit_s: float) -> Knock:
        """What becomes of a TCP connection from one host to a port of another."""
        ...

    def reachable(self, source: str, target: str) -> bool:
        """Whether a datagram sent now from one host arrives at the other within 100 ms plus the link's delay."""
        ...

    def add_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Let the host's disk have a trouble from now on. One that is there already stays as it is."""
        ...

    def remove_disk_trouble(self, host: str, trouble: DiskTrouble) -> None:
        """Take a trouble away. One that is not there is no error."""
        ...

    def disk_counts(self, host: str, trouble: DiskTrouble) -> DiskCounts | None:
        """What a trouble did so far; None when it is not there."""
        ...

    def try_disk(self, host: str) -> DiskTry:
        """What becomes of a small file that is made, written, synced and removed on the host's disk now."""
        ...

    def lose_writes(self, hosts: tuple[str, ...]) -> None:
        """Power off, and the hosts' disks lose every byte that no fsync had asked for. `power_on` starts them again."""
        ...

    def writes_lost(self, host: str) -> LostWrites | None:
        """What the disk of a host lost with its power; None when it has power, or lost its power alone."""
        ...

    def exhaust_ports(self, host: str) -> None:
        """Leave the host no local port for a further outgoing TCP connection."""
        ...

    def free_ports(self, host: str) -> None:
        """Give the host its local ports back."""
        ...

    def finds_port(self, host: str) -> bool:
        """Whether an outgoing TCP connection from the host finds a local port now."""
        ...
