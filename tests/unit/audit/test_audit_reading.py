"""Files, directories and standard input into an estate: bounded, never behind links, each file to its technology."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from bascule.audit import reading
from bascule.audit.estate import Reader, SourceFile, Unreadable, YamlDocument
from bascule.audit.limits import Limits
from bascule.audit.place import Place
from bascule.audit.tree import at, text
from bascule.kernel.errors import InputError


@dataclass(frozen=True)
class Thing:
    name: str


def _of_yaml(document: YamlDocument) -> object | None:
    name = text(document.root, "thing")
    return Thing(name) if name else None


def _of_text(file: SourceFile) -> tuple[list[object], list[Unreadable]]:
    bad = [Unreadable(Place(file.name, 2), "a bad line")] if "bad" in file.text else []
    return [Thing(line.removeprefix("thing ")) for line in file.lines if line.startswith("thing ")], bad


READERS = (
    Reader(technology="kafka", recognises=lambda file: file.text.startswith("thing "), read=_of_text),
    Reader(technology="kubernetes", read_yaml=_of_yaml),
)


def things(*paths: Path | str, limits: Limits | None = None, stdin: bytes = b"") -> reading.Reading:
    return reading.read([str(path) for path in paths], READERS, limits=limits, stdin=io.BytesIO(stdin))


def names(read: reading.Reading) -> list[str]:
    return [one.name for one in read.estate.of(Thing)]


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str, str | bytes], Path]:
    def put(name: str, content: str | bytes) -> Path:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return put


Write = Callable[[str, str | bytes], Path]


def test_directories_are_searched_in_order_and_hidden_and_vendored_ones_are_not(tmp_path: Path, write: Write) -> None:
    for name in ("b/x.yml", "a/x.yaml", "c.conf", ".git/x.yaml", "node_modules/y/x.yaml", ".hidden.yaml", "x.py"):
        write(name, f"thing {name}" if name.endswith("conf") else f"thing: {name}")
    read = things(tmp_path)
    assert names(read) == ["c.conf", "a/x.yaml", "b/x.yml"]
    assert read.estate.claims == {
        (str(tmp_path / "c.conf"), 0): "kafka",
        (str(tmp_path / "a/x.yaml"), 1): "kubernetes",
        (str(tmp_path / "b/x.yml"), 1): "kubernetes",
    }


def test_what_is_named_is_read_even_when_it_is_hidden(write: Write) -> None:
    assert names(things(write(".hidden.yaml", "thing: one"))) == ["one"]


def test_links_out_of_a_directory_are_not_followed(tmp_path: Path, write: Write) -> None:
    write("outside/x.yaml", "thing: outside")
    inside = write("inside/x.yaml", "thing: inside").parent
    (inside / "out").symlink_to(tmp_path / "outside")
    (inside / "out.yaml").symlink_to(tmp_path / "outside/x.yaml")
    (inside / "loop").symlink_to(inside)
    assert names(things(inside)) == ["inside"]


def test_a_file_is_read_once_however_it_is_named(tmp_path: Path, write: Write) -> None:
    path = write("x.yaml", "thing: one")
    (tmp_path / "same.yaml").symlink_to(path)
    assert names(things(path, tmp_path, path)) == ["one"]


def test_no_pipe_in_a_directory_is_waited_for(tmp_path: Path, write: Write) -> None:
    write("x.yaml", "thing: one")
    os.mkfifo(tmp_path / "pipe.yaml")
    assert names(things(tmp_path)) == ["one"]


def test_standard_input_is_read() -> None:
    assert names(things("-", stdin=b"thing: a\n---\nthing: b\n")) == ["a", "b"]
    assert names(things("-", stdin=b"thing text\n")) == ["text"]


def test_json_is_read_where_it_is_a_manifest_or_named(tmp_path: Path, write: Write) -> None:
    path = write("package.json", '{"thing": "package"}')
    write("manifest.json", '{"apiVersion": "v1", "kind": "Thing", "thing": "manifest"}')
    assert names(things(tmp_path)) == ["manifest"]
    assert names(things(path)) == ["package"]


@pytest.mark.parametrize(
    "content",
    ["\ufeffthing: é".encode(), "thing: é".encode("utf-16"), "thing: é\r\n".encode()],
)
def test_byte_order_marks_and_other_line_ends_are_no_problem(content: bytes, write: Write) -> None:
    read = things(write("x.yaml", content))
    assert names(read) == ["é"]
    assert at(read.estate.documents[0].root, "thing").place.column == 8  # type: ignore[union-attr]  # it is there


def test_what_is_no_utf_8_is_told_at_its_place(write: Write) -> None:
    read = things(write("x.yaml", b"a: 1\nb: \xc3\xa9\xff\n"))
    (problem,) = read.estate.unreadable
    assert (problem.place.line, problem.place.column) == (2, 5)
    assert "UTF-8" in problem.what


def test_a_comment_in_an_old_encoding_stops_no_text_reader(write: Write) -> None:
    assert names(things(write("x.conf", b"thing one\n# caf\xe9\n"))) == ["one"]


@pytest.mark.parametrize(
    ("limits", "said"),
    [(Limits(file_bytes=2**20), "larger than 1 MiB"), (Limits(file_lines=10), "more than 10 lines")],
)
def test_what_is_too_large_is_told(limits: Limits, said: str, write: Write) -> None:
    read = things(write("x.yaml", "thing: x\n" + "# 0123456789\n" * 100_000), limits=limits)
    assert names(read) == []
    assert [said in one.what for one in read.estate.unreadable] == [True]


def test_too_many_files_are_told(tmp_path: Path, write: Write) -> None:
    for number in range(5):
        write(f"{number}.yaml", f"thing: {number}")
    read = things(tmp_path, limits=Limits(files=3))
    assert names(read) == ["0", "1", "2"]
    (problem,) = read.estate.unreadable
    assert problem.place.file.endswith("3.yaml")
    assert "3 files were" in problem.what
    assert names(things(tmp_path, limits=Limits(all_bytes=15))) == ["0", "1"]
    assert names(things(tmp_path, limits=Limits(all_values=5))) == ["0", "1"]
    (problem,) = things(tmp_path, limits=Limits(entries=3)).estate.unreadable
    assert "more than 3 directory entries" in problem.what


def test_files_of_no_technology_are_listed(write: Write) -> None:
    path = write("x.yaml", "other: 1")
    text_file = write("x.conf", "other")
    assert things(path, text_file).unknown == [str(path), str(text_file)]


def test_binary_files_are_left_alone(write: Write) -> None:
    read = things(write("x.conf", b"thing \x00\x01"))
    assert names(read) == []
    assert "no text" in read.notes[0]


def test_what_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        things(tmp_path / "nothing.yaml")


def test_a_reader_that_fails_is_told_and_the_rest_is_read(write: Write) -> None:
    def fail(_: YamlDocument) -> object:
        raise ZeroDivisionError("by me")

    readers = (Reader(technology="compose", read_yaml=fail), *READERS)
    path = write("x.yaml", "thing: 1")
    read = reading.read([str(path)], readers)
    assert [one.what for one in read.estate.faults] == ["the reader of compose failed: ZeroDivisionError: by me"]


def test_what_a_text_reader_cannot_read_is_kept(write: Write) -> None:
    read = things(write("x.conf", "thing a\nbad\n"))
    assert [one.what for one in read.estate.unreadable] == ["a bad line"]


def test_a_system_file_is_recognised(write: Write) -> None:
    system = write("s.yaml", "system: shop\nobjectives: {}\ncomponents: {}\n")
    other = write("o.yaml", "system: shop\n")
    estate = things(system, other).estate
    assert reading.system_document(estate, str(system)) is not None
    assert reading.system_document(estate, str(other)) is None
