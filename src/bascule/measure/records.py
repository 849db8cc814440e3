"""The evidence: one record per offered operation, appended as a line of JSON, and read back with suspicion."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.kernel.errors import InputError

Outcome = Literal["good", "late", "failed", "unknown"]
MAX_LINE_BYTES = 4096


class Record(Struct, frozen=True, array_like=True):
    """What became of one operation. All times are seconds of CLOCK_MONOTONIC of this machine.

    Attributes:
        number: Unique in its client; written into the system by operations that write.
        operation: Name of its kind in the mix.
        due_s: When it was due; its latency runs from here, sent or not.
        sent_s: When it was first sent; 0.0 if never.
        done_s: When its fate was known.
        outcome: `good` acknowledged within the deadline; `late` acknowledged after it; `failed` refused, so it surely
            did not happen or the server said so; `unknown` timed out or cut off after it was sent.
        writes: Its acknowledgement promises that `number` is stored.
        epoch: Epoch in which it was acknowledged; 0 when not told.
        server: Who acknowledged it; empty when not told.
        target: Which address it was sent to last.
        attempts: How often it was sent.
        error: A few words on why it was not acknowledged; empty otherwise.
    """

    number: int
    operation: str
    due_s: float
    sent_s: float
    done_s: float
    outcome: Outcome
    writes: bool = False
    epoch: int = 0
    server: str = ""
    target: str = ""
    attempts: int = 1
    error: str = ""

    @property
    def latency_s(self) -> float:
        """Seconds from due to done."""
        return self.done_s - self.due_s

    @property
    def acknowledged(self) -> bool:
        """Whether the system said yes, in time or late."""
        return self.outcome in {"good", "late"}


_encoder = msgspec.json.Encoder()
_decoder = msgspec.json.Decoder(Record)


def encode(record: Record) -> bytes:
    """One line, newline included."""
    return _encoder.encode(record) + b"\n"


def read(path: Path) -> Iterator[Record]:
    """Every whole record of a file. A torn last line (its writer was killed) is left out.

    Raises:
        InputError: A line that is not the last one is no record; the message names the line.
    """
    with path.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if not line.endswith(b"\n"):
                return
            if len(line) > MAX_LINE_BYTES:
                raise InputError(
                    "the record is too long", where=f"{path}:{number}", hint=f"at most {MAX_LINE_BYTES} bytes"
                )
            try:
                yield _decoder.decode(line)
            except msgspec.DecodeError as error:
                raise InputError(f"not a record: {error}", where=f"{path}:{number}") from error
