"""A store within one process, for tests: the same answers as Redis', and it can be away, lie, and lose its memory."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

from bascule.guard.shared.permits import Answer, Ask, draw
from bascule.guard.shared.records import Exchange, Offer, read, settle, write
from bascule.guard.shared.store import StoreLostError


class MemoryStore:
    """Both kinds of store in one dictionary. Several users may share it, as if each were a process.

    Args:
        now_s: The store's own clock.

    Attributes:
        values: What it holds, by key; a test may write into it.
        is_away: While true every question raises StoreLostError.
        asked: How many questions it was asked.
    """

    def __init__(self, now_s: Callable[[], float]) -> None:
        self.values: dict[str, str] = {}
        self.is_away = False
        self.asked = 0
        self._now_s = now_s
        self._lock = threading.Lock()

    def ping(self) -> None:
        """Answer, or raise StoreLostError."""
        self.asked += 1
        if self.is_away:
            raise StoreLostError("the store is away")

    def leave(self) -> None:
        """There is no connection to drop."""

    def exchange(self, offers: Sequence[Offer], keep_s: float) -> list[Exchange]:
        """Offer what one process has, and get what counts for all; nothing is ever forgotten here."""
        del keep_s
        self.ping()
        with self._lock:
            return [self._exchange(offer, round(self._now_s() * 1000)) for offer in offers]

    def _exchange(self, offer: Offer, now_ms: int) -> Exchange:
        text = self.values.get(offer.key)
        held = None if text is None else read(text, now_ms)
        counts = settle(held, offer)
        if counts is not None and (held is None or counts != held):
            self.values[offer.key] = write(counts, now_ms)
        return Exchange(counts, text is not None and held is None)

    def lease(self, asks: Sequence[Ask]) -> list[Answer]:
        """Charge what was spent and take permits."""
        self.ping()
        with self._lock:
            return [self._lease(ask, int(self._now_s() * 1e6)) for ask in asks]

    def _lease(self, ask: Ask, now_us: int) -> Answer:
        self.values[ask.key], answer = draw(self.values.get(ask.key), ask, now_us)
        return answer
