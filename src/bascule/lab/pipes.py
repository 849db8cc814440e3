"""Collects what a command says, up to a limit, while it runs."""

from __future__ import annotations

import asyncio
import contextlib
import os
from typing import Self

_READ_BYTES = 65536
_DRAIN_LIMIT_S = 0.5


class Collector:
    """A pipe whose writing end goes to a command, and what came out of it; beyond the limit it is left out."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._reading, self.writing = os.pipe()
        self._data = bytearray()
        self._ended = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        os.set_blocking(self._reading, False)
        self._loop.add_reader(self._reading, self._read)

    def release(self) -> None:
        """Close our own writing end, once the command has it: the pipe then ends with the command."""
        writing, self.writing = self.writing, -1
        if writing >= 0:
            os.close(writing)

    def _read(self) -> None:
        data = os.read(self._reading, _READ_BYTES)
        if not data:
            self._loop.remove_reader(self._reading)
            self._ended.set()
        elif len(self._data) < self._limit_bytes:
            self._data += data[: self._limit_bytes - len(self._data)]

    async def all(self) -> bytes:
        """Everything that was said; a daemon that still holds the pipe is not waited for."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_LIMIT_S):
                await self._ended.wait()
        return bytes(self._data)

    def __enter__(self) -> Self:
        """For a `with` block."""
        return self

    def __exit__(self, *_: object) -> None:
        """Let go of both ends."""
        self.release()
        self._loop.remove_reader(self._reading)
        os.close(self._reading)
