"""The port through which faults reach a platform: what can be done to its hosts, processes and links.

The lab implements it; Kubernetes and remote hosts can come later behind the same calls. Each call is idempotent,
bounded in time, and returns once the platform has seen its effect itself.
"""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

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


class Platform(Protocol):
    """What faults need of the place in which a system runs."""

    def capabilities(self) -> frozenset[str]:
        """Which of `process`, `host`, `network` faults it can do; a fault that needs more is skipped and said."""
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

    def reachable(self, source: str, target: str) -> bool:
        """Whether a datagram sent now from one host arrives at the other within 100 ms plus the link's delay."""
        ...
