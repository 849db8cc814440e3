"""Garbage never raises; what another YAML library writes is read alike, and places span the text that they are of."""

from __future__ import annotations

import io
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bascule.audit.estate import SourceFile
from bascule.audit.tree import Mapping, Node, Scalar, walk
from bascule.audit.yaml_reader import lines_of, read

PIECES = [
    *"[]{}:,-?#&*!|>'\"%@ \t\n\\<",
    ": ",
    "- ",
    "\n  ",
    "&a ",
    "*a",
    "!!int ",
    "<<: *a",
    "{{ x }}",
    "---\n",
    "...\n",
    "\r\n",
    "\u2028",
    "\x85",
    "\x00",
    "\ud800",
    "a: 1\n",
]
words = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"]), max_size=12).filter(
    lambda text: "\ufeff" not in text and not any(0xFFFE <= ord(one) <= 0xFFFF for one in text)
)
# In brackets, the parser of YAML 1.1 takes more signs for its own than that of YAML 1.2.
words_in_brackets = st.text("abcXYZ0189 é_.#'\"\\-", max_size=8)


def documents_of(texts: st.SearchStrategy[str]) -> st.SearchStrategy[Any]:
    scalars = st.none() | st.booleans() | st.integers(-(10**12), 10**12) | st.floats(-1e9, 1e9) | texts
    return st.recursive(
        st.dictionaries(texts, scalars, max_size=4),
        lambda inner: st.lists(inner | scalars, max_size=4) | st.dictionaries(texts, inner, max_size=4),
        max_leaves=20,
    )


documents = st.tuples(documents_of(words), st.just(value=False)) | st.tuples(
    documents_of(words_in_brackets), st.just(value=True)
)


def file_of(text: str) -> SourceFile:
    return SourceFile("x.yaml", text, lines_of(text))


def plain(node: Node) -> Any:
    if isinstance(node, Scalar):
        return node.value
    if isinstance(node, Mapping):
        return {key: plain(value) for key, value in node.entries.items()}
    return [plain(one) for one in node.items]


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=25).map("".join))
def test_garbage_is_read_or_told_at_a_place_that_is_there(text: str) -> None:
    file = file_of(text)
    found, unreadable = read(file)
    for place in [one.place for one in unreadable] + [node.place for one in found for node in walk(one.root)]:
        assert 1 <= place.line <= len(file.lines) + 1
        assert place.column >= 1
        if place.end_line:
            assert (place.end_line, place.end_column) >= (place.line, place.column)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(documents)
def test_what_another_library_writes_is_read_alike(drawn: tuple[Any, bool]) -> None:
    value, flow = drawn
    writer = YAML(typ="safe", pure=True)
    writer.default_flow_style = flow
    stream = io.StringIO()
    writer.dump(value, stream)
    found, unreadable = read(file_of(stream.getvalue()))
    assert unreadable == []
    if not found:
        assert value is None
        return
    again = YAML(typ="safe", pure=True).load(stream.getvalue())
    assert plain(found[0].root) == again == value


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(words.filter(str.strip), words, min_size=1, max_size=6))
def test_a_place_spans_the_text_that_it_is_of(value: dict[str, str]) -> None:
    rows = ["root:"]
    for key, text in value.items():
        quoted = ["'" + one.replace("'", "''") + "'" for one in (key, text)]
        rows.append(f"  {quoted[0]}: {quoted[1]} # x")
    file = file_of("\n".join(rows))
    (document,), _ = read(file)
    assert isinstance(document.root, Mapping)
    inner = document.root.entries["root"]
    assert isinstance(inner, Mapping)
    for number, (key, node) in enumerate(inner.entries.items(), 2):
        line = file.lines[number - 1]
        where = inner.keys[key]
        assert where.line == node.place.line == number
        assert line[where.column - 1 : where.end_column - 1] == "'" + key.replace("'", "''") + "'"
        assert line[node.place.column - 1 : node.place.end_column - 1] == "'" + value[key].replace("'", "''") + "'"
