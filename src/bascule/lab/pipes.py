"""Collects what a command says, up to a limit, while it runs."""

from __future__ import annotations

import asyncio
import os

_READ_BYTES = 65536
_DRAIN_LIMIT_S = 0.5


class Collector:
    """A pipe whose writing end goes to a command, and everything that came out of it. What exceeds the limit is left out."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._reading, self.writing = os.pipe()
        self._data = bytearray()
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._reading, False)
        self._loop.add_reader(self._reading, self._read)

    def started(self) -> None:
        """The command has its end now: close ours."""
        os.close(self.writing)

    def _read(self) -> None:
        data = os.read(self._reading, _READ_BYTES)
        if not data:
            self._loop.remove_reader(self._reading)
            self._ended.set()
        elif len(self._data) < self._limit_bytes:
            self._data += data[: self._limit_bytes - len(self._data)]

    async def all(self) -> bytes:
        """Everything that was said; a daemon that still holds the pipe is not waited for."""
        try:
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                await self._ended.wait()
        except TimeoutError:
            pass
        return bytes(self._data)

    def close(self) -> None:
        """Let go of the pipe."""
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
