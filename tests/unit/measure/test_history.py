"""Histories as files: what is written is read, and nothing else is believed."""

from pathlib import Path

import pytest

from bascule.kernel.errors import InputError
from bascule.measure.checkers import Operation
from bascule.measure.history import is_history, read_history, write_history

HEADER = '{"history":"bascule","version":1}\n'
OPERATIONS = [
    Operation("write", "x", 1, 0.1, 0.2, "unknown", "me"),
    Operation("read", "x", None, 0.3, 0.4),
    Operation("list", "y", (1, 2), 0.5, 0.6),
]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, OPERATIONS, note="a note")
    assert is_history(path)
    assert read_history(path) == OPERATIONS
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_a_torn_last_line_is_left_out(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    write_history(path, OPERATIONS)
    path.write_bytes(path.read_bytes()[:-5])
    assert read_history(path) == OPERATIONS[:-1]


@pytest.mark.parametrize(
    ("text", "where", "what"),
    [
        ("", ":1", "not a history"),
        ('{"history":"somebody"}\n', ":1", "not a history"),
        ('{"history":"bascule","version":2}\n', ":1", "not a history"),
        (HEADER + '["write","x",1,0.1,0.2]\n["jump","x",1,0.1,0.2]\n', ":3", "jump"),
        (HEADER + '["write","x","one",0.1,0.2]\n', ":2", "Expected"),
        (HEADER + '["write","x",1,0.1,0.2,"ok","me","more"]\n', ":2", "not an operation"),
        (HEADER + '["write","x",1]\n', ":2", "length"),
        (HEADER + "[" * 100_000 + "\n", ":2", "not an operation"),
        (HEADER + '["write","x",1,NaN,0.2]\n', ":2", "not an operation"),
        (HEADER + "\xff\xfe\n", ":2", "not an operation"),
    ],
)
def test_what_is_no_history_is_refused_at_its_line(tmp_path: Path, text: str, where: str, what: str) -> None:
    path = tmp_path / "history.jsonl"
    path.write_text(text, encoding="latin-1")
    with pytest.raises(InputError) as refusal:
        read_history(path)
    assert refusal.value.where == f"{path}{where}"
    assert what in refusal.value.what
