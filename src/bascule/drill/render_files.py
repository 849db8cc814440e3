"""Writes a report's files, each whole or not at all."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from bascule.drill.render_html import html
from bascule.drill.render_json import to_json
from bascule.drill.render_junit import junit
from bascule.drill.report import Report
from bascule.kernel.errors import MachineError
from bascule.lab.files import write_atomically

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
            write_atomically(path, draw(report))
        except OSError as error:
            raise MachineError(
                f"the report could not be written: {error.strerror or error}",
                where=str(path),
                hint="free the disk, or name another directory",
            ) from error
        written.append(path)
    return tuple(written)
