"""HTTP over a connection that somebody else opened: one request, one answer, bounded in time and size."""

from __future__ import annotations

import http.client
import socket
import time

from msgspec import Struct

from bascule.engines.protocols import Dial

ANSWER_LIMIT_BYTES = 1 << 20


class Answer(Struct, frozen=True, kw_only=True):
    """What came back: the status, and the body as far as the size limit let it through."""

    status: int
    body: bytes


class NoAnswerError(Exception):
    """The member did not answer as HTTP within the time; never leaves the engines."""


class _Preset(http.client.HTTPConnection):
    """A connection whose socket is there already."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__("member")
        self.sock = sock

    def connect(self) -> None:
        """Refuse to open another one."""
        message = "the member closed the connection"
        raise ConnectionError(message)

    def close(self) -> None:
        """Leave the socket to its owner, who still sets its time limits."""


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
    sock.settimeout(_left_s(deadline_s))
    connection = _Preset(sock)
    headers = {"Connection": "close", **({"Content-Type": "application/json"} if body else {})}
    connection.request(method, path, body=body, headers=headers)
    with connection.getresponse() as response:
        chunks: list[bytes] = []
        size_bytes = 0
        while size_bytes < ANSWER_LIMIT_BYTES:
            sock.settimeout(_left_s(deadline_s))
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
