"""The bytes between the kernel and a file system in user space."""

from __future__ import annotations

import os
import struct
from pathlib import Path

from bascule.lab import fuse_wire as wire

DIRENT = struct.Struct("=QQII")


def names_in(reply: bytes) -> list[tuple[int, str]]:
    """The number behind each entry, and its name."""
    found: list[tuple[int, str]] = []
    place = 0
    while place < len(reply):
        _, following, length, _ = DIRENT.unpack_from(reply, place)
        found.append((following, reply[place + DIRENT.size :][:length].decode()))
        place += DIRENT.size + length + -length % 8
    return found


def test_a_directory_is_told_in_as_many_parts_as_it_needs() -> None:
    entries = [(number, 8, f"name-{number}".encode()) for number in range(50)]
    told: list[tuple[int, str]] = []
    while part := names_in(wire.directory_reply(entries[len(told) :], len(told), 200)):
        told += part
    assert told == [(number + 1, f"name-{number}") for number in range(50)]


def test_each_reply_is_as_long_as_the_kernel_expects(tmp_path: Path) -> None:
    stat = tmp_path.stat()
    lengths = {len(wire.entry_reply(2, stat)): 128, len(wire.attributes_reply(stat)): 104}
    lengths |= {len(wire.opened_reply(1, 0)): 16, len(wire.written_reply(1)): 8}
    lengths |= {len(wire.statfs_reply(os.statvfs(tmp_path), None)): 80}
    lengths |= {len(wire.init_reply(memoryview(struct.pack("=IIII", 7, 45, 65536, 0xFFFFFFFF)))): 64}
    assert all(found == expected for found, expected in lengths.items())


def test_only_what_is_offered_is_agreed_on() -> None:
    reply = wire.init_reply(memoryview(struct.pack("=IIII", 7, 45, 65536, wire.BIG_WRITES)))
    major, minor, readahead, flags = struct.unpack_from("=IIII", reply)
    assert (major, minor, readahead, flags) == (7, 31, 65536, wire.BIG_WRITES)


def test_a_full_disk_has_as_much_room_as_it_is_told(tmp_path: Path) -> None:
    stat = os.statvfs(tmp_path)
    told = struct.unpack_from("=5Q", wire.statfs_reply(stat, 3 * stat.f_frsize + 1))
    assert told[:3] == (stat.f_blocks, 3, 3)
    assert struct.unpack_from("=5Q", wire.statfs_reply(stat, 0))[1:3] == (0, 0)


def test_names_end_with_a_zero() -> None:
    assert wire.names(memoryview(b"12345678old\0new name\0"), 8) == [b"old", b"new name"]
