"""Reads a records file while it grows."""

from __future__ import annotations

from pathlib import Path

import msgspec

from bascule.kernel.errors import InputError
from bascule.measure.records import MAX_LINE_BYTES, Record


class RecordTail:
    """Gives each whole record of a growing file once, in the order in which they were written."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._offset = 0
        self._torn = b""
        self._decoder = msgspec.json.Decoder(Record)

    def new(self) -> list[Record]:
        """The records since the last call; none while the file is not there yet.

        Raises:
            InputError: A whole line is no record, or the file became shorter.
        """
        try:
            with self._path.open("rb") as file:
                size = file.seek(0, 2)
                if size < self._offset:
                    raise InputError("the records file became shorter", where=str(self._path))
                file.seek(self._offset)
                block = file.read()
        except FileNotFoundError:
            return []
        self._offset += len(block)
        *lines, self._torn = (self._torn + block).split(b"\n")
        if len(self._torn) > MAX_LINE_BYTES:
            raise InputError("the record is too long", where=str(self._path), hint=f"at most {MAX_LINE_BYTES} bytes")
        try:
            return [self._decoder.decode(line) for line in lines]
        except msgspec.DecodeError as error:
            raise InputError(f"not a record: {error}", where=str(self._path)) from error
