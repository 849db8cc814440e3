"""How many permits a process is given of a limit that several keep to together.

The scripts in `redis_scripts.py` are these functions in Lua, in whole microseconds of Redis' own clock; the contract
tests hold the two to each other. Of what is there at most half is given at a time, so that others find some.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

SLOTS = 32
"""A sliding window is counted in so many slots, and one more, since it begins within a slot."""
MOST = 10**9
_BUCKET = re.compile(r"b (-?[0-9]{1,10}\.[0-9]{6}) ([0-9]{1,17})")
_WINDOW = re.compile(r"w( [0-9]{1,17}:[0-9]{1,10}){0,40}")


@dataclass(frozen=True, slots=True)
class Terms:
    """What a limit comes to in the store.

    Attributes:
        kind: `bucket` or `window`.
        capacity: Permits that a full bucket holds, or that a window lets through; at least 1.
        span_us: Microseconds in which a bucket gets one permit, or the length of the window; above 0.
    """

    kind: str
    capacity: int
    span_us: float

    @property
    def slot_us(self) -> int:
        """The length of one of a window's slots."""
        return max(1, math.ceil(self.span_us / SLOTS))


@dataclass(frozen=True, slots=True)
class Ask:
    """One rate by its name in the store, what was spent without a lease, and how many permits are wanted."""

    key: str
    terms: Terms
    spent: int
    want: int


@dataclass(frozen=True, slots=True)
class Answer:
    """What a process gets.

    Attributes:
        given: Permits, from now on this process' own.
        left: Permits that are there for anybody; below zero when more were spent than there were.
        wait_s: When there is one again, in seconds; 0 when there is.
        is_garbage: Whether the store held what cannot be read; it was replaced.
    """

    given: int
    left: float
    wait_s: float
    is_garbage: bool = False


def share_of(left: float, want: int) -> int:
    """How many of those that are left one process gets."""
    return 0 if left < 1 else min(want, math.ceil(math.floor(left) / 2))


def draw(text: str | None, ask: Ask, now_us: int) -> tuple[str, Answer]:
    """What the store holds afterwards, and what the process gets."""
    return (_draw_bucket if ask.terms.kind == "bucket" else _draw_window)(text, ask, now_us)


def _draw_bucket(text: str | None, ask: Ask, now_us: int) -> tuple[str, Answer]:
    capacity, span_us = ask.terms.capacity, ask.terms.span_us
    match = _BUCKET.fullmatch(text or "")
    left = float(capacity)
    if match is not None:
        left = min(capacity, float(match[1]) + max(0, now_us - int(match[2])) / span_us)
    left = max(-float(MOST), left - ask.spent)
    given = share_of(left, ask.want)
    left -= given
    wait_us = 0.0 if left >= 1 else (1 - left) * span_us
    return f"b {left:.6f} {now_us}", Answer(given, left, wait_us / 1e6, text is not None and match is None)


def _draw_window(text: str | None, ask: Ask, now_us: int) -> tuple[str, Answer]:
    slot_us = ask.terms.slot_us
    now = now_us // slot_us
    is_good = text is None or _WINDOW.fullmatch(text) is not None
    counts: dict[int, int] = {}
    for word in text.split()[1:] if text is not None and is_good else ():
        slot, count = map(int, word.split(":"))
        if slot >= now - SLOTS:  # one that lies ahead was written before the clock went back: it counts as now
            counts[min(slot, now)] = counts.get(min(slot, now), 0) + count
    left = ask.terms.capacity - sum(counts.values()) - ask.spent
    given = share_of(left, ask.want)
    left -= given
    if ask.spent + given:
        counts[now] = min(MOST, counts.get(now, 0) + ask.spent + given)
    wait_us, room = 0, left
    for slot in sorted(counts):
        if room >= 1:
            break
        room += counts[slot]
        wait_us = (slot + SLOTS + 1) * slot_us - now_us
    written = "".join(f" {slot}:{counts[slot]}" for slot in sorted(counts))
    return f"w{written}", Answer(given, left, wait_us / 1e6, not is_good)
