"""The toxics: what each does to the bytes of one direction, as data, under the names that Toxiproxy uses. Pure.

A toxic passes pieces on: it may cut them, drop them, or move the moment at which they are due. Order is always kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal, NamedTuple

from msgspec import Meta, Struct

from bascule.kernel.dice import Dice

Stream = Literal["upstream", "downstream"]
"""The direction that is hit: from the client to the server, or from the server to the client."""
Ending = Literal["close", "reset"]
Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Bytes = Annotated[int, Meta(ge=0, le=2**40)]
SomeBytes = Annotated[int, Meta(ge=1, le=2**40)]
Chance = Annotated[float, Meta(ge=0, le=1)]
Name = Annotated[str, Meta(max_length=64, pattern=r"^[A-Za-z0-9_.-]*$")]
PIECE_S = 0.05
"""A bandwidth lets so much time's worth of bytes through at once: short enough to flow, long enough to be cheap."""


class Piece(NamedTuple):
    """Bytes on their way.

    Attributes:
        arrived_s: When they came.
        due_s: When they may go on.
        hold_s: By how much an HTTP fault holds them back.
        pace_bytes_per_s: How fast an HTTP fault lets them pass; 0: at any speed.
    """

    data: bytes
    arrived_s: float
    due_s: float
    hold_s: float = 0.0
    pace_bytes_per_s: float = 0.0


class Toxic(Struct, frozen=True, kw_only=True, tag_field="toxic", forbid_unknown_fields=True):
    """Something that is wrong with one direction of a connection.

    Attributes:
        stream: The direction.
        toxicity: The share of connections that it hits; decided once for each connection.
        name: What it is counted under; its type and direction unless said otherwise.
    """

    DROPS: ClassVar[bool] = False

    stream: Stream = "downstream"
    toxicity: Chance = 1.0
    name: Name = ""

    @property
    def label(self) -> str:
        """What it is counted under."""
        return self.name or f"{self.__struct_config__.tag}_{self.stream}"

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """What becomes of pieces, in their order.

        Args:
            pieces: What comes, each with the moment at which it is due so far.
            free_s: Until when the toxic is busy with what came before.
            dice: Luck.

        Returns:
            The pieces that go on, and until when the toxic is busy now.
        """
        del dice
        return list(pieces), free_s

    def acts_on_data(self) -> bool:
        """Whether bytes that pass are delayed, cut or dropped by it."""
        return False

    def ends_after_s(self) -> tuple[float, Ending] | None:
        """How long after it began to act on a connection it ends that connection, and how; None: never."""
        return None

    def holds_close_s(self) -> float:
        """How long the end of the stream is held back."""
        return 0.0

    def passes_bytes(self) -> int | None:
        """How many bytes may pass before the connection is closed; None: any number."""
        return None


class Latency(Toxic, frozen=True, kw_only=True, tag="latency"):
    """Every piece comes later by `latency_s`, more or less `jitter_s`."""

    latency_s: Seconds
    jitter_s: Seconds = 0.0

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """Later, and never before what came before."""
        late: list[Piece] = []
        for piece in pieces:
            jitter_s = dice.uniform(-self.jitter_s, self.jitter_s) if self.jitter_s else 0.0
            free_s = max(free_s, piece.due_s + max(0.0, self.latency_s + jitter_s))
            late.append(piece._replace(due_s=free_s))
        return late, free_s

    def acts_on_data(self) -> bool:
        """It does, unless it waits for nothing."""
        return self.latency_s + self.jitter_s > 0


class Bandwidth(Toxic, frozen=True, kw_only=True, tag="bandwidth"):
    """No more than `rate_bytes_per_s` pass."""

    rate_bytes_per_s: SomeBytes

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """Cut small, and each part due when the line has carried it."""
        del dice
        slow: list[Piece] = []
        for piece in pieces:
            paced, free_s = at_pace(piece, self.rate_bytes_per_s, free_s)
            slow += paced
        return slow, free_s

    def acts_on_data(self) -> bool:
        """It does."""
        return True


