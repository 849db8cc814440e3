"""What requesters wrote down, and what it means: outages, and times with two holders. Pure."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence

from msgspec import Struct


class Answer(Struct, frozen=True, kw_only=True):
    """One answer: when it was asked and given, by whom, and the answerer's own time. Seconds of CLOCK_BOOTTIME."""

    asked_s: float
    answered_s: float
    holder: str
    stamp_s: float


def read(lines: Iterable[str]) -> list[Answer]:
    """The answers, by the time at which they were asked; a torn last line is left out."""
    found: list[Answer] = []
    for line in lines:
        words = line.split()
        if len(words) == 5 and line.endswith("\n"):
            found.append(
                Answer(asked_s=float(words[1]), answered_s=float(words[2]), holder=words[3], stamp_s=float(words[4]))
            )
    return sorted(found, key=lambda one: one.asked_s)


def longest_gap_s(answers: Sequence[Answer], since_s: float, until_s: float, every_s: float) -> float:
    """The longest time without a good question from `since_s` to `until_s`; a gap of one period is none."""
    asked = [since_s, *(one.asked_s for one in answers if since_s < one.asked_s < until_s), until_s]
    return max(0.0, max(later - earlier for earlier, later in itertools.pairwise(asked)) - every_s)


def stretches(answers: Iterable[Answer], gap_s: float) -> list[tuple[float, float, str]]:
    """When each holder answered without a pause of more than `gap_s`: first stamp, last stamp, holder."""
    open_at: dict[str, tuple[float, float]] = {}
    found: list[tuple[float, float, str]] = []
    for one in sorted(answers, key=lambda one: one.stamp_s):
        first_s, last_s = open_at.get(one.holder, (one.stamp_s, one.stamp_s))
        if one.stamp_s - last_s > gap_s:
            found.append((first_s, last_s, one.holder))
            first_s = one.stamp_s
        open_at[one.holder] = (first_s, one.stamp_s)
    return sorted([*found, *((first_s, last_s, holder) for holder, (first_s, last_s) in open_at.items())])


def two_holders_s(answers: Iterable[Answer], gap_s: float = 0.1) -> float:
    """For how long two answered for the address at the same time, by their own stamps; 0: never.

    An address that moves orderly has no overlap, however often: the old holder's last answer is before the new one's
    first.
    """
    found = stretches(answers, gap_s)
    return sum(
        max(0.0, min(end_s, other_end_s) - max(begin_s, other_begin_s))
        for place, (begin_s, end_s, holder) in enumerate(found)
        for other_begin_s, other_end_s, other in found[place + 1 :]
        if other != holder
    )
