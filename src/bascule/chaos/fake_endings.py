"""How members of a platform for tests end: at once, and counted as a kernel counts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from bascule.chaos.endings import HostBoot, SignalAim, SignalDelivery, SignalName
from bascule.kernel.errors import LabError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeState
    from bascule.chaos.platform import ProcessView


class _Fake(Protocol):
    """What a fake platform has that its endings are made of."""

    def _opened(self) -> AbstractContextManager[FakeState]: ...

    def processes(self, member: str) -> tuple[ProcessView, ...]: ...

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]: ...

    def start(self, member: str) -> None: ...

    def power_off(self, hosts: tuple[str, ...]) -> None: ...

    def power_on(self, hosts: tuple[str, ...]) -> None: ...


class FakeEndings:
    """The endings of a fake platform."""

    def run_out_of_memory(self: _Fake, member: str, *, command: str = "") -> tuple[int, ...]:
        """Kill the main process, or the first of that command, and count it."""
        found = self.processes(member)
        if not found:
            raise LabError(f"{member} is down")
        hit = self.kill(member, command=command or found[0].command)
        with self._opened() as state:
            state.hosts[member].memory_kills = 1
        return hit

    def memory_kills(self: _Fake, member: str) -> int | None:
        """The count."""
        with self._opened() as state:
            return state.hosts[member].memory_kills

    def relieve_memory(self: _Fake, member: str) -> None:
        """Forget it."""
        with self._opened() as state:
            state.hosts[member].memory_kills = None

    def send_signals(
        self: _Fake,
        member: str,
        signals: tuple[SignalName, ...],
        *,
        pause_s: float,  # noqa: ARG002 - here no time passes
        to: SignalAim,
    ) -> tuple[int, ...]:
        """Note who got each; SIGTERM, SIGQUIT and SIGKILL end a process, and the others mean nothing to it."""
        self.processes(member)
        with self._opened() as state:
            host = state.hosts[member]
            host.delivered = []
            for name in signals:
                aimed = [one for one in host.processes if to.endswith("-first") or one.is_main == (to == "main")]
                pids = tuple(one.pid for one in (reversed(aimed) if to == "leaves-first" else aimed))
                host.delivered.append(SignalDelivery(signal=name, pids=pids))
                if name in {"SIGTERM", "SIGQUIT", "SIGKILL"}:
                    host.processes = [one for one in host.processes if one.pid not in pids]
            return tuple(dict.fromkeys(pid for each in host.delivered for pid in each.pids))

    def delivered(self: _Fake, member: str) -> tuple[SignalDelivery, ...]:
        """What was noted."""
        with self._opened() as state:
            return tuple(state.hosts[member].delivered)

    def end_signals(self: _Fake, member: str) -> None:
        """Start it."""
        self.start(member)

    def reboot(self: _Fake, hosts: tuple[str, ...], down_s: float) -> None:  # noqa: ARG002 - see `boot`
        """Take the power of these hosts until they have been looked at."""
        self.power_off(hosts)
        with self._opened() as state:
            for host in hosts:
                state.hosts[host].returning = True

    def boot(self: _Fake, host: str) -> HostBoot:
        """Whose power comes back is seen without it once."""
        with self._opened() as state:
            if host not in state.hosts:
                raise LabError(f"no host is called {host!r}")
            found = state.hosts[host]
            seen = HostBoot(number=found.boots, powered=found.powered, returning=found.returning)
        if seen.returning:
            self.power_on((host,))
        return seen
