"""The journal of what was injected: written, and on the disk, before anything acts; read by whoever must undo it."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.chaos.faults import AnyFault
from bascule.kernel.errors import InputError

State = Literal["planned", "active", "undone"]
MAX_BYTES = 16 * 2**20
MAX_LINE_BYTES = 65536


class PlatformRef(Struct, frozen=True, kw_only=True):
    """Where a fault acts, so that another process can find it again: `lab`, and the lab's directory."""

    kind: str
    directory: str


class Entry(Struct, frozen=True, kw_only=True):
    """One line: what became of a fault. The last line of an `id` says how it stands.

    Attributes:
        at_s: CLOCK_MONOTONIC seconds, for people.
    """

    id: int
    state: State
    fault: AnyFault
    platform: PlatformRef
    at_s: float


class Journal:
    """An append-only file of entries, each on the disk before `write` returns.

    Args:
        path: Made when the first entry is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, entry: Entry) -> None:
        """Append an entry durably.

        Raises:
            OSError: The disk is full or gone; then the fault must not be injected.
        """
        line = msgspec.json.encode(entry) + b"\n"
        descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            if os.write(descriptor, line) != len(line):
                raise OSError(f"the journal {self.path} could not be written whole")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def entries(self) -> tuple[Entry, ...]:
        """Every entry, in order. A torn last line is left out: what it would have announced never acted.

        Raises:
            InputError: The file is too large, or a whole line is no entry.
        """
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return ()
        if len(text) > MAX_BYTES:
            raise InputError(f"the journal is larger than {MAX_BYTES >> 20} MiB", where=str(self.path))
        lines = text.split(b"\n")
        return tuple(self._decode(line, number) for number, line in enumerate(lines[:-1], 1) if line)

    def _decode(self, line: bytes, number: int) -> Entry:
        if len(line) > MAX_LINE_BYTES:
            raise InputError("the entry is too long", where=f"{self.path}:{number}")
        try:
            return msgspec.json.decode(line, type=Entry)
        except msgspec.DecodeError as error:
            raise InputError(f"not an entry of a journal: {error}", where=f"{self.path}:{number}") from error

    def pending(self) -> tuple[Entry, ...]:
        """What is not undone yet, the latest first: the order in which it is to be undone."""
        return pending(self.entries())


def pending(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The last entry of each fault that is not undone, the latest fault first. Pure."""
    last = {entry.id: entry for entry in entries}
    return tuple(last[key] for key in sorted(last, reverse=True) if last[key].state != "undone")
