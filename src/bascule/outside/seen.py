"""What a target was when it was met. Pure."""

from __future__ import annotations

from msgspec import Struct


class Seen(Struct, frozen=True, kw_only=True):
    """One target, as the agent beside it found it.

    Attributes:
        pid: Its main process; 0 if it has none.
        start: Start time of that process, in the kernel's ticks.
        command: The kernel's name for it.
        program: The file that it runs.
        words: Of its command line.
        user: To whom it belongs.
        processes: How many it has.
        boot: This run of its machine.
        host: Its machine's own name.
        refusal: By control, why it has none of that; empty where it has.
    """

    pid: int
    start: int
    command: str
    program: str
    words: tuple[str, ...]
    user: str
    processes: int
    boot: str
    host: str
    refusal: dict[str, str]
