"""Histories as files: a header, then one operation a line; written as a whole, and read back with suspicion.

::

    {"history":"bascule","version":1}
    ["write","balance",1,0.1,0.25,"ok","client-1"]
    ["read","balance",1,0.3,0.41,"ok","client-2"]
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.kernel.errors import InputError, MachineError
from bascule.measure.checkers import Operation

LIMIT_BYTES = 4 * 2**30
HEADER_LIMIT_BYTES = 4096
LINE_LIMIT_BYTES = 64 * 2**20
_SHOWN = 60


class Header(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The first line of a history.

    Attributes:
        history: What tells it from other files.
        version: Of the format.
        note: For people.
    """

    history: Literal["bascule"] = "bascule"
    version: Literal[1] = 1
    note: str = ""


_decoder = msgspec.json.Decoder(Operation)
_header = msgspec.json.Decoder(Header)


def is_history(path: Path) -> bool:
    """Whether the file begins as a history does.

    Raises:
        OSError: It cannot be read.
    """
    with path.open("rb") as stream:
        return stream.read(HEADER_LIMIT_BYTES).lstrip().startswith(b'{"history"')


def read_history(path: Path) -> list[Operation]:
    """Every operation of a history. A torn last line (its writer was killed) is left out.

    Raises:
        InputError: The file is too large, or a line is no operation; the message names the line.
        OSError: It cannot be read.
    """
    if path.stat().st_size > LIMIT_BYTES:
        raise InputError(f"the history is larger than {LIMIT_BYTES >> 30} GiB", where=str(path))
    with path.open("rb") as stream:
        first = stream.readline(HEADER_LIMIT_BYTES)
        try:
            _header.decode(first)
        except msgspec.DecodeError as error:
            hint = 'its first line must be {"history":"bascule","version":1}'
            raise InputError(f"not a history: {error}", where=f"{path}:1", hint=hint) from error
        text = stream.read()
    whole = text[: text.rfind(b"\n") + 1]
    try:
        return _decoder.decode_lines(whole)
    except (msgspec.DecodeError, RecursionError) as error:
        raise _fault(path, whole, error) from error


def _fault(path: Path, text: bytes, error: Exception) -> InputError:
    """Which line it was."""
    for number, line in enumerate(text.split(b"\n"), 2):
        if not line:
            continue
        if len(line) > LINE_LIMIT_BYTES:
            return InputError("the operation is too long", where=f"{path}:{number}")
        try:
            _decoder.decode(line)
        except (msgspec.DecodeError, RecursionError) as cause:
            shown = line[:_SHOWN].decode(errors="replace")
            hint = 'an operation is [kind, key, value, invoked_s, returned_s, "ok" | "failed" | "unknown", client]'
            return InputError(f"not an operation: {cause}: {shown}", where=f"{path}:{number}", hint=hint)
    return InputError(f"not a history: {error}", where=str(path))


def write_history(path: Path, operations: Iterable[Operation], *, note: str = "") -> None:
    """Write a history durably, as a whole or not at all.

    Raises:
        MachineError: The file cannot be written.
    """
    draft = path.with_name(path.name + ".new")
    encode = msgspec.json.Encoder().encode
    try:
        with draft.open("wb") as file:
            file.write(encode(Header(note=note)) + b"\n")
            file.writelines(encode(one) + b"\n" for one in operations)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    except OSError as error:
        raise MachineError(f"cannot write: {error.strerror}", where=str(path)) from error
