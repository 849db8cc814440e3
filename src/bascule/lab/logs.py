"""Copies what a member says into its log, each line with the monotonic time at which it came."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

LINE_LIMIT_BYTES = 8192
_READ_BYTES = 65536
_CUT = b" [line cut]"


class Lines:
    """Cuts a stream of bytes into lines of bounded length, without ever holding more than one of them. Pure."""

    def __init__(self, limit_bytes: int = LINE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._rest = b""
        self._skipping = False

    def feed(self, data: bytes) -> list[bytes]:
        """The lines that are whole now; what goes beyond the limit of a line is left out, and said."""
        *whole, rest = data.split(b"\n")
        found: list[bytes] = []
        for piece in whole:
            if self._skipping:
                self._skipping = False
                continue
            found.append(self._bounded(self._rest + piece))
            self._rest = b""
        if not self._skipping:
            self._rest += rest
            if len(self._rest) > self._limit_bytes:
                found.append(self._bounded(self._rest))
                self._rest, self._skipping = b"", True
        return found

    def end(self) -> list[bytes]:
        """What was said after the last line break."""
        last, self._rest = self._rest, b""
        return [last] if last else []

    def _bounded(self, line: bytes) -> bytes:
        line = line.rstrip(b"\r")
        return line if len(line) <= self._limit_bytes else line[: self._limit_bytes] + _CUT


class LogCopier:
    """Reads one pipe until its last writer is gone. A full disk loses lines, and the log says how many."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, pipe: int, path: Path, ended: Callable[[LogCopier], None]
    ) -> None:
        self._ended = ended
        self._loop = loop
        self._pipe = pipe
        self._log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        self._lines = Lines()
        self._lost = 0
        os.set_blocking(pipe, False)
        loop.add_reader(pipe, self._copy)

    def _copy(self) -> None:
        try:
            data = os.read(self._pipe, _READ_BYTES)
        except BlockingIOError:
            return
        self._write(self._lines.feed(data) if data else self._lines.end())
        if not data:
            self.close()

    def _write(self, lines: list[bytes]) -> None:
        if not lines:
            return
        stamp = f"{time.monotonic():.6f} ".encode()
        if self._lost:
            lines = [f"[{self._lost} lines were lost: the log could not be written]".encode(), *lines]
        data = b"".join(stamp + line + b"\n" for line in lines)
        try:
            os.write(self._log, data)
            self._lost = 0
        except OSError:
            self._lost += len(lines)

    def close(self) -> None:
        """Stop copying."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        os.close(self._log)
        self._ended(self)
