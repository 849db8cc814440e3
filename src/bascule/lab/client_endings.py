"""The client's calls about how members end."""

from __future__ import annotations

from typing import Protocol, TypeVar

from bascule.chaos.endings import HostBoot, SignalAim, SignalDelivery, SignalName
from bascule.lab import ending_requests as end
from bascule.lab.request import Request

T = TypeVar("T")
STRIKE_LIMIT_S = 10.0


class _Caller(Protocol):
    """What can ask a lab's supervisor."""

    def _do(self, request: Request, kind: type[T], *, within_s: float = 0.0) -> T: ...


class EndingsClient:
    """How members of a lab end, asked of its supervisor."""

    def memory_refusal(self: _Caller) -> str:
        """Why no control group of memory can be made here; empty when it can."""
        return self._do(end.RefuseMemory(), str)

    def run_out_of_memory(self: _Caller, member: str, *, command: str = "") -> tuple[int, ...]:
        """Let the kernel's OOM killer strike one process of a member; returns its pid once it is gone.

        Raises:
            LabError: No memory group can be made, or the OOM killer did not strike.
        """
        request = end.RunOutOfMemory(member=member, command=command)
        return self._do(request, tuple[int, ...], within_s=STRIKE_LIMIT_S)

    def memory_kills(self: _Caller, member: str) -> int | None:
        """How often it struck in the group made for that, as the kernel counts; None when there is no such group."""
        return self._do(end.MemoryKills(member=member), int | None)  # type: ignore[arg-type]  # a union is a type to msgspec

    def relieve_memory(self: _Caller, member: str) -> None:
        """Remove the group; what is in it goes back to where it came from."""
        self._do(end.RelieveMemory(member=member), type(None))

    def send_signals(
        self: _Caller, member: str, signals: tuple[SignalName, ...], *, pause_s: float, to: SignalAim
    ) -> tuple[int, ...]:
        """Send a member's processes one signal after the other; the pids that got any."""
        request = end.SendSignals(member=member, signals=tuple(signals), pause_s=pause_s, to=to)
        return self._do(request, tuple[int, ...], within_s=len(signals) * pause_s)

    def delivered(self: _Caller, member: str) -> tuple[SignalDelivery, ...]:
        """What became of each of the signals that were sent last."""
        return self._do(end.Delivered(member=member), tuple[SignalDelivery, ...])

    def end_signals(self: _Caller, member: str) -> None:
        """Have the member up for good: what still goes down because of a signal is ended, and started."""
        self._do(end.EndSignals(member=member), type(None))

    def reboot(self: _Caller, hosts: tuple[str, ...], down_s: float) -> None:
        """Take the hosts' power, and give it back `down_s` later, or at `power_on` if that is sooner."""
        self._do(end.Reboot(hosts=tuple(hosts), down_s=down_s), type(None))

    def boot(self: _Caller, host: str) -> HostBoot:
        """How often a host was started, whether it is up, and whether it comes back by itself."""
        return self._do(end.Boot(host=host), HostBoot)
