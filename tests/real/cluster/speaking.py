"""A port that says what a test wants it to say, in whatever bytes, to whoever connects."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

Speak = Callable[[socket.socket, bytes], None]
"""Called with a connection and what was asked on it."""


def says(answer: bytes) -> Speak:
    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(answer)

    return speak


def page(status: int, body: bytes = b"", *headers: str) -> Speak:
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(body)}", *headers, "", ""]
    return says("\r\n".join(lines).encode() + body)


def without_end(start: bytes, piece: bytes) -> Speak:
    def speak(connection: socket.socket, _: bytes) -> None:
        connection.sendall(start)
        while True:
            connection.sendall(piece)

    return speak


class Speaking:
    """The server's port, and what it was asked."""

    def __init__(self, server: socket.socket, speak: Speak) -> None:
        self.port: int = server.getsockname()[1]
        self.asked: list[bytes] = []
        self.speak = speak
        self._server = server
        self.over = threading.Event()

    def serve(self) -> None:
        while not self.over.is_set():
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(20)
            asked = b""
            while b"\r\n\r\n" not in asked:
                piece = connection.recv(65536)
                if not piece:
                    return
                asked += piece
            self.asked.append(asked)
            self.speak(connection, asked)
            connection.shutdown(socket.SHUT_WR)
            while connection.recv(65536):
                continue


@contextmanager
def speaking(speak: Speak) -> Iterator[Speaking]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        made = Speaking(server, speak)
        thread = threading.Thread(target=made.serve, daemon=True)
        thread.start()
        try:
            yield made
        finally:
            made.over.set()
            server.shutdown(socket.SHUT_RDWR)
            thread.join(20)
            assert not thread.is_alive()
