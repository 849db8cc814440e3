"""The words between the kernel and a file system in user space: which operations there are, and their bytes.

Source: include/uapi/linux/fuse.h, protocol 7.31, in this machine's byte order.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable
from enum import IntEnum

MAJOR, MINOR = 7, 31
HEADER = struct.Struct("=IIQQIIIHH")
REPLY = struct.Struct("=IiQ")
MOST_BYTES = 2**20
BUFFER_BYTES = MOST_BYTES + 4096
VALID_S = 1
"""How long the kernel believes a name or an attribute: what is changed from outside is seen after that."""

ASYNC_READ, BIG_WRITES, PARALLEL_DIROPS, MAX_PAGES = 1 << 0, 1 << 5, 1 << 18, 1 << 22
WANTED = ASYNC_READ | BIG_WRITES | PARALLEL_DIROPS | MAX_PAGES
KEEP_CACHE = 1 << 1
BY_HANDLE = 1
MODE, UID, GID, SIZE, ATIME, MTIME, HANDLE, ATIME_NOW, MTIME_NOW = (1 << bit for bit in range(9))


class Op(IntEnum):
    """The operations that are answered; the kernel is told of every other that there is no such."""

    LOOKUP = 1
    FORGET = 2
    GETATTR = 3
    SETATTR = 4
    READLINK = 5
    SYMLINK = 6
    MKNOD = 8
    MKDIR = 9
    UNLINK = 10
    RMDIR = 11
    RENAME = 12
    LINK = 13
    OPEN = 14
    READ = 15
    WRITE = 16
    STATFS = 17
    RELEASE = 18
    FSYNC = 20
    INIT = 26
    OPENDIR = 27
    READDIR = 28
    RELEASEDIR = 29
    FSYNCDIR = 30
    CREATE = 35
    INTERRUPT = 36
    DESTROY = 38
    BATCH_FORGET = 42
    FALLOCATE = 43


SILENT = frozenset({Op.FORGET, Op.BATCH_FORGET, Op.INTERRUPT})
"""Operations to which there is no reply."""

SETATTR = struct.Struct("=II6Q8I")
READ_WRITE = struct.Struct("=QQIIQII")
SYNC = struct.Struct("=QII")
FALLOCATE = struct.Struct("=QQQII")
CREATE = struct.Struct("=IIII")
TWO = struct.Struct("=II")
LONG = struct.Struct("=Q")
FORGET_ONE = struct.Struct("=QQ")
_ATTRIBUTES = struct.Struct("=6Q10I")
_ENTRY = struct.Struct("=QQQQII")
_VALID = struct.Struct("=QII")
_OPENED = struct.Struct("=QII")
_INIT_IN = struct.Struct("=IIII")
_INIT_OUT = struct.Struct("=IIIIHHIIHHII24x")
_STATFS = struct.Struct("=5Q4I24x")
_DIRENT = struct.Struct("=QQII")
_BILLION = 10**9


def init_reply(body: memoryview) -> bytes:
    """What is agreed with the kernel, from what it offers."""
    _, _, readahead, offered = _INIT_IN.unpack_from(body)
    pages = MOST_BYTES // 4096
    return _INIT_OUT.pack(MAJOR, MINOR, readahead, offered & WANTED, 64, 48, MOST_BYTES, 1, pages, 0, 0, 0)


def _attributes(stat: os.stat_result) -> bytes:
    return _ATTRIBUTES.pack(
        stat.st_ino,
        stat.st_size,
        stat.st_blocks,
        stat.st_atime_ns // _BILLION,
        stat.st_mtime_ns // _BILLION,
        stat.st_ctime_ns // _BILLION,
        stat.st_atime_ns % _BILLION,
        stat.st_mtime_ns % _BILLION,
        stat.st_ctime_ns % _BILLION,
        stat.st_mode,
        stat.st_nlink,
        stat.st_uid,
        stat.st_gid,
        stat.st_rdev & 0xFFFFFFFF,
        stat.st_blksize,
        0,
    )


def attributes_reply(stat: os.stat_result) -> bytes:
    """What is known of a file."""
    return _VALID.pack(VALID_S, 0, 0) + _attributes(stat)


def entry_reply(number: int, stat: os.stat_result) -> bytes:
    """A name was found: the number under which the kernel asks for it from now on."""
    return _ENTRY.pack(number, 0, VALID_S, VALID_S, 0, 0) + _attributes(stat)


def opened_reply(handle: int, flags: int) -> bytes:
    """A file or directory was opened."""
    return _OPENED.pack(handle, flags, 0)


def written_reply(size_bytes: int) -> bytes:
    """So much was written."""
    return TWO.pack(size_bytes, 0)


def statfs_reply(stat: os.statvfs_result, available_bytes: int | None) -> bytes:
    """How much room there is; on a disk that is told to be full, no more than `available_bytes`."""
    free, available = stat.f_bfree, stat.f_bavail
    if available_bytes is not None:
        free = available = min(available, available_bytes // stat.f_frsize)
    counts = (stat.f_blocks, free, available, stat.f_files, stat.f_ffree)
    return _STATFS.pack(*counts, stat.f_bsize, stat.f_namemax, stat.f_frsize, 0)


def directory_reply(entries: Iterable[tuple[int, int, bytes]], first: int, limit_bytes: int) -> bytes:
    """As many entries (inode, kind, name) as fit, the first of which has this number in its directory."""
    parts: list[bytes] = []
    size = 0
    for number, (inode, kind, name) in enumerate(entries, first):
        one = _DIRENT.pack(inode, number + 1, len(name), kind) + name
        one += bytes(-len(one) % 8)
        size += len(one)
        if size > limit_bytes:
            break
        parts.append(one)
    return b"".join(parts)


def names(body: memoryview, skip: int = 0) -> list[bytes]:
    """The names, each ended by a zero, behind the first `skip` bytes."""
    return bytes(body[skip:]).split(b"\0")[:-1]
