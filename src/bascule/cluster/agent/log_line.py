"""A line of an agent's log, or of its guardian's: one JSON object."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import os
import queue
import threading
import time
from collections.abc import Mapping

MOST_WAITING = 10_000
LAST_WORDS_S = 1.0


def line(level: str, told: Mapping[str, object], wall_s: float) -> str:
    """The line, with the wall clock's time in UTC and the level before what is told."""
    at = dt.datetime.fromtimestamp(wall_s, tz=dt.UTC).isoformat(timespec="microseconds")
    return json.dumps({"time": at, "level": level, **told}, ensure_ascii=False)


class Writer:
    """Writes lines by a thread of its own: whoever reads them may hang, and must not hold up a lease.

    Lines beyond `MOST_WAITING` that wait are dropped and counted.

    Args:
        descriptor: Where to. A copy of it is written to, so that the number may be closed and given to another file
            while a line still waits.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = os.dup(descriptor)
        self._waiting: queue.Queue[str | None] = queue.Queue(MOST_WAITING)
        self._closed = False
        self.dropped = 0
        self._thread = threading.Thread(target=self._run, name="log", daemon=True)
        self._thread.start()

    def write(self, text: str) -> None:
        """Have a line written; never waits."""
        try:
            self._waiting.put_nowait(text)
        except queue.Full:
            self.dropped += 1

    def close(self) -> None:
        """Wait a second at most until everything is written; what then still waits is dropped."""
        until = time.monotonic() + LAST_WORDS_S
        with contextlib.suppress(queue.Full):  # nobody reads: there are no last words
            self._waiting.put(None, timeout=LAST_WORDS_S)
            self._thread.join(max(0.0, until - time.monotonic()))
        self._closed = True

    def _run(self) -> None:
        while (text := self._waiting.get()) is not None and not self._closed:
            data = text.encode() + b"\n"
            with contextlib.suppress(OSError):  # nobody reads it any more
                while data:
                    data = data[os.write(self._descriptor, data) :]
        os.close(self._descriptor)
