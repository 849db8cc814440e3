"""A page server of a few lines, and a way to ask another, for the services of the stories."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BUSY = 503
MOST_BYTES = 4 * 2**20
"""Of an answer; what a ledger keeps of a whole drill is a fraction of that."""


class Page(BaseHTTPRequestHandler):
    """Answers `GET` and `POST` by `get` and `post`, which give a status and a value."""

    protocol_version = "HTTP/1.1"
    timeout = 30
    wbufsize = -1  # headers and body leave together
    disable_nagle_algorithm = True

    def get(self, path: str) -> tuple[int, object]:
        """The answer to a GET of this path."""
        raise AssertionError(path)

    def post(self, path: str) -> tuple[int, object]:
        """The answer to a POST to this path."""
        raise AssertionError(path)

    def do_GET(self) -> None:
        """By `get`."""
        self._answer(*self.get(self.path))

    def do_POST(self) -> None:
        """By `post`; what was sent is not looked at."""
        self.rfile.read(min(int(self.headers.get("Content-Length") or 0), 65536))
        self._answer(*self.post(self.path))

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """Serves pages, each request in a thread of its own."""

    daemon_threads = True
    request_queue_size = 256


def ask(address: str, path: str, *, data: bytes | None = None, timeout_s: float = 1.0) -> tuple[int, bytes]:
    """The status and the body of an answer; status 0 when there was none in time."""
    request = urllib.request.Request(f"http://{address}{path}", data=data)
    try:
        with urllib.request.urlopen(request, timeout=timeout_s) as answer:  # noqa: S310 - always http, inside a lab
            return int(answer.status), bytes(answer.read(MOST_BYTES))
    except urllib.error.HTTPError as error:
        return error.code, b""
    except (OSError, ValueError):
        return 0, b""  # status 0 says so
