"""The files of a load client: one record per operation, appended, and its status, replaced as a whole.

A thread of its own writes them: a busy disk may hold up a write for half a second, and must not hold up the load.
"""

from __future__ import annotations

import os
import queue
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import msgspec

from bascule.kernel.errors import MachineError
from bascule.measure import records
from bascule.measure.plan import Phase, Plan, Status
from bascule.measure.records import Record

ERROR_LENGTH = 160


class Ledger:
    """Keeps every record until `flush` hands it to the writing thread, and counts. What was written stays.

    Raises:
        MachineError: A file cannot be written; raised by the next call after the writing thread found out.
    """

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._lines: list[bytes] = []
        self._counts: Counter[str] = Counter()
        self.phase: Phase = "connecting"
        self.offered = 0
        self.lag_max_s = 0.0
        self.in_flight = 0
        self.last_number = 0
        self.started_s = 0.0
        self.error = ""
        try:
            self._file = os.open(plan.records, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise _unwritable(plan.records, error) from error
        self._work: queue.SimpleQueue[tuple[bytes, bytes] | None] = queue.SimpleQueue()
        self._failure: MachineError | None = None
        self._writer = threading.Thread(target=self._write_all, name="ledger", daemon=True)
        self._writer.start()

    def _write_all(self) -> None:
        while (work := self._work.get()) is not None:
            self._attempt(partial(self._append, work[0]))
            self._attempt(partial(self._replace_status, work[1]))
        self._attempt(self._sync)

    def _attempt(self, write: Callable[[], object]) -> None:
        """Write, unless a write failed already; the first failure is kept for the next call from outside."""
        if self._failure is None:
            try:
                write()
            except MachineError as error:
                self._failure = error

    def _sync(self) -> None:
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _unwritable(self._plan.records, error) from error

    def _append(self, text: bytes) -> None:
        block = memoryview(text)
        try:
            while block:
                block = block[os.write(self._file, block) :]
        except OSError as error:
            raise _unwritable(self._plan.records, error) from error

    def _replace_status(self, text: bytes) -> None:
        if not text:
            return
        path = Path(self._plan.status)
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_bytes(text)
            draft.replace(path)
        except OSError as error:
            raise _unwritable(str(path), error) from error

    def _hand_over(self, lines: bytes, status: bytes) -> None:
        if self._failure is not None:
            raise self._failure
        self._work.put((lines, status))

    def add(self, record: Record) -> None:
        """Take one record."""
        if len(record.error) > ERROR_LENGTH:
            record = msgspec.structs.replace(record, error=record.error[:ERROR_LENGTH])
        self._counts[record.outcome] += 1
        self._lines.append(records.encode(record))

    def flush(self) -> None:
        """Hand what was taken since the last time to the writing thread, whole lines in one go."""
        if self._lines:
            block = b"".join(self._lines)
            self._lines.clear()
            self._hand_over(block, b"")

    def tell(self) -> Status:
        """The status as it is now, with which the status file is replaced soon."""
        status = Status(
            client=self._plan.client,
            phase=self.phase,
            sent=self.offered,
            acked=self._counts["good"],
            late=self._counts["late"],
            failed=self._counts["failed"],
            unknown=self._counts["unknown"],
            lag_max_s=self.lag_max_s,
            in_flight=self.in_flight,
            last_number=self.last_number,
            started_s=self.started_s,
            error=self.error,
        )
        self._hand_over(b"", msgspec.json.encode(status))
        return status

    def close(self) -> None:
        """Write all, durably, and say that it is done."""
        try:
            self.flush()
            self.phase = "done"
            self.tell()
        finally:
            self._work.put(None)
            self._writer.join()
            os.close(self._file)
        if self._failure is not None:
            raise self._failure


def _unwritable(path: str, error: OSError) -> MachineError:
    return MachineError(
        f"cannot write: {error.strerror}", where=path, hint="free some space, or choose another directory"
    )


def read_status(path: Path) -> Status | None:
    """The status of a load client; None before its first.

    Raises:
        MachineError: The file is there but is no status.
    """
    try:
        return msgspec.json.decode(path.read_bytes(), type=Status)
    except FileNotFoundError:
        return None
    except msgspec.DecodeError as error:
        raise MachineError(f"not a status: {error}", where=str(path)) from error
