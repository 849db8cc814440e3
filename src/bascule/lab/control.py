"""The supervisor's control socket: checks who calls, reads one JSON line at a time, answers each with one."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import struct
from collections.abc import Awaitable, Callable

import msgspec

from bascule.kernel.errors import BasculeError, LabError
from bascule.lab import protocol as say
from bascule.lab.names import CONTROL_SOCKET

Act = Callable[[say.Requests], Awaitable[object]]
_READ_BYTES = 65536
_log = logging.getLogger(__name__)


class _HungUpError(Exception):
    """The caller left while it was waited for."""


class Connection:
    """One caller. Its requests are carried out one after the other; callers do not wait for each other."""

    def __init__(self, line: socket.socket, act: Act, after_down: Callable[[], None]) -> None:
        self._line = line
        self._act = act
        self._after_down = after_down
        self._decode = msgspec.json.Decoder(say.Requests).decode
        self._buffer = bytearray()
        line.settimeout(0)

    async def serve(self) -> None:
        """Answer until the caller hangs up or breaks the rules."""
        with self._line:
            while (text := await self._next_line()) is not None:
                await self._answer(text)

    async def refuse(self, error: BasculeError) -> None:
        """Tell the caller why it is not heard."""
        await self._reply(say.Reply(failure=say.Failure.of(error)))

    async def _next_line(self) -> bytes | None:
        loop = asyncio.get_running_loop()
        searched = 0
        while (end := self._buffer.find(b"\n", searched)) < 0:
            searched = len(self._buffer)
            if searched > say.REQUEST_LIMIT_BYTES:
                await self._reply(say.Reply(failure=say.Failure(kind="LabError", what="the request is too long")))
                return None
            try:
                data = await loop.sock_recv(self._line, _READ_BYTES)
            except ConnectionError:
                return None
            if not data:
                return None
            self._buffer += data
        text = bytes(self._buffer[:end])
        del self._buffer[: end + 1]
        return text

    async def _answer(self, text: bytes) -> None:
        try:
            request = self._decode(text)
            value = await self._carry_out(request)
        except (BasculeError, OSError, msgspec.DecodeError) as error:
            await self._reply(say.Reply(failure=say.Failure.of(error)))
            return
        except _HungUpError:
            _log.info("a caller hung up: what it waited for was stopped")
            return
        except Exception as error:  # noqa: BLE001 - one caller's bad luck must not end the lab
            _log.exception("a request failed")  # without its text: an environment in it may hold passwords
            await self._reply(say.Reply(failure=say.Failure.of(error)))
            return
        if isinstance(value, socket.socket):
            with value:
                await self._reply(say.Reply(), value)
            return
        await self._reply(say.Reply(value=msgspec.Raw(msgspec.json.encode(value))))
        if isinstance(request, say.Down):
            self._after_down()

    async def _carry_out(self, request: say.Requests) -> object:
        """Act. What only the caller wants (a command's run, a wait) is stopped when the caller hangs up."""
        if not isinstance(request, say.Run | say.Wait):
            return await self._act(request)
        loop = asyncio.get_running_loop()
        act = asyncio.ensure_future(self._act(request))

        hung_up = False

        def heard() -> None:
            nonlocal hung_up
            loop.remove_reader(self._line)
            with contextlib.suppress(BlockingIOError, ConnectionError):
                hung_up = not self._line.recv(1, socket.MSG_PEEK)
            if hung_up:
                act.cancel()

        loop.add_reader(self._line, heard)
        try:
            return await act
        except asyncio.CancelledError:
            if hung_up:
                raise _HungUpError from None
            raise  # the lab ends, and with it every call that is under way
        finally:
            loop.remove_reader(self._line)

    async def _reply(self, reply: say.Reply, passed: socket.socket | None = None) -> None:
        data = say.line(reply)
        try:
            if passed is not None:
                sent = socket.send_fds(self._line, [data], [passed.fileno()])
                data = data[sent:]
            await asyncio.get_running_loop().sock_sendall(self._line, data)
        except (ConnectionError, BlockingIOError):
            _log.info("a caller hung up before it was answered")


class Control:
    """Listens for callers. Only the user who owns the lab is heard."""

    def __init__(self, act: Act, after_down: Callable[[], None]) -> None:
        self._act = act
        self._after_down = after_down
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self) -> socket.socket:
        """Open the control socket in the current directory (a relative path is never too long for the kernel)."""
        listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        listener.bind(CONTROL_SOCKET)
        os.chmod(CONTROL_SOCKET, 0o600)  # noqa: PTH101 - relative to the directory in which we stand
        listener.listen(64)
        listener.settimeout(0)
        return listener

    async def accept(self, listener: socket.socket) -> None:
        """Serve every caller, for ever."""
        loop = asyncio.get_running_loop()
        while True:
            line, _ = await loop.sock_accept(listener)
            self._follow(self._greet(line))

    def _follow(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _greet(self, line: socket.socket) -> None:
        credentials = line.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
        uid = struct.unpack("3i", credentials)[1]
        connection = Connection(line, self._act, self._after_down)
        if uid != os.getuid():
            refusal = LabError("this lab belongs to another user", hint="call as the user who made it")
            with line:
                await connection.refuse(refusal)
            return
        await connection.serve()
