"""A line of an agent's log, or of its guardian's: one JSON object."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping


def line(level: str, told: Mapping[str, object], wall_s: float) -> str:
    """The line, with the wall clock's time in UTC and the level before what is told."""
    time = dt.datetime.fromtimestamp(wall_s, tz=dt.UTC).isoformat(timespec="microseconds")
    return json.dumps({"time": time, "level": level, **told}, ensure_ascii=False)
