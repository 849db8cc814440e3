"""The part of the platform's port that ends processes and hosts in the ways in which they end in the field."""

from __future__ import annotations

from typing import Literal, Protocol

from msgspec import Struct

SignalName = Literal["SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGUSR1", "SIGKILL"]
SignalAim = Literal["main", "children", "main-first", "leaves-first"]
"""Who gets a signal: the main process alone, all but it, or all of them, parents or children first."""


class HostBoot(Struct, frozen=True, kw_only=True):
    """How often a host was started, whether it is up, and whether it comes back by itself."""

    number: int
    powered: bool
    returning: bool


class SignalDelivery(Struct, frozen=True, kw_only=True):
    """Which processes lived, and so got a signal, when it was sent; in the order in which they got it."""

    signal: SignalName
    pids: tuple[int, ...]


class Endings(Protocol):
    """How a platform lets members meet their end: by the kernel's OOM killer, or by signals, or with their host."""

    def run_out_of_memory(self, member: str, *, command: str = "") -> tuple[int, ...]:
        """Let the kernel's OOM killer strike one process of the member, alone.

        It is the topmost one whose command is `command`; by default the one that the kernel would choose. Returns its
        pid once it is gone.
        """
        ...

    def memory_kills(self, member: str) -> int | None:
        """How often the OOM killer struck in the group in which that was done; None when there is no such group."""
        ...

    def relieve_memory(self, member: str) -> None:
        """Remove the group. One that is not there is no error."""
        ...

    def send_signals(
        self, member: str, signals: tuple[SignalName, ...], *, pause_s: float, to: SignalAim
    ) -> tuple[int, ...]:
        """Send the member's processes one signal after the other, with a pause between two; the pids that got any."""
        ...

    def delivered(self, member: str) -> tuple[SignalDelivery, ...]:
        """What became of each of the signals that were sent last; empty when none ever was."""
        ...

    def end_signals(self, member: str) -> None:
        """Have the member up for good: what still goes down, or may, because of a signal is ended, and started."""
        ...

    def reboot(self, hosts: tuple[str, ...], down_s: float) -> None:
        """Take the hosts' power, as `power_off` does, and give it back `down_s` later, or at `power_on` before that.

        Members are started in the order in which they first were.
        """
        ...

    def boot(self, host: str) -> HostBoot:
        """Of which start a host lives, or will."""
        ...
