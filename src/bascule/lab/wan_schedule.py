"""When does each frame leave the WAN? Delay, jitter, loss and cuts per ordered pair of sites. Pure."""

from __future__ import annotations

from collections import deque

from msgspec import Struct

from bascule.kernel.dice import Dice

QUEUE_LIMIT_BYTES = 16 * 2**20
Pair = tuple[int, int]


class Line(Struct, frozen=True, kw_only=True):
    """One direction between two sites. `delay_s` is one way; `jitter_s` adds at most that; frames keep their order."""

    delay_s: float = 0.0
    jitter_s: float = 0.0
    loss: float = 0.0
    cut: bool = False

    @property
    def plain(self) -> bool:
        """Whether frames pass at once and all of them."""
        return not (self.delay_s or self.jitter_s or self.loss or self.cut)


class _Queue:
    """Frames on their way in one direction, in order of their departure."""

    __slots__ = ("frames", "last_s", "size_bytes")

    def __init__(self) -> None:
        self.frames: deque[tuple[float, bytes]] = deque()
        self.last_s = 0.0
        self.size_bytes = 0


class Schedule:
    """The frames that are on their way.

    Invariant: no frame leaves before its delay is over, frames of one direction leave in the order in which they came,
    and no direction holds more than `limit_bytes`: what comes then is dropped, as a router with a full queue does.
    """

    def __init__(self, limit_bytes: int = QUEUE_LIMIT_BYTES) -> None:
        self._limit_bytes = limit_bytes
        self._lines: dict[Pair, Line] = {}
        self._queues: dict[Pair, _Queue] = {}
        self.dropped = 0

    def set_line(self, pair: Pair, line: Line) -> None:
        """Shape a direction from now on. A cut loses what is on its way, as a severed fibre does."""
        if line.plain:
            self._lines.pop(pair, None)
        else:
            self._lines[pair] = line
        if line.cut:
            self._queues.pop(pair, None)

    def is_for_each_frame(self, pair: Pair) -> bool:
        """Whether the line decides about each frame alone, so that a super-frame must be split first."""
        line = self._lines.get(pair)
        return line is not None and not line.cut and bool(line.loss or line.jitter_s)

    def admit(self, pair: Pair, frame: bytes, now_s: float, dice: Dice) -> bool:
        """Take a frame in. True: it leaves at once, the caller sends it. False: it is on its way, or lost."""
        line = self._lines.get(pair)
        queue = self._queues.get(pair)
        if line is None:
            if queue is None or not queue.frames:
                return True
            line = Line()  # what came before a change of the line leaves first
        if line.cut or (line.loss and dice.uniform(0.0, 1.0) < line.loss):
            return False
        if queue is None:
            queue = self._queues[pair] = _Queue()
        if queue.size_bytes + len(frame) > self._limit_bytes:
            self.dropped += 1
            return False
        due_s = now_s + line.delay_s
        if line.jitter_s:
            due_s += dice.uniform(0.0, line.jitter_s)
        queue.last_s = due_s = max(due_s, queue.last_s)
        queue.frames.append((due_s, frame))
        queue.size_bytes += len(frame)
        return False

    def leaving(self, now_s: float) -> list[tuple[int, bytes]]:
        """The frames whose time has come, each with its target site; they are no longer on their way."""
        found: list[tuple[int, bytes]] = []
        for (_, target), queue in self._queues.items():
            frames = queue.frames
            while frames and frames[0][0] <= now_s:
                frame = frames.popleft()[1]
                queue.size_bytes -= len(frame)
                found.append((target, frame))
        return found

    def next_s(self) -> float | None:
        """When the next frame leaves; None when none is on its way."""
        return min((queue.frames[0][0] for queue in self._queues.values() if queue.frames), default=None)
