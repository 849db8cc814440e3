"""The contents of a disk: files opened, read, written and synced, in the directory beneath."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

from bascule.lab import fuse_wire as wire
from bascule.lab.disk_tree import Answer, DiskTree, Node
from bascule.lab.disk_unsynced import Unsynced

# What these ask for the kernel does itself, above: it would be done twice, or to the path that leads to the file.
_NOT_BENEATH = (
    os.O_DIRECT | os.O_SYNC | os.O_DSYNC | os.O_APPEND
    | os.O_CREAT | os.O_EXCL | os.O_TRUNC | os.O_NOCTTY | os.O_NOFOLLOW
)  # fmt: skip
_NO_MODE = 0
_UNKNOWN, _DIRECTORY, _FILE, _LINK = 0, 4, 8, 10
Opening = Callable[[int], int]


class _Opened:
    """An open file or directory."""

    __slots__ = ("descriptor", "entries", "is_readable", "node")

    def __init__(self, descriptor: int, node: Node, *, is_readable: bool = True) -> None:
        self.descriptor = descriptor
        self.node = node
        self.is_readable = is_readable
        self.entries: list[tuple[int, int, bytes]] = []


class DiskFiles:
    """Answers what is about contents."""

    def __init__(self, tree: DiskTree, unsynced: Unsynced) -> None:
        self._tree = tree
        self._unsynced = unsynced
        self._opened: dict[int, _Opened] = {}
        self._last = 0
        self.answers: dict[int, Answer] = {
            wire.Op.OPEN: self._open,
            wire.Op.CREATE: self._create,
            wire.Op.READ: self._read,
            wire.Op.WRITE: self._write,
            wire.Op.FALLOCATE: self._allocate,
            wire.Op.RELEASE: self._release,
            wire.Op.OPENDIR: self._open_directory,
            wire.Op.READDIR: self._read_directory,
            wire.Op.RELEASEDIR: self._release,
        }

    def growth_bytes(self, operation: int, body: memoryview) -> int:
        """By how much a `WRITE` or `FALLOCATE` would make its file grow; 0 for every other operation."""
        if operation == wire.Op.WRITE:
            handle, offset, length = wire.READ_WRITE.unpack_from(body)[:3]
        elif operation == wire.Op.FALLOCATE:
            handle, offset, length = wire.FALLOCATE.unpack_from(body)[:3]
        else:
            return 0
        return max(0, int(offset + length) - os.fstat(self._opened[handle].descriptor).st_size)

    def to_sync(self, body: memoryview) -> tuple[int, bool]:
        """The descriptor that an `FSYNC` or `FSYNCDIR` asks to sync, and whether its data alone; what it had is kept.

        What was to be lost of the file no longer is: whoever asked has no answer before the disk has it.
        """
        handle, flags, _ = wire.SYNC.unpack(body)
        opened = self._opened[handle]
        self._unsynced.synced(opened.node.key)
        return opened.descriptor, bool(flags & 1)

    def _hold(self, opened: _Opened) -> int:
        self._last += 1
        self._opened[self._last] = opened
        return self._last

    def _open(self, number: int, body: memoryview) -> bytes:
        node = self._tree.nodes[number]
        flags = wire.TWO.unpack_from(body)[0] & ~_NOT_BENEATH
        descriptor, is_readable = _readable(lambda given: os.open(node.path, given | os.O_CLOEXEC), flags)
        opened = _Opened(descriptor, node, is_readable=is_readable)
        return wire.opened_reply(self._hold(opened), _cached(node, opened.descriptor))

    def _create(self, number: int, body: memoryview) -> bytes:
        flags, mode, _, _ = wire.CREATE.unpack_from(body)
        (name,) = wire.names(body, wire.CREATE.size)
        parent = self._tree.nodes[number].descriptor
        beneath = flags & ~_NOT_BENEATH | os.O_CREAT | flags & os.O_EXCL | os.O_NOFOLLOW
        opening: Opening = lambda given: os.open(name, given | os.O_CLOEXEC, mode, dir_fd=parent)  # noqa: E731 - as above
        descriptor, is_readable = _readable(opening, beneath)
        try:
            entry = self._tree.entry(number, name)
        except BaseException:
            os.close(descriptor)
            raise
        node = self._tree.nodes[wire.LONG.unpack_from(entry)[0]]
        opened = _Opened(descriptor, node, is_readable=is_readable)
        node.changed()
        return entry + wire.opened_reply(self._hold(opened), wire.KEEP_CACHE)

    def _read(self, _: int, body: memoryview) -> bytes:
        handle, offset, size = wire.READ_WRITE.unpack(body)[:3]
        return os.pread(self._opened[handle].descriptor, size, offset)

    def _write(self, _: int, body: memoryview) -> bytes:
        handle, offset, size = wire.READ_WRITE.unpack_from(body)[:3]
        opened = self._opened[handle]
        if opened.is_readable:
            self._unsynced.writing(opened.node.key, opened.descriptor, offset, size)
        data = body[wire.READ_WRITE.size :]
        done = 0
        while done < size:
            done += os.pwrite(opened.descriptor, data[done:], offset + done)
        opened.node.changed()
        return wire.written_reply(size)

    def _allocate(self, _: int, body: memoryview) -> bytes:
        handle, offset, length, mode, _ = wire.FALLOCATE.unpack(body)
        opened = self._opened[handle]
        if mode != _NO_MODE:
            raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))
        size = os.fstat(opened.descriptor).st_size
        if opened.is_readable and offset + length > size:
            self._unsynced.writing(opened.node.key, opened.descriptor, size, offset + length - size)
        os.posix_fallocate(opened.descriptor, offset, length)
        opened.node.changed()
        return b""

    def _release(self, _: int, body: memoryview) -> bytes:
        opened = self._opened.pop(wire.LONG.unpack_from(body)[0])
        os.close(opened.descriptor)
        return b""

    def _open_directory(self, number: int, _: memoryview) -> bytes:
        node = self._tree.nodes[number]
        opened = _Opened(os.open(node.path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC), node)
        return wire.opened_reply(self._hold(opened), 0)

    def _read_directory(self, _: int, body: memoryview) -> bytes:
        handle, offset, size = wire.READ_WRITE.unpack(body)[:3]
        opened = self._opened[handle]
        if not offset:
            opened.entries = list(_entries(opened))
        return wire.directory_reply(opened.entries[offset:], offset, size)


def _readable(opening: Opening, flags: int) -> tuple[int, bool]:
    """Open for reading too, where the program wants to write alone: what is overwritten must be kept first."""
    if flags & os.O_ACCMODE != os.O_WRONLY:
        return opening(flags), True
    try:
        return opening(flags & ~os.O_ACCMODE | os.O_RDWR), True
    except PermissionError:
        return opening(flags), False


def _cached(node: Node, descriptor: int) -> int:
    """Whether the kernel may go on believing the pages that it has: not when somebody outside wrote the file."""
    now_ns = os.fstat(descriptor).st_mtime_ns
    same = now_ns == node.seen_ns
    node.seen_ns = now_ns
    return wire.KEEP_CACHE if same else 0


def _kind(entry: os.DirEntry[str]) -> int:
    """As in `d_type`; of sockets and the like the program asks itself."""
    if entry.is_symlink():
        return _LINK
    return _DIRECTORY if entry.is_dir() else _FILE if entry.is_file() else _UNKNOWN


def _entries(opened: _Opened) -> list[tuple[int, int, bytes]]:
    own = os.fstat(opened.descriptor).st_ino
    found = [(own, _DIRECTORY, b"."), (own, _DIRECTORY, b"..")]
    with os.scandir(opened.descriptor) as scan:
        found += [(entry.inode(), _kind(entry), os.fsencode(entry.name)) for entry in scan]
    return found
