"""Asks a worker, and asks again at once when it does not answer soon: `impatient ADDRESS PORT WORKER`."""

from __future__ import annotations

import json
import sys

from bascule.drill.stories.parts.web import BUSY, Page, Server, ask

PATIENCE_S = 0.15
TIMES = 6


def page(worker: str) -> type[Page]:
    """The pages of an impatient caller."""

    class Impatient(Page):
        """Passes on to the worker; each write up to six times, without a pause and without a budget."""

        def get(self, path: str) -> tuple[int, object]:
            """What the worker knows; its health is not asked for, for then nobody would call at all."""
            if path == "/health":
                return 200, {"ok": True}
            status, body = ask(worker, path, timeout_s=2.0)
            return status or BUSY, json.loads(body or b"null")

        def post(self, path: str) -> tuple[int, object]:
            """Ask, and ask again."""
            for _ in range(TIMES):
                status, body = ask(worker, path, data=b"", timeout_s=PATIENCE_S)
                if status == 200:
                    return status, json.loads(body)
            return BUSY, None

    return Impatient


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), page(sys.argv[3])).serve_forever()
