"""What was synced is kept, and what was not is lost, byte by byte."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bascule.chaos.disk import LostWrites
from bascule.lab import disk_unsynced
from bascule.lab.disk_unsynced import BLOCK_BYTES, EXPIRES_S, Unsynced

KEY = (1, 2)


class File:
    """A file under a cache of unsynced writes."""

    def __init__(self, path: Path) -> None:
        self.now_s = 0.0
        self.unsynced = Unsynced(lambda: self.now_s)
        self.path = path
        self.descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC)

    def write(self, offset: int, data: bytes) -> None:
        self.unsynced.writing(KEY, self.descriptor, offset, len(data))
        os.pwrite(self.descriptor, data, offset)

    def cut(self, size: int) -> None:
        if size < self.path.stat().st_size:
            self.unsynced.cut(KEY, size)
        else:
            self.unsynced.writing(KEY, self.descriptor, size, 0)
        os.ftruncate(self.descriptor, size)

    def sync(self) -> None:
        self.unsynced.synced(KEY)


@pytest.fixture
def file(tmp_path: Path) -> Iterator[File]:
    one = File(tmp_path / "file")
    yield one
    one.unsynced.settle()
    os.close(one.descriptor)


def test_what_was_never_synced_is_gone(file: File) -> None:
    file.write(0, b"x" * 10_000)
    assert file.unsynced.lose() == LostWrites(files=1, size_bytes=10_000)
    assert file.path.read_bytes() == b""


def test_what_was_synced_is_kept_and_what_was_written_over_it_is_not(file: File) -> None:
    file.write(0, b"a" * 10_000)
    file.sync()
    file.write(100, b"b" * 200)
    file.write(9_990, b"c" * 100)
    lost = file.unsynced.lose()
    assert file.path.read_bytes() == b"a" * 10_000
    assert lost.files == 1
    assert lost.size_bytes >= 200 + 90


def test_a_file_that_was_cut_short_stays_short(file: File) -> None:
    file.write(0, b"a" * 10_000)
    file.sync()
    file.write(0, b"b" * 10_000)
    file.cut(5_000)
    file.write(4_000, b"c" * 6_000)
    file.unsynced.lose()
    assert file.path.read_bytes() == b"a" * 5_000


def test_what_is_old_enough_was_written_by_the_kernel(file: File) -> None:
    file.write(0, b"a")
    file.now_s = EXPIRES_S - 1
    file.unsynced.expire()
    assert len(file.unsynced) == 1
    file.now_s = EXPIRES_S
    file.unsynced.expire()
    assert file.unsynced.lose() == LostWrites()
    assert file.path.read_bytes() == b"a"


def test_a_cache_that_is_full_writes_out_what_it_had_for_longest(
    file: File, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(disk_unsynced, "MOST_BLOCKS", 4)
    file.write(0, bytes(4 * BLOCK_BYTES))
    file.sync()
    file.write(0, b"x" * 4 * BLOCK_BYTES)
    other = os.open(tmp_path / "other", os.O_RDWR | os.O_CREAT)
    os.pwrite(other, bytes(BLOCK_BYTES), 0)
    file.unsynced.writing((1, 3), other, 0, BLOCK_BYTES)
    os.pwrite(other, b"y" * BLOCK_BYTES, 0)
    file.unsynced.lose()
    assert file.path.read_bytes() == b"x" * 4 * BLOCK_BYTES
    assert (tmp_path / "other").read_bytes() == bytes(BLOCK_BYTES)
    os.close(other)


Step = tuple[str, int, int]
STEPS = st.lists(
    st.tuples(st.sampled_from(["write", "write", "cut", "sync"]), st.integers(0, 20_000), st.integers(1, 9_000)),
    max_size=12,
)


@settings(max_examples=200, deadline=None)
@given(steps=STEPS)
def test_after_a_loss_a_file_is_what_it_was_when_last_synced_but_for_cuts(
    tmp_path_factory: pytest.TempPathFactory, steps: list[Step]
) -> None:
    """The model is a plain string of bytes, copied at each sync and cut with the file."""
    file = File(tmp_path_factory.mktemp("one") / "file")
    present, durable = b"", b""
    for number, (step, place, length) in enumerate(steps, 1):
        if step == "write":
            data = bytes([number]) * length
            file.write(place, data)
            present = present.ljust(place, b"\0")[:place] + data + present[place + length :]
        elif step == "cut":
            file.cut(place)
            present = present[:place].ljust(place, b"\0")
            durable = durable[:place]
        else:
            file.sync()
            durable = present
    assert file.path.read_bytes() == present
    file.unsynced.lose()
    assert file.path.read_bytes() == durable
    os.close(file.descriptor)
