"""The client's side of the control socket: a connection for each call under way, kept for the next one."""

from __future__ import annotations

import contextlib
import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bascule.kernel.errors import LabError
from bascule.lab import protocol as say
from bascule.lab.names import CONTROL_SOCKET
from bascule.lab.request import Request

MARGIN_S = 15.0
_READ_BYTES = 65536
_decode = msgspec.json.Decoder(say.Reply).decode


class Channel:
    """Calls the supervisor. Thread-safe: calls of several threads do not wait for each other."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._idle: list[socket.socket] = []
        self._lock = threading.Lock()

    def call(self, request: Request, *, within_s: float = 0.0) -> tuple[msgspec.Raw, socket.socket | None]:
        """Have a request carried out; returns its value, and the socket that came with it.

        Args:
            request: What shall be done.
            within_s: How long the act itself may take; the call gives up `MARGIN_S` later.

        Raises:
            LabError: It was not done; the message says why. Or the lab is not up, or does not answer.
            ConnectionError: What `Dial` reports.
        """
        line = self._line()
        try:
            line.settimeout(within_s + MARGIN_S)
            with contextlib.suppress(BrokenPipeError):  # a supervisor that will not hear us still says why
                line.sendall(say.line(request))
            reply, passed = receive(line)
        except TimeoutError as error:
            line.close()
            raise LabError("the lab's supervisor does not answer", where=str(self._directory), hint=_HINT) from error
        except OSError as error:
            line.close()
            raise self._gone(error) from error
        except BaseException:
            line.close()  # interrupted: the answer still to come belongs to nobody
            raise
        with self._lock:
            self._idle.append(line)
        if reply.failure is not None:
            raise reply.failure.error()
        return reply.value, passed

    def close(self) -> None:
        """Hang up."""
        with self._lock:
            idle, self._idle = self._idle, []
        for line in idle:
            line.close()

    def _line(self) -> socket.socket:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            line.settimeout(MARGIN_S)
            with _short_path(self._directory) as path:
                line.connect(path)
        except OSError as error:
            line.close()
            raise self._gone(error) from error
        return line

    def _gone(self, error: OSError) -> LabError:
        if isinstance(error, PermissionError):
            return LabError("this lab belongs to another user", where=str(self._directory))
        return LabError(f"the lab is not up ({error.strerror or error})", where=str(self._directory), hint=_HINT)


_HINT = "bascule lab down, then up"


@contextlib.contextmanager
def _short_path(directory: Path) -> Iterator[str]:
    """A path to the control socket that fits into a socket address, however deep the directory lies."""
    descriptor = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{descriptor}/{CONTROL_SOCKET}"
    finally:
        os.close(descriptor)


def receive(line: socket.socket) -> tuple[say.Reply, socket.socket | None]:
    """Read one reply, and the socket that came with it.

    Raises:
        ConnectionError: The supervisor hung up.
        TimeoutError: It said nothing in time.
    """
    data = bytearray()
    passed: list[int] = []
    while not data.endswith(b"\n"):
        part, descriptors, _, _ = socket.recv_fds(line, _READ_BYTES, 1, socket.MSG_CMSG_CLOEXEC)
        passed += descriptors
        if not part:
            raise ConnectionResetError("the supervisor hung up")
        data += part
        if len(data) > say.REPLY_LIMIT_BYTES:
            raise ConnectionAbortedError("the supervisor's answer is too long")
    return _decode(data), socket.socket(fileno=passed[0]) if passed else None
