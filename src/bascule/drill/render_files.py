"""Writes a report's files, each whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from bascule.drill.render_html import html
from bascule.drill.render_json import to_json
from bascule.drill.render_junit import junit
from bascule.drill.report import Report
from bascule.kernel.errors import MachineError

_FORMS: tuple[tuple[str, Callable[[Report], bytes]], ...] = (
    ("report.json", to_json),
    ("junit.xml", junit),
    ("report.html", lambda report: html(report).encode()),
)


def write_reports(report: Report, directory: Path) -> tuple[Path, ...]:
    """Write `report.json`, `junit.xml` and `report.html` into the directory, which is made if it is missing.

    The plain ones come first, so that a full disk costs the page, not the numbers. A file that stood there is replaced
    at once or not at all.

    Raises:
        MachineError: A file could not be written.
    """
    written = []
    for name, draw in _FORMS:
        path = directory / name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            write_whole(path, draw(report))
        except OSError as error:
            raise MachineError(
                f"the report could not be written: {error.strerror or error}",
                where=str(path),
                hint="free the disk, or name another directory",
            ) from error
        written.append(path)
    return tuple(written)


def write_whole(path: Path, content: bytes) -> None:
    """Replace a file at once: after a crash it has its old content or its new one, never a part.

    Raises:
        OSError: It could not be written; the old content stands and no temporary file is left.
    """
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
