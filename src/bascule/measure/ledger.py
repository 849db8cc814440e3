"""The files of a load client: one record per operation, appended, and its status, replaced as a whole."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import msgspec

from bascule.kernel.errors import MachineError
from bascule.measure import records
from bascule.measure.plan import Phase, Plan, Status
from bascule.measure.records import Record

ERROR_LENGTH = 160


class Ledger:
    """Keeps every record until `flush` appends it, and counts. What was flushed survives this process.

    Raises:
        MachineError: A file cannot be written.
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

    def add(self, record: Record) -> None:
        """Take one record."""
        if len(record.error) > ERROR_LENGTH:
            record = msgspec.structs.replace(record, error=record.error[:ERROR_LENGTH])
        self._counts[record.outcome] += 1
        self._lines.append(records.encode(record))

    def flush(self) -> None:
        """Append what was taken since the last time, whole lines in one go."""
        if not self._lines:
            return
        block = memoryview(b"".join(self._lines))
        self._lines.clear()
        try:
            while block:
                block = block[os.write(self._file, block) :]
        except OSError as error:
            raise _unwritable(self._plan.records, error) from error

    def tell(self) -> Status:
        """The status as it is now, which also replaces the status file."""
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
        path = Path(self._plan.status)
        draft = path.with_name(path.name + ".new")
        try:
            draft.write_bytes(msgspec.json.encode(status))
            draft.replace(path)
        except OSError as error:
            raise _unwritable(str(path), error) from error
        return status

    def close(self) -> None:
        """Write all, durably, and say that it is done."""
        self.flush()
        try:
            os.fsync(self._file)
        except OSError as error:
            raise _unwritable(self._plan.records, error) from error
        finally:
            os.close(self._file)
        self.phase = "done"
        self.tell()


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
