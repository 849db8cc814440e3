"""How members of a platform for tests end: at once, and counted as a kernel counts."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from bascule.kernel.errors import LabError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeState
    from bascule.chaos.platform import ProcessView


class _Fake(Protocol):
    """What a fake platform has that its endings are made of."""

    def _opened(self) -> AbstractContextManager[FakeState]: ...

    def processes(self, member: str) -> tuple[ProcessView, ...]: ...

    def kill(self, member: str, *, command: str = "") -> tuple[int, ...]: ...


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
