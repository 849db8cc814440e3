"""Edits in a text: comments and layout stay, overlaps are refused, and all edits of a finding are made or none."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from tests.unit.audit.audit_findings import finding

from bascule.audit import fixing
from bascule.audit.estate import SourceFile
from bascule.audit.finding import Edit
from bascule.audit.place import Place
from bascule.audit.result import Finding
from bascule.audit.yaml_reader import lines_of, read

TEXT = "# kept\nreplicas: 1   # as it was\nlist:\n  - a\n"


def files(**texts: str) -> dict[str, SourceFile]:
    return {name: SourceFile(name, text, lines_of(text)) for name, text in texts.items()}


def edit(line: int, column: int, end_column: int, text: str, *, file: str = "a", end_line: int = 0) -> Edit:
    return Edit(place=Place(file, line, column, end_line or line, end_column), text=text)


def mends(name: str, *edits: Edit) -> Finding:
    return finding(name, edits=edits)


def problems(file: SourceFile) -> int:
    return len(read(file)[1])


def plan(texts: dict[str, SourceFile], *findings: Finding) -> fixing.Plan:
    return fixing.plan(findings, texts, problems)


def test_comments_and_layout_stay() -> None:
    found = plan(files(a=TEXT), mends("1", edit(2, 11, 12, "30")), mends("2", edit(4, 6, 6, "\n  - b")))
    assert [one.after for one in found.files] == ["# kept\nreplicas: 30   # as it was\nlist:\n  - a\n  - b\n"]
    assert [one.fingerprint for one in found.files[0].findings] == ["1", "2"]
    assert found.refused == ()


def test_lines_end_as_those_of_the_file_do() -> None:
    found = plan(files(a=TEXT.replace("\n", "\r\n")), mends("1", edit(4, 6, 6, "\n  - b")))
    assert found.files[0].after.endswith("  - a\r\n  - b\r\n")


def test_what_lies_over_several_lines_is_replaced() -> None:
    found = plan(files(a="x:\n  y: 1\n  z: 2\n"), mends("1", edit(1, 3, 7, " 1", end_line=3)))
    assert found.files[0].after == "x: 1\n"


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (edit(2, 11, 12, "3"), edit(2, 1, 12, "replicas: 2")),
        (edit(2, 1, 12, "replicas: 2"), edit(2, 11, 12, "3")),
        (edit(2, 11, 12, "3"), edit(2, 11, 12, "2")),
        (edit(2, 11, 11, "3"), edit(2, 11, 11, "2")),
        (edit(2, 5, 9, "x"), edit(2, 7, 7, "y")),
        (edit(2, 7, 7, "y"), edit(2, 5, 9, "x")),
    ],
)
def test_of_two_findings_whose_edits_overlap_the_first_is_mended(first: Edit, second: Edit) -> None:
    one, two = mends("1", first), mends("2", second, edit(4, 5, 6, "z"))
    found = plan(files(a=TEXT), one, two)
    assert [each.fingerprint for each in found.files[0].findings] == ["1"]
    assert "- a" in found.files[0].after, "no edit of the other finding is made"
    assert [(each.fingerprint, "overlap" in reason) for each, reason in found.refused] == [("2", True)]


def test_the_same_edit_of_two_findings_is_made_once() -> None:
    same = edit(4, 6, 6, "\n  - b")
    found = plan(files(a=TEXT), mends("1", same), mends("2", same))
    assert found.files[0].after.count("- b") == 1
    assert found.refused == ()


def test_edits_side_by_side_do_not_overlap() -> None:
    found = plan(files(a="ab: 1\n"), mends("1", edit(1, 1, 2, "x")), mends("2", edit(1, 2, 3, "y")))
    assert found.files[0].after == "xy: 1\n"


@pytest.mark.parametrize(
    "bad",
    [
        edit(9, 1, 1, "x"),
        edit(2, 1, 99, "x"),
        edit(2, 0, 1, "x"),
        edit(2, 5, 4, "x"),
        Edit(place=Place("a", 2, 3), text="x"),
        edit(1, 1, 1, "x", file="other"),
    ],
)
def test_an_edit_that_lies_outside_is_refused_with_all_of_its_finding(bad: Edit) -> None:
    found = plan(files(a=TEXT), mends("1", edit(2, 11, 12, "3"), bad))
    assert found.files == ()
    assert len(found.refused) == 1


def test_what_could_not_be_read_afterwards_is_not_written() -> None:
    texts = files(a=TEXT, b="x: 1\n", c="y: 1\n")
    spoils = mends("1", edit(2, 11, 12, "["), edit(1, 4, 5, "2", file="b"))
    beside = mends("2", edit(1, 4, 5, "3", file="b"))
    good = mends("3", edit(1, 4, 5, "2", file="c"))
    found = plan(texts, spoils, mends("4", edit(1, 1, 2, "z", file="b")), good, beside)
    assert [one.name for one in found.files] == ["c"]
    assert {each.fingerprint for each, _ in found.refused} == {"1", "2", "4"}


def test_a_file_that_was_broken_before_may_be_mended_elsewhere() -> None:
    found = plan(files(a="x: 1\n---\ny: [\n"), mends("1", edit(1, 4, 5, "2")))
    assert found.files[0].after == "x: 2\n---\ny: [\n"


@pytest.mark.parametrize("text", [TEXT, TEXT.rstrip("\n"), TEXT.replace("\n", "\r\n")])
def test_the_diff_is_one_that_patch_takes(text: str, tmp_path: Path) -> None:
    found = plan(files(a=text), mends("1", edit(2, 11, 12, "3")), mends("2", edit(4, 6, 6, "\n  - b")))
    (tmp_path / "a").write_text(text, newline="")
    argv = ["git", "apply", "-p1", "--whitespace=nowarn", "-"]
    subprocess.run(argv, cwd=tmp_path, input=fixing.diff(found.files[0]).encode(), check=True)
    assert (tmp_path / "a").read_bytes() == found.files[0].after.encode()
