"""A point of presence that withdraws itself while it cannot reach the backbone: `presence ADDRESS PORT BACKBONE`.

What it is asked for most, it could answer alone.
"""

from __future__ import annotations

import json
import sys

from bascule.drill.stories.parts.web import BUSY, Page, Server, ask


def page(backbone: str) -> type[Page]:
    """The pages of a point of presence."""

    class Presence(Page):
        """`GET /name` needs nothing; `/notes/...` needs the backbone; `/health/ready` says whether that is there."""

        def get(self, path: str) -> tuple[int, object]:
            """A name, a state, or what the backbone knows."""
            if path == "/name":
                return 200, {"address": "192.0.2.1"}
            if path == "/health/serving":
                return 200, {"ok": True}
            status, body = ask(backbone, "/health" if path == "/health/ready" else path, timeout_s=0.4)
            return status or BUSY, json.loads(body or b"null")

        def post(self, path: str) -> tuple[int, object]:
            """Write a number through to the backbone."""
            status, body = ask(backbone, path, data=b"", timeout_s=0.4)
            return status or BUSY, json.loads(body or b"null")

    return Presence


if __name__ == "__main__":
    Server((sys.argv[1], int(sys.argv[2])), page(sys.argv[3])).serve_forever()
