"""The fake clock stands still until it is advanced; the real one never goes back."""

from __future__ import annotations

import pytest

from bascule.kernel.clock import Clock, FakeClock, SystemClock


def test_a_fake_clock_moves_only_when_advanced() -> None:
    clock = FakeClock(now_s=5.0, wall_offset_s=100.0)
    assert (clock.monotonic_s(), clock.wall_s()) == (5.0, 105.0)
    clock.advance(2.5)
    assert (clock.monotonic_s(), clock.wall_s()) == (7.5, 107.5)


def test_a_fake_clock_never_goes_back() -> None:
    with pytest.raises(ValueError, match="never goes back"):
        FakeClock().advance(-0.1)


def test_the_systems_clock_never_goes_back() -> None:
    clock: Clock = SystemClock()
    first = clock.monotonic_s()
    assert clock.monotonic_s() >= first
    assert clock.wall_s() > 0
