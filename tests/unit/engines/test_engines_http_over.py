from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator

import pytest

from bascule.engines import http_over
from bascule.engines.protocols import Dial


class Peer:
    """The other end of a socket pair: says one thing, then keeps quiet until the test ends."""

    def __init__(self, says: bytes) -> None:
        self.ours, self.theirs = socket.socketpair()
        self.heard = b""
        self._thread = threading.Thread(target=self._talk, args=(says,))
        self._thread.start()

    def _talk(self, says: bytes) -> None:
        self.heard = self.theirs.recv(65536)
        if says:
            self.theirs.sendall(says)

    def dial(self, _: int) -> socket.socket:
        return self.ours

    def close(self) -> None:
        self.ours.close()
        self._thread.join()
        self.theirs.close()


@pytest.fixture
def peers() -> Iterator[list[Peer]]:
    made: list[Peer] = []
    yield made
    for peer in made:
        peer.close()


def test_an_answer_with_a_length_is_read_whole(peers: list[Peer]) -> None:
    peers.append(Peer(b"HTTP/1.1 503 Busy\r\nContent-Length: 5\r\n\r\nhello"))
    answer = http_over.ask(peers[0].dial, 80, "/x", timeout_s=2, method="POST", body=b"{}")
    assert answer == http_over.Answer(status=503, body=b"hello")
    assert peers[0].heard.startswith(b"POST /x HTTP/1.1\r\n")


def test_an_old_server_that_closes_is_read_to_its_end(peers: list[Peer]) -> None:
    peer = Peer(b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok")
    peers.append(peer)
    assert http_over.ask(peer.dial, 80, "/", timeout_s=2).body == b"ok"
    assert peer.ours.fileno() == -1, "the connection is closed after the answer"


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf", b"HTTP/1.1 200 OK\r\nX: "], ids=repr
)
def test_silence_is_no_answer_in_time(peers: list[Peer], says: bytes) -> None:
    peers.append(Peer(says))
    with pytest.raises(http_over.NoAnswerError):
        http_over.ask(peers[0].dial, 80, "/", timeout_s=0.05)


def test_what_is_not_http_is_no_answer(peers: list[Peer]) -> None:
    peers.append(Peer(b"-ERR this is redis\r\n"))
    with pytest.raises(http_over.NoAnswerError):
        http_over.ask(peers[0].dial, 80, "/", timeout_s=1)


def test_an_endless_answer_is_cut_at_the_limit(peers: list[Peer], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_over, "ANSWER_LIMIT_BYTES", 10)
    peers.append(Peer(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n" + b"x" * 100))
    assert len(http_over.ask(peers[0].dial, 80, "/", timeout_s=1).body) <= 100


def test_a_refused_connection_is_no_answer() -> None:
    def dial(_: int) -> socket.socket:
        raise ConnectionRefusedError("refused")

    refusing: Dial = dial
    with pytest.raises(http_over.NoAnswerError, match="refused"):
        http_over.ask(refusing, 80, "/", timeout_s=1)


def test_an_answer_that_drips_ends_with_the_time_for_it() -> None:
    """Each byte comes within any limit for one read; all of them together never end."""
    ours, theirs = socket.socketpair()
    over = threading.Event()

    def drip() -> None:
        theirs.recv(65536)
        theirs.sendall(b"HTTP/1.1 200 OK\r\nX: ")
        with contextlib.suppress(OSError):  # the asker has closed its end
            while not over.wait(0.01):
                theirs.sendall(b"x")

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        with pytest.raises(http_over.NoAnswerError, match=r"no answer in time|timed out"):
            http_over.ask(lambda _: ours, 80, "/", timeout_s=0.2)
    finally:
        over.set()
        thread.join()
        theirs.close()
