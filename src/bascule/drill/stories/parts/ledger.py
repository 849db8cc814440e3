"""Keeps numbers for whoever writes them, each once: `ledger ADDRESS PORT`."""

from __future__ import annotations

import sys
import threading

from bascule.drill.stories.parts.web import Page, Server

_KEPT: dict[str, set[int]] = {}
_LOCK = threading.Lock()


class Ledger(Page):
    """`POST /notes/CLIENT/NUMBER`, `GET /notes/CLIENT`, `GET /health`."""

    def get(self, path: str) -> tuple[int, object]:
        """The numbers of a client, or that all is well."""
        if path == "/health":
            return 200, {"ok": True}
        with _LOCK:
            return 200, {"numbers": sorted(_KEPT.get(path.rpartition("/")[2], ()))}

    def post(self, path: str) -> tuple[int, object]:
        """Keep a number."""
        client, number = path.split("/")[-2:]
        with _LOCK:
            _KEPT.setdefault(client, set()).add(int(number))
        return 200, {"number": int(number)}


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), Ledger).serve_forever()
