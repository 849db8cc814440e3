"""The control socket of a proxy process. Only its own user and root may connect to it."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import msgspec

from bascule.chaos.proxy import protocol as say
from bascule.kernel.errors import BasculeError, InputError, MachineError

MOST_CONVERSATIONS = 32
SILENCE_LIMIT_S = 60.0
Carry = Callable[[say.Requests], tuple[say.ProxyStatus, ...]]


class Control:
    """Answers requests, one line each, in the order in which they come.

    Args:
        path: Where the socket is.
        carry_out: Does what is asked; a `BasculeError` of it goes to who asked.
    """

    def __init__(self, path: Path, carry_out: Carry) -> None:
        self._path = path
        self._carry_out = carry_out
        self._decoder = msgspec.json.Decoder(say.Requests)
        self._server: asyncio.Server | None = None
        self._lock = -1
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen; the socket of a process that died is replaced.

        Raises:
            MachineError: The path cannot be had, or another proxy process answers there.
        """
        try:
            self._take_the_place()
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(
                    self._serve, path=str(self._path), limit=say.LINE_LIMIT_BYTES
                )
            finally:
                os.umask(before)
        except OSError as error:
            why = error.strerror or str(error)
            raise MachineError(f"the control socket cannot be made: {why}", where=str(self._path)) from error

    def _take_the_place(self) -> None:
        self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(self._lock)
            raise MachineError(
                "another proxy process runs here", where=str(self._path), hint="stop it, or take another path"
            ) from None
        if self._path.is_socket():
            self._path.unlink()

    async def close(self) -> None:
        """Hang up, and leave no socket behind."""
        if self._server is not None:
            self._server.close()
            for task in tuple(self._serving):
                task.cancel()
            await asyncio.gather(*self._serving, return_exceptions=True)
            self._leave_the_place()

    def _leave_the_place(self) -> None:
        """Only the file that is locked stays: without it two processes could each lock one of that name."""
        self._path.unlink(missing_ok=True)
        os.close(self._lock)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._serving) >= MOST_CONVERSATIONS:
            writer.transport.abort()
            return
        self._serving.add(task)
        try:
            await self._converse(reader, writer)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()  # who asked is gone, or this process ends
        finally:
            self._serving.discard(task)
            writer.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                text = await asyncio.wait_for(reader.readline(), SILENCE_LIMIT_S)
            except ValueError:  # longer than the limit: where the next line begins is not known
                problem = InputError(f"a request is longer than {say.LINE_LIMIT_BYTES} bytes")
                writer.write(say.line(say.Reply(failure=say.Failure.of(problem))))
                await writer.drain()
                return
            if not text.endswith(b"\n"):
                return
            writer.write(say.line(self._answer(text)))
            await writer.drain()

    def _answer(self, text: bytes) -> say.Reply:
        try:
            return say.Reply(proxies=self._carry_out(self._decoder.decode(text)))
        except msgspec.MsgspecError as error:
            return say.Reply(failure=say.Failure.of(InputError(f"not a request: {error}")))
        except BasculeError as error:
            return say.Reply(failure=say.Failure.of(error))
