"""Lines of bounded length come out of a stream however it was cut."""

from hypothesis import given
from hypothesis import strategies as st

from bascule.lab.logs import Lines


@given(st.lists(st.binary(max_size=12), max_size=20))
def test_however_a_stream_is_cut_its_lines_are_the_same(pieces: list[bytes]) -> None:
    pieces = [piece.replace(b"\r", b"") for piece in pieces]
    lines = Lines(limit_bytes=10**6)
    found = [line for piece in pieces for line in lines.feed(piece)] + lines.end()
    *whole, rest = b"".join(pieces).split(b"\n")
    assert found == whole + ([rest] if rest else [])


def test_a_long_line_is_cut_once_and_the_next_one_is_whole() -> None:
    lines = Lines(limit_bytes=4)
    assert lines.feed(b"123456") == [b"1234 [line cut]"]
    assert lines.feed(b"789") == []
    assert lines.feed(b"0\nnext\n") == [b"next"]
    assert lines.feed(b"too long\nok") == [b"too  [line cut]"]
    assert lines.end() == [b"ok"]


def test_a_carriage_return_is_no_part_of_a_line() -> None:
    assert Lines().feed(b"one\r\ntwo\n") == [b"one", b"two"]
