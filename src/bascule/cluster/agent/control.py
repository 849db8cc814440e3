"""The agent's control socket: one JSON line asks, one answers. Only the agent's own user and root may connect."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pwd
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from bascule.kernel.errors import BasculeError, ClusterError, InputError, MachineError

LINE_LIMIT_BYTES = 64 * 1024
REPLY_LIMIT_BYTES = 16 << 20
ANSWER_LIMIT_S = 60.0
"""How long the agent works at one order."""
ORDER_WAIT_S = ANSWER_LIMIT_S + 5
STATUS_WAIT_S = 3.0
"""What an agent knows, it says at once: one that takes longer is frozen or starved."""
MOST_CONNECTIONS = 32
_CREDENTIALS = struct.Struct("3i")

Word = Annotated[str, Meta(max_length=400)]


class Request(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an operator asks an agent.

    Attributes:
        group: `switchover`: which group.
        to: `switchover`: to whom; empty: to the best.
        peer: `fence`: whom.
        confirmed: `fence`: the operator knows that the peer is off; nothing is done to it.
        by: Who asks, for people.
    """

    do: Literal["status", "switchover", "pause", "resume", "fence", "reload"]
    group: Word = ""
    to: Word = ""
    peer: Word = ""
    confirmed: bool = False
    by: Word = ""


class Reply(Struct, frozen=True, kw_only=True):
    """The answer: a value, or what was wrong."""

    value: msgspec.Raw = msgspec.Raw(b"null")
    error: str = ""
    hint: str = ""


Answer = Callable[[Request], Awaitable[object]]


class Control:
    """The agent's end of the socket.

    Args:
        path: Where it is; its folder is made, for the owner alone, if it is missing.
        answer: Answers a request; a `BasculeError` that it raises goes to the operator.
    """

    def __init__(self, path: Path, answer: Answer) -> None:
        self._path = path
        self._answer = answer
        self._server: asyncio.Server | None = None
        self._lock: int | None = None
        self._serving: set[asyncio.Task[None]] = set()

    async def start(self) -> None:
        """Listen.

        Raises:
            MachineError: The path cannot be had; or another agent answers there.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._take_the_place()
            before = os.umask(0o177)
            try:
                self._server = await asyncio.start_unix_server(
                    self._serve, path=str(self._path), limit=LINE_LIMIT_BYTES
                )
            finally:
                os.umask(before)
        except OSError as error:
            why = error.strerror or str(error)
            raise MachineError(f"the control socket cannot be made: {why}", where=str(self._path)) from error

    def _take_the_place(self) -> None:
        """Lock the place for as long as this process lives, and remove the socket of one that died."""
        self._lock = os.open(f"{self._path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self._let_go()
            hint = "stop it, or give this one another control"
            raise MachineError("another agent runs here", where=str(self._path), hint=hint) from None
        if self._path.is_socket():
            self._path.unlink()

    def _let_go(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is None or len(self._serving) >= MOST_CONNECTIONS:
            writer.transport.abort()
            return
        self._serving.add(task)
        try:
            if _may_ask(writer.get_extra_info("socket")):
                async with asyncio.timeout(ANSWER_LIMIT_S):
                    line = await reader.readline()
                if line:
                    reply = await self._reply(line)
                    async with asyncio.timeout(ANSWER_LIMIT_S):
                        writer.write(msgspec.json.encode(reply) + b"\n")
                        await writer.drain()
            writer.close()
            await writer.wait_closed()
        except (OSError, TimeoutError, ValueError):
            return  # whoever asked is gone, or sent no line
        finally:
            self._serving.discard(task)
            writer.transport.abort()

    async def _reply(self, line: bytes) -> Reply:
        try:
            async with asyncio.timeout(ANSWER_LIMIT_S):
                value = await self._answer(msgspec.json.decode(line, type=Request))
        except msgspec.DecodeError as error:
            return Reply(error=f"that is no request: {error}")
        except BasculeError as error:
            return Reply(error=error.what, hint=error.hint)
        except TimeoutError:
            return Reply(error="it took too long, and may be done all the same", hint="bascule cluster status")
        except OSError as error:
            return Reply(error=f"it was not done: {error.strerror or error}")
        return Reply(value=msgspec.Raw(msgspec.json.encode(value)))

    async def close(self) -> None:
        """Listen no more, and remove the socket."""
        if self._server is not None:
            self._server.close()
            self._path.unlink(missing_ok=True)
            await asyncio.sleep(0)  # a connection that was just accepted is only now being served
            tasks = tuple(self._serving)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self._let_go()


def _may_ask(connection: socket.socket) -> bool:
    """The kernel says who is at the other end: only root and our own user are heard."""
    return _peer(connection)[1] in {0, os.geteuid()}


def _peer(connection: socket.socket) -> tuple[int, int]:
    """The process at the other end and its user; 0 for a process that is not to be seen from here."""
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    pid, uid, _ = _CREDENTIALS.unpack(data)
    return pid, uid


def ask(path: Path, request: Request, timeout_s: float | None = None) -> msgspec.Raw:
    """Ask the agent whose control socket this is; returns its answer as JSON.

    Args:
        path: The socket.
        request: What is asked.
        timeout_s: How long to wait; by default what the request may take.

    Raises:
        ClusterError: The agent refused, or is not there, or does not answer.
        InputError: The socket may not be opened.
    """
    if timeout_s is None:
        timeout_s = STATUS_WAIT_S if request.do == "status" else ORDER_WAIT_S
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(timeout_s)
            line = _line(connection, path, request, timeout_s)
    except PermissionError as error:
        hint = f"ask as its owner: sudo -u {_owner(path)} bascule cluster {request.do}"
        raise InputError("this agent's control socket is closed to you", where=str(path), hint=hint) from error
    except (FileNotFoundError, ConnectionRefusedError) as error:
        hint = "bascule agent run agent.toml, or systemctl status bascule-agent"
        raise ClusterError("no agent runs here", where=str(path), hint=hint) from error
    except OSError as error:
        raise ClusterError(f"the agent does not answer: {error}", where=str(path)) from error
    if not line.endswith(b"\n"):
        raise ClusterError("the agent did not answer", where=str(path))
    reply = msgspec.json.decode(line, type=Reply)
    if reply.error:
        raise ClusterError(reply.error, hint=reply.hint)
    return reply.value


def _line(connection: socket.socket, path: Path, request: Request, timeout_s: float) -> bytes:
    """What the agent answers.

    Raises:
        ClusterError: Nothing in time; the kernel took the connection, or has no room for one more, so it is there.
    """
    try:
        connection.connect(str(path))
        connection.sendall(msgspec.json.encode(request) + b"\n")
        with connection.makefile("rb") as stream:
            return stream.readline(REPLY_LIMIT_BYTES)
    except (TimeoutError, BlockingIOError) as error:
        pid = _peer(connection)[0] or "PID"
        late = "" if request.do == "status" else "; what was ordered may be done all the same"
        raise ClusterError(
            f"the agent is there and does not answer for {timeout_s:g} s: is it frozen or starved?{late}",
            where=str(path),
            hint=f"ps -o stat,wchan -p {pid}; or ask another node's agent",
        ) from error


def _owner(path: Path) -> str:
    """Whose socket it is, as `sudo -u` takes it; where its folder hides it, whose folder that is."""
    for place in (path, path.parent):
        try:
            uid = place.stat().st_uid
        except OSError:
            continue
        try:
            return pwd.getpwuid(uid).pw_name
        except KeyError:
            return f"'#{uid}'"
    return "USER"