class SlowClose(Toxic, frozen=True, kw_only=True, tag="slow_close"):
    """The end of the stream comes `delay_s` late; its bytes do not."""

    delay_s: Seconds

    def holds_close_s(self) -> float:
        """As long as it says."""
        return self.delay_s


class Timeout(Toxic, frozen=True, kw_only=True, tag="timeout"):
    """All bytes are dropped, and the connection is closed after `timeout_s`; 0: it is held for ever."""

    DROPS: ClassVar = True

    timeout_s: Seconds

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """Nothing."""
        del pieces, dice
        return [], free_s

    def acts_on_data(self) -> bool:
        """It does."""
        return True

    def ends_after_s(self) -> tuple[float, Ending] | None:
        """By an orderly end, if it has one."""
        return (self.timeout_s, "close") if self.timeout_s else None


class ResetPeer(Toxic, frozen=True, kw_only=True, tag="reset_peer"):
    """All bytes are dropped, and both ends are reset (TCP RST) after `timeout_s`; 0: at once."""

    DROPS: ClassVar = True

    timeout_s: Seconds = 0.0

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """Nothing."""
        del pieces, dice
        return [], free_s

    def acts_on_data(self) -> bool:
        """It does."""
        return True

    def ends_after_s(self) -> tuple[float, Ending] | None:
        """By a reset."""
        return self.timeout_s, "reset"


class Slicer(Toxic, frozen=True, kw_only=True, tag="slicer"):
    """Pieces are cut to `average_bytes`, more or less `variation_bytes`, with `delay_s` between them."""

    average_bytes: SomeBytes
    variation_bytes: Bytes = 0
    delay_s: Seconds = 0.0

    def pass_on(self, pieces: Sequence[Piece], free_s: float, dice: Dice) -> tuple[list[Piece], float]:
        """Cut, with a pause after each slice."""
        slices: list[Piece] = []
        for piece in pieces:
            start = 0
            while start < len(piece.data):
                end = start + self._size_bytes(dice)
                due_s = max(free_s, piece.due_s)
                slices.append(piece._replace(data=piece.data[start:end], due_s=due_s))
                free_s, start = due_s + self.delay_s, end
        return slices, free_s

    def _size_bytes(self, dice: Dice) -> int:
        if not self.variation_bytes:
            return self.average_bytes
        return max(1, self.average_bytes + round(dice.uniform(-self.variation_bytes, self.variation_bytes)))

    def acts_on_data(self) -> bool:
        """It does."""
        return True


class LimitData(Toxic, frozen=True, kw_only=True, tag="limit_data"):
    """The connection is closed when `bytes` of the stream have passed."""

    bytes: Bytes

    def passes_bytes(self) -> int | None:
        """As many as it says."""
        return self.bytes


AnyToxic = Latency | Bandwidth | SlowClose | Timeout | ResetPeer | Slicer | LimitData


def is_hit(toxic: Toxic, dice: Dice) -> bool:
    """Whether a connection is hit; asked once for each connection, so that a toxicity is a share of connections."""
    if toxic.toxicity >= 1.0:
        return True
    return dice.uniform(0.0, 1.0) < toxic.toxicity


def at_pace(piece: Piece, rate_bytes_per_s: float, free_s: float) -> tuple[list[Piece], float]:
    """A piece cut small, each part due when a line of that rate has carried it; and when the line is free again."""
    size_bytes = max(1, int(rate_bytes_per_s * PIECE_S))
    parts: list[Piece] = []
    for start in range(0, len(piece.data), size_bytes):
        part = piece.data[start : start + size_bytes]
        free_s = max(free_s, piece.due_s) + len(part) / rate_bytes_per_s
        parts.append(piece._replace(data=part, due_s=free_s))
    return parts, free_s
