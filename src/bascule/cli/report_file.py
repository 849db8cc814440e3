"""The report of an earlier drill, read from where a user points at: whole and as it was written, or refused."""

from __future__ import annotations

from pathlib import Path

from bascule.drill.render_json import from_json
from bascule.drill.report import Report
from bascule.kernel.errors import InputError

MOST_BYTES = 256 * 2**20
"""More than a thousand trials of several minutes leave; a larger file is no report."""


def read_report(path: Path) -> Report:
    """The report in this file, or in `report.json` of this directory.

    Raises:
        InputError: There is none, or it cannot be read, or it is not what a drill wrote.
    """
    file = path / "report.json" if path.is_dir() else path
    hint = "give a drill's directory, or the report.json in it"
    if not file.exists():
        raise InputError("there is no report", where=str(file), hint=hint)
    if not file.is_file():
        raise InputError("this is no file", where=str(file), hint=hint)
    try:
        with file.open("rb") as opened:
            text = opened.read(MOST_BYTES + 1)
    except OSError as error:
        raise InputError(f"the report cannot be read: {error.strerror}", where=str(file), hint=hint) from error
    if len(text) > MOST_BYTES:
        raise InputError(f"larger than {MOST_BYTES >> 20} MiB: this is no report", where=str(file), hint=hint)
    try:
        return from_json(text)
    except InputError as error:
        raise InputError(error.what, where=str(file), hint=error.hint) from error
