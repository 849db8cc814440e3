"""Hears every fact of a drill: keeps the last few for the live view, and all of them in `facts.jsonl`."""

from __future__ import annotations

import threading
from collections import deque
from pathlib import Path

import msgspec

from bascule.drill.facts import tell
from bascule.drill.live import LiveEvent
from bascule.kernel.facts import Fact

KEPT = 6


class Chronicle:
    """A listener of the drill's bus. Facts may come from several threads.

    Args:
        path: One JSON object a line: `fact`, its fields, and `told`, the fact in words.
        started_s: Zero of the live view's clock, on the monotonic clock.
    """

    def __init__(self, path: Path, started_s: float) -> None:
        self._path = path
        self._started_s = started_s
        self._last: deque[LiveEvent] = deque(maxlen=KEPT)
        self._lock = threading.Lock()

    def hear(self, fact: Fact) -> None:
        """Keep a fact.

        Raises:
            OSError: The file cannot be written; the bus tells the others.
        """
        told = tell(fact)
        line = msgspec.json.encode({"fact": type(fact).__name__, **msgspec.to_builtins(fact), "told": told})
        with self._lock:
            self._last.append(LiveEvent(at_s=fact.at_s - self._started_s, text=told))
            with self._path.open("ab") as stream:
                stream.write(line + b"\n")

    def last(self) -> tuple[LiveEvent, ...]:
        """The latest few, oldest first."""
        with self._lock:
            return tuple(self._last)
