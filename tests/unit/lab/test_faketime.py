"""A libfaketime is tried before it is used, and what is not one is refused with the reason."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from bascule.lab import faketime


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    faketime.library.cache_clear()
    yield
    faketime.library.cache_clear()


def test_what_does_not_turn_the_clock_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tmp_path / "libfaketime.so.1"
    broken.touch()
    monkeypatch.setenv(faketime.NAMED_BY, str(broken))
    place, why = faketime.library()
    assert place == ""
    assert why.startswith(f"{broken} does not turn the clock of a program that sleeps")


def test_where_none_is_the_way_to_one_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(faketime.NAMED_BY, str(tmp_path / "nowhere"))
    assert faketime.library() == ("", f"there is no libfaketime here: {faketime.HINT}")


def test_an_offset_is_told_with_its_sign() -> None:
    assert (faketime.offset(3600.0), faketime.offset(-0.5)) == ("+3600.000", "-0.500")
