"""A front end that keeps a thread for each other one, as many as its limit allows: `fleet ADDRESS PORT LEDGER PEERS`.

It answers only while it has a part of the map from each peer that lives, and gives its own part only while it has not
more threads than it may have. A peer that was started anew gets a thread of its own; that of its former life goes
later. So each replacement costs every member of the fleet a thread, and the whole fleet reaches its limit at once.
"""

from __future__ import annotations

import json
import sys
import threading
import time
import uuid

from bascule.drill.stories.parts.web import BUSY, Page, Server, ask

LIFE = uuid.uuid4().hex
SPARE = 1
"""How many threads beyond one for each peer it may have."""
LINGER_S = 45.0
"""How long the thread of a peer's former life stays."""
EVERY_S = 0.3


class Fleet:
    """What a front end knows of the others: the threads that it keeps, by peer and life, and who gave it a part."""

    def __init__(self, peers: tuple[str, ...]) -> None:
        self._peers = peers
        self._threads: dict[tuple[str, str], float] = {}
        self._missing: set[str] = set(peers)

    @property
    def within_limit(self) -> bool:
        """Whether it has no more threads than it may have."""
        now_s = time.monotonic()
        return sum(now_s < until_s for until_s in list(self._threads.values())) <= len(self._peers) + SPARE

    @property
    def has_map(self) -> bool:
        """Whether no peer that lives keeps its part back."""
        return self.within_limit and not self._missing

    def look(self) -> None:
        """Ask every peer for its part, for ever."""
        while True:
            for peer in self._peers:
                status, body = ask(peer, "/part", timeout_s=EVERY_S)
                self._heard(peer, status, body)
            time.sleep(EVERY_S)

    def _heard(self, peer: str, status: int, body: bytes) -> None:
        if status == 0:
            self._missing.discard(peer)  # it is down: its part is served by others
            return
        if status == 200:
            life, now_s = str(json.loads(body)["life"]), time.monotonic()
            if (peer, life) not in self._threads:
                for former in [key for key in self._threads if key[0] == peer]:
                    self._threads[former] = now_s + LINGER_S
                self._threads[peer, life] = float("inf")
        (self._missing.discard if status == 200 else self._missing.add)(peer)


def page(fleet: Fleet, ledger: str) -> type[Page]:
    """The pages of a front end."""

    class FrontEnd(Page):
        """`GET /part` for its peers; everything else needs the whole map."""

        def get(self, path: str) -> tuple[int, object]:
            """Its part of the map, or what a client asks for."""
            if path == "/part":
                return (200 if fleet.within_limit else BUSY), {"life": LIFE}
            if not fleet.has_map:
                return BUSY, {"error": "the map of the fleet is not complete"}
            if path == "/health":
                return 200, {"ok": True}
            status, body = ask(ledger, path)
            return status or BUSY, json.loads(body or b"null")

        def post(self, path: str) -> tuple[int, object]:
            """Write a number through to the ledger."""
            if not fleet.has_map:
                return BUSY, {"error": "the map of the fleet is not complete"}
            status, body = ask(ledger, path, data=b"")
            return status or BUSY, json.loads(body or b"null")

    return FrontEnd


def main(address: str, port: str, ledger: str, peers: str) -> None:
    """Look at the others, and serve."""
    others = tuple(peer for peer in peers.split(",") if peer != f"{address}:{port}")
    fleet = Fleet(others)
    threading.Thread(target=fleet.look, daemon=True).start()
    Server((address, int(port)), page(fleet, ledger)).serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])
