"""HTTP over a connection that somebody else opened: one request, one answer, bounded in time and size."""

from __future__ import annotations

import http.client
import io
import socket
import time
from typing import Any

from msgspec import Struct

from bascule.engines.protocols import Dial

ANSWER_LIMIT_BYTES = 1 << 20


class Answer(Struct, frozen=True, kw_only=True):
    """What came back: the status, and the body as far as the size limit let it through."""

    status: int
    body: bytes


class NoAnswerError(Exception):
    """The member did not answer as HTTP within the time; never leaves the engines."""


class _Reading(io.RawIOBase):
    """What a socket still says until a deadline: however slowly it drips, no read outlasts it."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s

    def readable(self) -> bool:
        """It can be read."""
        return True

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 - whatever can be written into
        """The next bytes, 0 at the end.

        Raises:
            TimeoutError: The deadline has passed.
        """
        self._sock.settimeout(_left_s(self._deadline_s))
        return self._sock.recv_into(buffer)


class _Bounded:
    """A socket as `http.client` uses it, every call of which ends by the deadline."""

    def __init__(self, sock: socket.socket, deadline_s: float) -> None:
        self._sock = sock
        self._deadline_s = deadline_s

    def sendall(self, data: bytes) -> None:
        """Send all of it."""
        self._sock.settimeout(_left_s(self._deadline_s))
        self._sock.sendall(data)

    def makefile(self, _mode: str) -> io.BufferedReader:
        """What is read of the answer."""
        return io.BufferedReader(_Reading(self._sock, self._deadline_s))


class _Preset(http.client.HTTPConnection):
    """A connection whose socket is there already."""

    def __init__(self, sock: _Bounded) -> None:
        super().__init__("member")
        self.sock: Any = sock

    def connect(self) -> None:
        """Refuse to open another one."""
        message = "the member closed the connection"
        raise ConnectionError(message)

    def close(self) -> None:
        """Leave the socket to its owner."""


def ask(
    dial: Dial, port: int, path: str, *, timeout_s: float, method: str = "GET", body: bytes | None = None
) -> Answer:
    """Send one request and read the whole answer.

    Args:
        dial: Opens the connection.
        port: The member's port.
        path: With its query.
        timeout_s: For everything together, the dial excepted: `dial` has a limit of its own.
        method: The HTTP method.
        body: JSON, if any.

    Raises:
        NoAnswerError: Refused, cut, too late, or not HTTP.
    """
    deadline_s = time.monotonic() + timeout_s
    try:
        sock = dial(port)
    except OSError as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error
    try:
        return _converse(sock, deadline_s, (method, path, body))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise NoAnswerError(str(error) or type(error).__name__) from error
    finally:
        sock.close()


def _converse(sock: socket.socket, deadline_s: float, request: tuple[str, str, bytes | None]) -> Answer:
    method, path, body = request
    connection = _Preset(_Bounded(sock, deadline_s))
    headers = {"Connection": "close", **({"Content-Type": "application/json"} if body else {})}
    connection.request(method, path, body=body, headers=headers)
    with connection.getresponse() as response:
        chunks: list[bytes] = []
        size_bytes = 0
        while size_bytes < ANSWER_LIMIT_BYTES:
            chunk = response.read1(65536)
            if not chunk:
                break
            chunks.append(chunk)
            size_bytes += len(chunk)
        return Answer(status=response.status, body=b"".join(chunks))


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError("no answer in time")
    return left_s
