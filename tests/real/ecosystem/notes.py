"""Keeps numbers, durably, for whoever writes them: `notebook.py ADDRESS PORT`."""

from __future__ import annotations

import json
import os
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

NOTES = Path("notes.txt")


class Notebook(BaseHTTPRequestHandler):
    """`POST /notes/CLIENT/NUMBER`, once however often it is sent; `GET /notes/CLIENT`; `GET /health`."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer({"ok": True})
            return
        client = self.path.rsplit("/", 1)[1]
        lines = NOTES.read_text().splitlines() if NOTES.exists() else []
        self._answer({"numbers": [int(line.split()[1]) for line in lines if line.split()[0] == client]})

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        _, _, client, number = self.path.split("/")
        with NOTES.open("a") as notes:
            notes.write(f"{client} {number}\n")
            notes.flush()
            os.fsync(notes.fileno())
        self._answer({"number": int(number)})

    def _answer(self, value: object) -> None:
        body = json.dumps(value).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


if __name__ == "__main__":
    ThreadingHTTPServer((sys.argv[1], int(sys.argv[2])), Notebook).serve_forever()
