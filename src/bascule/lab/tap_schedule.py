"""When does each frame leave a tapped wire, how often, and how does it look then? Pure."""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Iterable
from ipaddress import IPv4Address
from typing import Literal

from bascule.chaos.traffic import TrafficCounts, Trouble
from bascule.kernel.dice import Dice
from bascule.lab import frames
from bascule.lab.frames import Seen

QUEUE_LIMIT_BYTES = 16 * 2**20
REORDER_S = 0.01
"""How long a frame that shall be overtaken waits, at least."""
Way = Literal["in", "out"]
Leaving = tuple[Way, bytes]
_OTHER: dict[Way, Way] = {"in": "out", "out": "in"}


class _Case:
    """One trouble, what it looks for in the form in which frames say it, and its counts."""

    def __init__(self, trouble: Trouble) -> None:
        self.trouble = trouble
        self.peers = frozenset(IPv4Address(peer).packed for peer in trouble.peers)
        self.free_s = {"in": 0.0, "out": 0.0}
        self.met = self.delayed = self.lost = self.duplicated = self.reordered = self.corrupted = self.answered = 0

    def covers(self, way: Way, seen: Seen) -> bool:
        """Whether it is about this frame."""
        trouble = self.trouble
        if trouble.direction not in {"both", way}:
            return False
        if trouble.protocol not in {"all", seen.protocol}:
            return False
        if trouble.port and trouble.port not in {seen.source_port, seen.target_port}:
            return False
        return not self.peers or (seen.source if way == "in" else seen.target) in self.peers

    def counts(self) -> TrafficCounts:
        """How often it did what."""
        return TrafficCounts(
            met=self.met,
            delayed=self.delayed,
            lost=self.lost,
            duplicated=self.duplicated,
            reordered=self.reordered,
            corrupted=self.corrupted,
            answered=self.answered,
        )


class TapSchedule:
    """The frames that are on their way through a tap.

    Invariant: frames of one way leave in the order in which they came, but for those that shall be overtaken; and no
    way holds more than `QUEUE_LIMIT_BYTES`: what comes then is dropped, as by a router with a full queue.
    """

    def __init__(self, dice: Dice) -> None:
        self._dice = dice
        self._cases: list[_Case] = []
        self._waiting: list[tuple[float, int, Way, bytes]] = []
        self._number = itertools.count()
        self._last_s: dict[Way, float] = {"in": 0.0, "out": 0.0}
        self._size_bytes: dict[Way, int] = {"in": 0, "out": 0}
        self.dropped = 0

    def set_troubles(self, troubles: Iterable[Trouble]) -> None:
        """These troubles and no others; those that stay go on counting. What is on its way stays on it."""
        before = {case.trouble: case for case in self._cases}
        self._cases = [before.get(trouble) or _Case(trouble) for trouble in troubles]

    def counts(self) -> tuple[TrafficCounts, ...]:
        """Of each trouble, in their order."""
        return tuple(case.counts() for case in self._cases)

    def admit(self, way: Way, frame: bytes, now_s: float) -> tuple[Leaving, ...]:
        """Take a frame in; returns what leaves at once, the rest is on its way, or lost."""
        if not self._cases and not self._waiting:
            return ((way, frame),)
        seen = frames.look(frame)
        due_s, copies, overtaken = now_s, 1, False
        for case in self._cases:
            if not case.covers(way, seen):
                continue
            case.met += 1
            trouble = case.trouble
            if trouble.answer and (answers := self._answered(case, way, seen, frame)) is not None:
                return answers
            if trouble.loss and self._happens(trouble.loss):
                case.lost += 1
                return ()
            if trouble.corrupt and self._happens(trouble.corrupt):
                case.corrupted += 1
                frame = frames.with_wrong_bit(frame, self._dice.uniform(0.0, 1.0))
            if trouble.duplicate and self._happens(trouble.duplicate):
                case.duplicated += 1
                copies += 1
            if trouble.reorder and self._happens(trouble.reorder):
                case.reordered += 1
                overtaken = True
            due_s = max(due_s, self._due_s(case, way, frame, now_s))
        return self._keep(way, frame, due_s, copies, now_s, overtaken=overtaken)

    def _happens(self, share: float) -> bool:
        return self._dice.uniform(0.0, 1.0) < share

    def _answered(self, case: _Case, way: Way, seen: Seen, frame: bytes) -> tuple[Leaving, ...] | None:
        """The answers instead of a segment; None for a frame that is carried all the same."""
        opens = seen.flags & (frames.SYN | frames.ACK) == frames.SYN
        if seen.protocol != "tcp" or not seen.flags or seen.flags & frames.RST:
            return None
        if case.trouble.answer == "refuse" and not opens:
            return None
        case.answered += 1
        back, onward = frames.resets(frame)
        return ((_OTHER[way], back),) if opens else ((_OTHER[way], back), (way, onward))

    def _due_s(self, case: _Case, way: Way, frame: bytes, now_s: float) -> float:
        trouble = case.trouble
        due_s = now_s
        if trouble.rate_bytes_per_s:
            due_s = case.free_s[way] = max(now_s, case.free_s[way]) + len(frame) / trouble.rate_bytes_per_s
        due_s += trouble.delay_s
        if trouble.jitter_s:
            due_s += self._dice.uniform(0.0, trouble.jitter_s)
        case.delayed += due_s > now_s
        return due_s

    def _keep(
        self, way: Way, frame: bytes, due_s: float, copies: int, now_s: float, *, overtaken: bool
    ) -> tuple[Leaving, ...]:
        if overtaken:
            due_s = max(due_s, self._last_s[way]) + REORDER_S
        else:
            due_s = self._last_s[way] = max(due_s, self._last_s[way])
        if due_s <= now_s:
            return ((way, frame),) * copies
        for _ in range(copies):
            if self._size_bytes[way] + len(frame) > QUEUE_LIMIT_BYTES:
                self.dropped += 1
                continue
            self._size_bytes[way] += len(frame)
            heapq.heappush(self._waiting, (due_s, next(self._number), way, frame))
        return ()

    def leaving(self, now_s: float) -> list[Leaving]:
        """What leaves by now, in its order."""
        found: list[Leaving] = []
        while self._waiting and self._waiting[0][0] <= now_s:
            _, _, way, frame = heapq.heappop(self._waiting)
            self._size_bytes[way] -= len(frame)
            found.append((way, frame))
        return found

    def next_s(self) -> float | None:
        """When the next frame leaves; None when none waits."""
        return self._waiting[0][0] if self._waiting else None
