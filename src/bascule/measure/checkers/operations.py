"""What clients asked of one object and what they were told: the histories that checkers judge. Pure."""

from __future__ import annotations

import math
from typing import Literal

from msgspec import Struct

Fate = Literal["ok", "failed", "unknown"]
Kind = Literal[
    "write", "read", "add", "members", "append", "list", "enqueue", "dequeue", "effect", "drained"
]  # fmt: skip
Value = int | tuple[int, ...] | None


class Operation(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """One operation of one client on one object. Times are seconds of one clock that all clients share.

    Attributes:
        kind: What was asked: of a register `write`, `read`; of a set `add`, `members`; of a list `append`, `list`; of a
            queue `enqueue`, `dequeue`, the `effect` that a message had, and `drained`, a look that found it empty.
        key: Of which object. Objects are judged one by one.
        value: What was written or what was read; None: nothing was there. What is written to an object is unique in it.
        invoked_s: When it was sent, at the earliest.
        returned_s: When it was answered, at the latest; without meaning unless the fate is `ok`.
        fate: `ok` it was acknowledged; `failed` it surely did not happen; `unknown` it may have happened, at any time
            after it was sent.
        client: Who did it, for people.
    """

    kind: Kind
    key: str
    value: Value
    invoked_s: float
    returned_s: float
    fate: Fate = "ok"
    client: str = ""

    @property
    def done_s(self) -> float:
        """When it had surely taken effect: `returned_s`, or never."""
        return self.returned_s if self.fate == "ok" else math.inf

    def __str__(self) -> str:
        """As it stands in an example."""
        who = f" by {self.client}" if self.client else ""
        until = f"{self.returned_s:.3f}" if self.fate == "ok" else "?"
        return f"{self.kind} {self.value}{who} ({self.invoked_s:.3f} to {until} s)"
