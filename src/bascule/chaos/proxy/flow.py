"""What becomes of the bytes of one direction under its toxics: which go on, when, and how the connection ends. Pure."""

from __future__ import annotations

from collections import deque

from bascule.chaos.proxy.toxics import Ending, Latency, Piece, Toxic, at_pace
from bascule.kernel.dice import Dice

NARROW_BYTES = 64 * 1024
WIDE_BYTES = 4 * 1024 * 1024
"""What a latency may hold back: a long line carries much. Without one, so much waiting would only hide a slow line."""
MOST_PIECES = 32 * 1024
"""However small they are: each costs more than its bytes."""


class Tally:
    """How much a toxic or a fault did: the witness of it. Only what was really done is counted.

    Attributes:
        connections: Connections that it acted upon.
        acts: How often it acted: pieces, answers, ends.
        bytes: Bytes that were delayed, cut, changed or dropped.
    """

    __slots__ = ("acts", "bytes", "connections")

    def __init__(self) -> None:
        self.connections = 0
        self.acts = 0
        self.bytes = 0


class Acting:
    """A toxic on one direction of one connection, since a moment.

    Attributes:
        passed_bytes: How many bytes it has let pass.
        dropped: Whether it has dropped any.
    """

    __slots__ = ("_counted", "_tally", "began_s", "dropped", "free_s", "passed_bytes", "toxic")

    def __init__(self, toxic: Toxic, tally: Tally, now_s: float) -> None:
        self.toxic = toxic
        self.began_s = now_s
        self.free_s = 0.0
        self.passed_bytes = 0
        self.dropped = False
        self._tally = tally
        self._counted = False

    def count(self, size_bytes: int) -> None:
        """It acted on so many bytes; 0: on the connection itself."""
        self._tally.acts += 1
        self._tally.bytes += size_bytes
        if not self._counted:
            self._counted = True
            self._tally.connections += 1

    def ends_at(self) -> tuple[float, Ending] | None:
        """When it ends the connection, and how."""
        ending = self.toxic.ends_after_s()
        return (self.began_s + ending[0], ending[1]) if ending else None


class Flow:
    """The bytes that are on their way in one direction: at most what is `full`, and one read above."""

    __slots__ = ("_dice", "_limit_bytes", "_paced_s", "_since_s", "acting", "waiting", "waiting_bytes")

    def __init__(self, dice: Dice) -> None:
        self.acting: tuple[Acting, ...] = ()
        self.waiting: deque[Piece] = deque()
        self.waiting_bytes = 0
        self._dice = dice
        self._limit_bytes = NARROW_BYTES
        self._paced_s = 0.0
        self._since_s = 0.0

    def is_full(self) -> bool:
        """Whether nothing more shall be read for now."""
        return self.waiting_bytes >= self._limit_bytes or len(self.waiting) >= MOST_PIECES

    def replace(self, acting: tuple[Acting, ...], now_s: float, *, keeps_pace: bool = True) -> None:
        """Other toxics from now on: what waits is due as if they alone had been there when it came.

        Args:
            acting: The toxics, in their order.
            now_s: The moment.
            keeps_pace: Whether what an HTTP fault holds back or slows stays so.
        """
        waiting = tuple(self.waiting)
        self.waiting.clear()
        self.waiting_bytes = 0
        self._paced_s = 0.0
        self._since_s = now_s
        self.acting = acting
        for one in acting:
            one.free_s = now_s
        self._limit_bytes = WIDE_BYTES if any(isinstance(one.toxic, Latency) for one in acting) else NARROW_BYTES
        for piece in waiting:
            again = piece._replace(due_s=piece.arrived_s)
            self._push(again if keeps_pace else again._replace(hold_s=0.0, pace_bytes_per_s=0.0), is_new=False)

    def push(self, data: bytes, now_s: float, *, hold_s: float = 0.0, pace_bytes_per_s: float = 0.0) -> None:
        """Bytes have come, perhaps with what an HTTP fault makes of their speed."""
        self._push(Piece(data, now_s, now_s, hold_s, pace_bytes_per_s), is_new=True)

    def _push(self, piece: Piece, *, is_new: bool) -> None:
        pieces = self._at_pace(piece)
        for one in self.acting:
            if not pieces:
                return
            if one.toxic.acts_on_data():
                if is_new:
                    one.count(sum(len(piece.data) for piece in pieces))
                one.dropped |= one.toxic.DROPS
            pieces, one.free_s = one.toxic.pass_on(pieces, one.free_s, self._dice)
        self.waiting.extend(pieces)
        self.waiting_bytes += sum(len(piece.data) for piece in pieces)

    def _at_pace(self, piece: Piece) -> list[Piece]:
        if not (piece.hold_s or piece.pace_bytes_per_s) and self._paced_s <= piece.due_s:
            return [piece]
        self._paced_s = max(self._paced_s, piece.due_s + piece.hold_s)
        held = piece._replace(due_s=self._paced_s)
        if not piece.pace_bytes_per_s:
            return [held]
        free_s = max(self._paced_s, self._since_s)  # what a line did not carry before it changed is not saved up
        parts, self._paced_s = at_pace(held, piece.pace_bytes_per_s, free_s)
        return parts

    def take(self, now_s: float) -> Piece | None:
        """The next piece that is due, if one is; it no longer waits."""
        if not self.waiting or self.waiting[0].due_s > now_s:
            return None
        piece = self.waiting.popleft()
        self.waiting_bytes -= len(piece.data)
        return piece

    def put_back(self, piece: Piece, rest: bytes) -> None:
        """What of a piece was not taken by the other end waits again, before all else."""
        self.waiting.appendleft(piece._replace(data=rest))
        self.waiting_bytes += len(rest)

    def next_due_s(self) -> float | None:
        """When the next piece is due; None: nothing waits."""
        return self.waiting[0].due_s if self.waiting else None

    def allowance(self) -> tuple[int, Acting] | None:
        """How many bytes may still pass before a limit closes the connection, and whose limit that is."""
        if not self.acting:
            return None
        limits = [
            (most - one.passed_bytes, one) for one in self.acting if (most := one.toxic.passes_bytes()) is not None
        ]
        return min(limits, key=lambda limit: limit[0]) if limits else None

    def passed(self, size_bytes: int) -> None:
        """So many bytes were handed to the other end."""
        for one in self.acting:
            one.passed_bytes += size_bytes

    def holding_close(self) -> list[Acting]:
        """The toxics that hold the stream's end back."""
        return [one for one in self.acting if one.toxic.holds_close_s()]

    def drops(self) -> bool:
        """Whether nothing passes now, not even the end of the stream."""
        return any(one.toxic.DROPS for one in self.acting)
