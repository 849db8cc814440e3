"""Whatever a configuration was changed into, readers and rules of technologies take it, and never fail."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.audit import technologies, yaml_reader
from bascule.audit.estate import Estate, SourceFile
from bascule.audit.place import Place

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "audit"
PARTS = {"haproxy": "HAP", "patroni": "PAT", "keepalived": "KAL", "kafka": "KAF", "prometheus": "PRO", "compose": "CMP"}
SUFFIXES = {".cfg", ".conf", ".properties", ".yml", ".yaml"}
PIECES = [
    "",
    " ",
    "\n",
    "\t",
    "#",
    "!",
    '"',
    "'",
    "\\",
    "{",
    "}",
    "[",
    "]",
    ":",
    "-",
    "0",
    "-1",
    "${X}",
    "é",
    "😀",
    "\0",
]


def examples(technology: str) -> list[str]:
    found = [*GOLDEN.glob(f"BSC-{PARTS[technology]}-*/failing*"), *GOLDEN.glob(f"BSC-{PARTS[technology]}-*/failing/*")]
    return [path.read_text(encoding="utf-8") for path in sorted(found) if path.suffix in SUFFIXES]


def source(text: str) -> SourceFile:
    return SourceFile("x", text, yaml_reader.lines_of(text))


@st.composite
def changed(draw: st.DrawFn, technology: str) -> list[str]:
    """One or two examples of which some lines and characters were changed, moved or lost."""
    texts: list[str] = []
    for text in draw(st.lists(st.sampled_from(examples(technology)), min_size=1, max_size=2)):
        lines = text.split("\n")
        for _ in range(draw(st.integers(0, 4))):
            at = draw(st.integers(0, len(lines) - 1))
            other = draw(st.integers(0, len(lines) - 1))
            column = draw(st.integers(0, len(lines[at])))
            piece = draw(st.sampled_from(PIECES))
            how = draw(st.integers(0, 4))
            if how == 0 and len(lines) > 1:
                del lines[at]
            elif how == 1:
                lines.insert(at, lines[other])
            elif how == 2:
                lines[at] = lines[at][:column] + piece + lines[at][column:]
            elif how == 3:
                lines[at] = lines[at][:column] + piece
            else:
                lines[at] = " ".join((*lines[at].split(" ")[:-1], piece))
        texts.append("\n".join(lines))
    return texts


def inside(place: Place, file: SourceFile) -> bool:
    ends = not place.end_line or (place.line, place.column) <= (place.end_line, place.end_column)
    return ends and 1 <= place.line <= len(file.lines) and 1 <= place.column <= len(file.lines[place.line - 1]) + 1


@pytest.mark.parametrize("technology", PARTS)
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_nothing_fails_and_every_place_is_in_its_file(technology: str, data: st.DataObject) -> None:
    reader, rules = technologies.technology(technology).READER, technologies.technology(technology).RULES
    estate = Estate()
    for number, text in enumerate(data.draw(changed(technology))):
        file = SourceFile(f"{number}", text, yaml_reader.lines_of(text))
        estate.files[file.name] = file
        if reader.read is not None:
            found, unreadable = reader.read(file)
            assert all(inside(each.place, file) for each in unreadable)
            for one in found:
                estate.add(one)
        else:
            assert reader.read_yaml is not None
            documents, _ = yaml_reader.read(file)
            for document in documents:
                if (one := reader.read_yaml(document)) is not None:
                    estate.add(one)
    for rule in rules:
        for each in rule.check(estate):
            assert inside(each.place, estate.files[each.place.file]), (rule.id, each)
            assert "\n" not in each.what
            assert all(inside(edit.place, estate.files[edit.place.file]) for edit in each.edits)


@pytest.mark.parametrize("technology", [name for name in PARTS if name in {"haproxy", "keepalived", "kafka"}])
@given(text=st.text(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_text_is_read_or_told(technology: str, text: str) -> None:
    reader = technologies.technology(technology).READER
    assert reader.read is not None
    assert reader.recognises is not None
    reader.recognises(SourceFile("x.cfg", text, yaml_reader.lines_of(text)))
    reader.recognises(SourceFile("x", text, yaml_reader.lines_of(text), named=True))
    found, unreadable = reader.read(source(text))
    assert len(found) <= 1
    assert all(inside(each.place, source(text)) for each in unreadable)
