from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from bascule.drill import render_files
from bascule.drill.render_files import write_reports
from bascule.drill.report import Report
from bascule.kernel.errors import MachineError
from bascule.lab.files import write_atomically


def test_all_forms_are_written_into_a_new_directory(sample_report: Report, tmp_path: Path) -> None:
    written = write_reports(sample_report, tmp_path / "run" / "one")
    assert [path.name for path in written] == ["report.json", "junit.xml", "report.html"]
    assert json.loads(written[0].read_bytes())["system"] == "taskmanagerpro"
    assert ET.parse(written[1]).getroot().tag == "testsuites"  # noqa: S314 - our own output
    assert written[2].read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["junit.xml", "report.html", "report.json"]


def test_a_write_that_fails_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(path, b"new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_a_full_disk_is_one_clear_message(
    sample_report: Report, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, content: bytes) -> None:
        raise OSError(28, "No space left on device", str(path), content[:0])

    monkeypatch.setattr(render_files, "write_atomically", full)
    with pytest.raises(MachineError, match="No space left on device") as caught:
        write_reports(sample_report, tmp_path)
    assert "report.json" in str(caught.value)
    assert caught.value.hint
