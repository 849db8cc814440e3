"""A shopping cart over HTTP that keeps its carts in Redis: `cart.py ADDRESS PORT`.

When Redis does not answer, what was known last is shown, and said to be stale; what was not stored is not acknowledged.
"""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

ANSWER_S = 0.3


def sessions() -> redis.Redis:
    """The store; whoever waits for it waits no longer than `ANSWER_S`, and asks once."""
    host, _, port = os.environ["SESSIONS"].partition(":")
    password = Path(os.environ["SESSIONS_PASSWORD_FILE"]).read_text().strip()
    return redis.Redis(
        host=host,
        port=int(port),
        password=password,
        socket_timeout=ANSWER_S,
        socket_connect_timeout=ANSWER_S,
        retry=Retry(NoBackoff(), 0),
    )


class Cart(BaseHTTPRequestHandler):
    """`POST /carts/CLIENT/NUMBER`, once however often it is sent; `GET /carts/CLIENT`; `GET /health`."""

    protocol_version = "HTTP/1.1"
    store: redis.Redis
    known: dict[str, list[int]]

    def do_GET(self) -> None:
        """Show a cart."""
        if self.path == "/health":
            self._answer(200, {"ok": True})
            return
        client = self.path.rsplit("/", 1)[1]
        try:
            self.known[client] = sorted(int(number) for number in self.store.smembers(client))
        except redis.RedisError:
            self._answer(200, {"numbers": self.known.get(client, []), "stale": True})
            return
        self._answer(200, {"numbers": self.known[client], "stale": False})

    def do_POST(self) -> None:
        """Put something into a cart."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, _, client, number = self.path.split("/")
        try:
            self.store.sadd(client, number)
        except redis.RedisError:
            self._answer(503, {"error": "not stored"})
            return
        self._answer(200, {"number": int(number)})

    def _answer(self, status: int, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    Cart.store, Cart.known = sessions(), {}
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Cart).serve_forever()
