"""Which of several targets a client uses now: it stays with one that answers, and leaves one that does not. Pure."""

from __future__ import annotations

AWAY_S = 1.0


class Route:
    """The choice among targets, like that of a client whose name server gave it several addresses.

    A target that refused or timed out is left for `away_s`; the next one is used, and kept for as long as it answers:
    no operation is risked on the old one to find out whether it is back. With every target left, the one left longest
    ago is tried.
    """

    def __init__(self, targets: int, away_s: float = AWAY_S) -> None:
        self._away_s = away_s
        self._back_s = [0.0] * targets
        self._current = 0

    def choose(self, now_s: float) -> int:
        """Place of the target to use."""
        if self._back_s[self._current] > now_s:
            count = len(self._back_s)
            order = [(self._current + step) % count for step in range(count)]
            ready = [place for place in order if self._back_s[place] <= now_s]
            self._current = ready[0] if ready else min(order, key=lambda place: self._back_s[place])
        return self._current

    def leave(self, place: int, now_s: float) -> None:
        """Note that this target refused or timed out."""
        self._back_s[place] = now_s + self._away_s
