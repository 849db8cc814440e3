"""The clocks of a platform for tests: a step is there at once, and a drift after one look."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

from bascule.chaos.clocks import ClockView
from bascule.kernel.errors import LabError

if TYPE_CHECKING:
    from bascule.chaos.fake_platform import FakeState


class _Fake(Protocol):
    """What a fake platform has that its clocks are made of."""

    def _opened(self) -> AbstractContextManager[FakeState]: ...


class FakeClocks:
    """The clocks of a fake platform."""

    def turn_clock(self: _Fake, member: str, *, step_s: float, rate: float) -> None:
        """Remember it."""
        with self._opened() as state:
            _known(state, member)
            state.hosts[member].clock = (step_s, rate)

    def right_clock(self: _Fake, member: str) -> None:
        """Forget it."""
        with self._opened() as state:
            _known(state, member)
            state.hosts[member].clock = None

    def clock(self: _Fake, member: str) -> ClockView:
        """What was remembered; of a drift, what it makes in a second."""
        with self._opened() as state:
            _known(state, member)
            host = state.hosts[member]
            step_s, rate = host.clock or (0.0, 0.0)
            count = len(host.processes)
            return ClockView(
                turned=host.clock is not None,
                off_s=step_s + rate,
                processes=count,
                reached=count,
                main_reached=any(one.is_main for one in host.processes),
            )


def _known(state: FakeState, member: str) -> None:
    if member not in state.hosts or not state.hosts[member].commands:
        raise LabError(f"no member is called {member!r}")
