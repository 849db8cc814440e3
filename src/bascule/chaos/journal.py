"""The journal of what was injected: written, and on the disk, before anything acts; read by whoever must undo it."""

from __future__ import annotations

import errno
import fcntl
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
    """Where a fault acts, so that another process can find it again: `lab`, and the lab's directory.

    Attributes:
        identity: Tells this platform from a later one in the same place; empty if it has no such mark.
        target: What it is outside the lab, as `bascule chaos inject --on` names it; the kind is `local` or `ssh` then.
        ssh_config: The configuration by which ssh reaches it; empty for the user's own.
    """

    kind: str
    directory: str
    identity: str = ""
    target: str = ""
    ssh_config: str = ""


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


class Contents(Struct, frozen=True, kw_only=True):
    """What a journal says.

    Attributes:
        entries: In order.
        problems: One for each whole line that is no entry. What such a line announced is not known.
    """

    entries: tuple[Entry, ...]
    problems: tuple[InputError, ...] = ()


class Journal:
    """An append-only file of entries, each on the disk before `write` returns. Several processes may write it.

    Args:
        path: Made when the first entry is written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, entry: Entry) -> None:
        """Append an entry durably, on a line of its own even if an earlier writer died in the middle of one.

        What could not be read back is refused; and room is kept for saying that everything was undone.

        Raises:
            OSError: The disk is full or gone, or the journal is full; then the fault must not be injected.
        """
        line = msgspec.json.encode(entry) + b"\n"
        if len(line) > MAX_LINE_BYTES:
            raise OSError(errno.EMSGSIZE, "the fault is too large for a journal", str(self.path))
        is_new = not self.path.exists()
        descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            end = _drop_torn_line(descriptor)
            if entry.state == "planned" and end > MAX_BYTES // 2:
                raise OSError(errno.EFBIG, "the journal is full", str(self.path))
            if os.write(descriptor, line) != len(line):
                os.ftruncate(descriptor, end)
                raise OSError(f"the journal {self.path} could not be written whole")
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            _sync_directory(self.path.parent)

    def read(self) -> Contents:
        """Every entry, and what cannot be read. A torn last line is left out: what it would have announced never acted.

        Raises:
            InputError: The file is too large to be a journal.
            OSError: It cannot be read.
        """
        try:
            with self.path.open("rb") as stream:
                text = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            return Contents(entries=())
        if len(text) > MAX_BYTES:
            raise InputError(f"the journal is larger than {MAX_BYTES >> 20} MiB", where=str(self.path))
        entries: list[Entry] = []
        problems: list[InputError] = []
        for number, line in enumerate(text.split(b"\n")[:-1], 1):
            try:
                entries += [self._decode(line, number)] if line else []
            except InputError as error:
                problems.append(error)
        return Contents(entries=tuple(entries), problems=tuple(problems))

    def entries(self) -> tuple[Entry, ...]:
        """Every entry, in order.

        Raises:
            InputError: The file is too large, or a whole line is no entry.
        """
        contents = self.read()
        if contents.problems:
            raise contents.problems[0]
        return contents.entries

    def _decode(self, line: bytes, number: int) -> Entry:
        if len(line) > MAX_LINE_BYTES:
            raise InputError("the entry is too long", where=f"{self.path}:{number}")
        try:
            return msgspec.json.decode(line, type=Entry)
        except (msgspec.DecodeError, RecursionError) as error:
            hint = "what it announced is not known: look at the platform, or end it (bascule lab down)"
            raise InputError(f"not an entry of a journal: {error}", where=f"{self.path}:{number}", hint=hint) from error

    def pending(self) -> tuple[Entry, ...]:
        """What is not undone yet, the latest first: the order in which it is to be undone."""
        return pending(self.entries())


def pending(entries: Iterable[Entry]) -> tuple[Entry, ...]:
    """The last entry of each fault that is not undone, the latest fault first. Pure."""
    last = {entry.id: entry for entry in entries}
    return tuple(last[key] for key in sorted(last, reverse=True) if last[key].state != "undone")


def _drop_torn_line(descriptor: int) -> int:
    """Cut off a last line that has no end: its writer died before it could act. Returns where the next line begins."""
    size = os.fstat(descriptor).st_size
    tail_from = max(0, size - MAX_BYTES)
    tail = os.pread(descriptor, size - tail_from, tail_from)
    if not tail or tail.endswith(b"\n"):
        return size
    end = tail_from + tail.rfind(b"\n") + 1
    os.ftruncate(descriptor, end)
    return end


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
