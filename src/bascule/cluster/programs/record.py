"""Which program was started for a term, known to whoever comes after the process that started it."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec
from msgspec import Struct, field

from bascule.cluster.programs import bound
from bascule.cluster.programs.processes import Process, boot_id, process
from bascule.kernel.errors import ActuatorError

LIMIT_BYTES = 64 * 1024


class Record(Struct, frozen=True, kw_only=True):
    """What was started.

    Attributes:
        pid: The number of the process.
        start: When it began, in ticks since the boot: what tells it from a later one of the same number.
        boot: During which boot.
        term: The variables of its environment that say for which term.
    """

    pid: int
    start: int
    boot: str
    term: dict[str, str] = field(default_factory=dict)

    @property
    def process(self) -> Process | None:
        """The process that was started, if it lives; no later one of the same number."""
        found = process(self.pid) if self.is_of_this_boot else None
        return found if found is not None and found.start == self.start and not found.is_dead else None

    @property
    def is_of_this_boot(self) -> bool:
        """Numbers of an earlier boot mean nothing."""
        return self.boot == boot_id()


class RecordFile:
    """A file below a directory that nobody else can write to.

    Args:
        directory: Made when it is missing.
        name: Of the file.
    """

    def __init__(self, directory: str, name: str) -> None:
        self.path = Path(directory) / f"{name}.started"

    def prepare(self) -> None:
        """See that the record can be written.

        Raises:
            ActuatorError: Its directory cannot be made, or others can write to it.
        """
        directory = self.path.parent
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            found = directory.stat()
        except OSError as error:
            hint = "RuntimeDirectory=bascule in the agent's unit"
            raise ActuatorError(f"no record can be kept: {error.strerror}", where=str(directory), hint=hint) from error
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH) or found.st_uid not in {0, os.geteuid()}:
            what = "others may write to the directory of the records, and have us end any process"
            raise ActuatorError(what, where=str(directory), hint="chmod 700, and owned by the agent's user")

    def read(self) -> Record | None:
        """What was started last; None when that was undone.

        Raises:
            ActuatorError: Nobody can say.
        """
        try:
            with self.path.open("rb") as file:
                found = os.fstat(file.fileno())
                content = file.read(LIMIT_BYTES)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise ActuatorError(f"the record cannot be read: {error.strerror}", where=str(self.path)) from error
        if found.st_uid not in {0, os.geteuid()} or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise ActuatorError("the record may be somebody else's", where=str(self.path), hint="look at it; remove it")
        try:
            return msgspec.json.decode(content, type=Record)
        except msgspec.MsgspecError as error:
            what = f"the record is damaged: {error}"
            hint = "see that nothing of it runs, then remove it"
            raise ActuatorError(what, where=str(self.path), hint=hint) from error

    def remove(self) -> None:
        """What was started is undone.

        Raises:
            ActuatorError: The record stays.
        """
        try:
            self.path.unlink(missing_ok=True)
        except OSError as error:
            raise ActuatorError(f"the record cannot be removed: {error.strerror}", where=str(self.path)) from error

    def bound(self, argv: Sequence[str], *, until_s: float, dies: bool) -> list[str]:
        """The arguments that run a program so that it is recorded before it begins.

        Args:
            argv: The program and its arguments.
            until_s: When the validity ends, on `CLOCK_BOOTTIME`: it does not begin later.
            dies: The kernel kills it when the calling thread ends.
        """
        before = [sys.executable, "-I", "-S", bound.__file__]
        return [*before, str(os.getpid()), repr(until_s), str(self.path), "1" if dies else "0", "--", *argv]
