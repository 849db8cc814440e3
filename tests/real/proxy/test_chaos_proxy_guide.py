"""What docs/proxy.md shows is run as it stands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.real.proxy.proxy_rig import Echo, Rig, dial, raw, round_trip_s

pytestmark = pytest.mark.real
GUIDE = (Path(__file__).parents[3] / "docs" / "proxy.md").read_text(encoding="utf-8")


def test_the_guides_function_makes_answers_late(rig: Rig, echo: Echo) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", GUIDE, re.DOTALL)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the guide is ours
    slow_redis = names["slow_redis"]
    assert callable(slow_redis)
    listen = slow_redis(rig.path, echo.address)
    status = rig.client.status("redis")
    assert status.listen == listen
    with dial(status) as line:
        assert round_trip_s(line) >= 0.15


def test_the_guides_lines_are_understood(rig: Rig) -> None:
    rig.client.create("web", "127.0.0.1:1", protocol="http")
    lines = re.findall(r"^    (\{.*\})$", GUIDE, re.MULTILINE)
    assert len(lines) == 4
    for text in lines:
        assert raw(rig, text.encode() + b"\n")["failure"] is None
    web, redis = rig.client.status("web"), rig.client.status("redis")
    assert (len(web.faults), len(redis.toxics), redis.enabled) == (1, 1, False)
