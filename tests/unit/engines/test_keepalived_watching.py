"""The file that keepalived watches says what the member answered several times in a row."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bascule.engines.keepalived.watching import Verdict, ask


def after(fall: int, rise: int, answers: str) -> str:
    verdict = Verdict(fall, rise)
    told = []
    for each in answers:
        verdict.hear(good=each == "+")
        told.append("+" if verdict.serves else "-")
    return "".join(told)


@pytest.mark.parametrize(
    ("fall", "rise", "answers", "verdicts"),
    [
        (1, 1, "+-+", "+-+"),
        (2, 1, "+-+--+", "++++-+"),
        (3, 1, "+--+---", "++++++-"),
        (1, 2, "+-++", "---+"),
    ],
)
def test_the_verdict_changes_after_so_many_equal_answers(fall: int, rise: int, answers: str, verdicts: str) -> None:
    assert after(fall, rise, answers) == verdicts


def test_only_a_change_is_told() -> None:
    verdict = Verdict(1, 1)
    assert [verdict.hear(good=good) for good in (False, True, True, False, False)] == [False, True, False, True, False]


@contextmanager
def server(answer: bytes) -> Iterator[int]:
    """A server that answers once with this; with nothing at all if that is empty."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            line, _ = listener.accept()
            with line:
                if answer:
                    line.recv(65536)
                    line.sendall(answer)
                else:
                    line.recv(65536)
                    line.recv(65536)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        thread.join(5)


@pytest.mark.parametrize(
    ("answer", "good"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", True),
        (b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n", False),
        (b"nonsense\r\n", False),
        (b"", False),
    ],
)
def test_a_page_must_answer_200_in_time(answer: bytes, *, good: bool) -> None:
    with server(answer) as port:
        assert ask(f"http://127.0.0.1:{port}/health", 0.3) is good


def test_without_a_page_it_must_accept() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert ask(f"http://127.0.0.1:{port}", 1.0)
    assert not ask(f"http://127.0.0.1:{port}", 1.0)
    assert not ask(f"http://127.0.0.1:{port}/health", 1.0)
