"""A trial's two clocks: other tools place it by the wall's, the drill by the monotonic one."""

from __future__ import annotations

import time
from types import SimpleNamespace
from typing import cast

import pytest

from bascule.drill import trial
from bascule.drill.course import Course


def test_a_trials_start_is_one_moment_on_both_clocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "monotonic", lambda: 50.0)
    monkeypatch.setattr(time, "time", lambda: 1_795_000_000.0)
    course = cast("Course", SimpleNamespace(moments=SimpleNamespace(started_s=1.0), started_wall_s=2.0))
    trial._observe(course)
    assert (course.moments.started_s - 50.0) == pytest.approx(course.started_wall_s - 1_795_000_000.0)
