"""What can happen to what is read from and written to a host's disk, and how often it did. Pure."""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import Meta, Struct

DiskKind = Literal["full", "slow", "read-only", "sync-error"]
Step = Literal["", "create", "write", "sync"]


class DiskTrouble(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is wrong with a disk. What it is not about passes untouched.

    Attributes:
        kind: `full`: files cannot grow, and none can be made (ENOSPC). `slow`: reads, writes and syncs take longer.
            `read-only`: nothing can be changed (EROFS). `sync-error`: fsync, fdatasync and msync fail (EIO).
        spare_bytes: So much fits on a `full` disk still; what is removed makes room.
        delay_s: Each operation on a `slow` disk takes so much longer, beside others.
        rate_bytes_per_s: A `slow` disk moves no more than that, one operation after the other; 0 means no bound.
    """

    kind: DiskKind
    spare_bytes: Annotated[int, Meta(ge=0)] = 0
    delay_s: Annotated[float, Meta(ge=0.0, le=2.0)] = 0.0
    rate_bytes_per_s: Annotated[float, Meta(ge=0.0)] = 0.0


class DiskCounts(Struct, frozen=True, kw_only=True):
    """How many operations a trouble was about, and how many of them it hit."""

    met: int = 0
    hit: int = 0


class DiskTry(Struct, frozen=True, kw_only=True):
    """What became of a small file that a program on the host made, wrote, synced and removed.

    Attributes:
        error: The kernel's name of the error (`ENOSPC`); empty when all went well.
        step: At which step it came.
        took_s: Seconds until then.
    """

    error: str = ""
    step: Step = ""
    took_s: float = 0.0


class LostWrites(Struct, frozen=True, kw_only=True):
    """What a disk lost when its host lost power: in so many files, so many bytes that no fsync had asked for."""

    files: int = 0
    size_bytes: int = 0
