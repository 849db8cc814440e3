"""The names of a disk: the kernel's questions about files and directories, answered from the directory beneath.

Each file that the kernel knows is held by a descriptor, so that renames, hard links and files without a name are what
they are beneath. An operation returns what the kernel is answered, or raises the `OSError` that the program shall get.
"""

from __future__ import annotations

import os
import stat as mode_of
from collections.abc import Callable
from pathlib import Path

from bascule.lab import fuse_wire as wire
from bascule.lab.disk_unsynced import Key, Unsynced

ROOT = 1
_TIMES = wire.ATIME | wire.MTIME | wire.ATIME_NOW | wire.MTIME_NOW
Answer = Callable[[int, memoryview], bytes]


class Node:
    """A file that the kernel knows, by its number."""

    __slots__ = ("descriptor", "key", "lookups", "seen_ns")

    def __init__(self, descriptor: int, key: Key) -> None:
        self.descriptor = descriptor
        self.key = key
        self.lookups = 0
        self.seen_ns = -1

    def changed(self) -> None:
        """Take note of when we changed it ourselves: any other change came from outside."""
        self.seen_ns = os.fstat(self.descriptor).st_mtime_ns

    @property
    def path(self) -> str:
        """A path to the file itself, wherever it is now, if anywhere."""
        return f"/proc/self/fd/{self.descriptor}"


class DiskTree:
    """Answers what is about names and attributes.

    Args:
        root: Descriptor of the directory beneath.
        unsynced: Told of files that are cut short or removed.
        freed: Told how many bytes a removal frees.
    """

    def __init__(self, root: int, unsynced: Unsynced, freed: Callable[[int], None]) -> None:
        stat = os.fstat(root)
        self.nodes: dict[int, Node] = {ROOT: Node(root, (stat.st_dev, stat.st_ino))}
        self._numbers: dict[Key, int] = {self.nodes[ROOT].key: ROOT}
        self._last = ROOT
        self._unsynced = unsynced
        self._freed = freed
        self.available_bytes: Callable[[], int | None] = lambda: None
        self.answers: dict[int, Answer] = {
            wire.Op.LOOKUP: self._lookup,
            wire.Op.GETATTR: self._attributes,
            wire.Op.SETATTR: self._set_attributes,
            wire.Op.READLINK: lambda number, _: os.readlink(b"", dir_fd=self.nodes[number].descriptor),
            wire.Op.SYMLINK: self._symlink,
            wire.Op.MKNOD: self._make_node,
            wire.Op.MKDIR: self._make_directory,
            wire.Op.UNLINK: self._unlink,
            wire.Op.RMDIR: self._remove_directory,
            wire.Op.RENAME: self._rename,
            wire.Op.LINK: self._link,
            wire.Op.STATFS: self._statfs,
            wire.Op.FORGET: self._forget,
            wire.Op.BATCH_FORGET: self._forget_many,
        }

    def entry(self, parent: int, name: bytes) -> bytes:
        """Find a name, for the kernel to remember."""
        descriptor = os.open(name, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=self.nodes[parent].descriptor)
        stat = os.fstat(descriptor)
        key = (stat.st_dev, stat.st_ino)
        number = self._numbers.get(key)
        if number is None:
            self._last = number = self._last + 1
            self._numbers[key] = number
            self.nodes[number] = Node(descriptor, key)
        else:
            os.close(descriptor)
        self.nodes[number].lookups += 1
        return wire.entry_reply(number, stat)

    def _lookup(self, number: int, body: memoryview) -> bytes:
        return self.entry(number, wire.names(body)[0])

    def _attributes(self, number: int, _: memoryview) -> bytes:
        return wire.attributes_reply(os.fstat(self.nodes[number].descriptor))

    def _set_attributes(self, number: int, body: memoryview) -> bytes:
        node = self.nodes[number]
        valid, _, _, size, _, atime, mtime, _, atime_ns, mtime_ns, _, mode, _, uid, gid, _ = wire.SETATTR.unpack(body)
        if valid & wire.MODE:
            Path(node.path).chmod(mode_of.S_IMODE(mode))
        if valid & (wire.UID | wire.GID):
            os.chown(node.path, uid if valid & wire.UID else -1, gid if valid & wire.GID else -1)
        if valid & wire.SIZE:
            self._resize(node, size)
        if valid & _TIMES:
            stat = os.fstat(node.descriptor)
            given = (atime * 10**9 + atime_ns, mtime * 10**9 + mtime_ns)
            kept = (stat.st_atime_ns, stat.st_mtime_ns)
            asked = (valid & wire.ATIME, valid & wire.MTIME)
            if valid & (wire.ATIME_NOW | wire.MTIME_NOW) == wire.ATIME_NOW | wire.MTIME_NOW:
                os.utime(node.path)
            else:
                first, second = (given[each] if asked[each] else kept[each] for each in (0, 1))
                os.utime(node.path, ns=(first, second))
        node.changed()
        return wire.attributes_reply(os.fstat(node.descriptor))

    def _resize(self, node: Node, size: int) -> None:
        before = os.fstat(node.descriptor).st_size
        descriptor = os.open(node.path, os.O_RDWR | os.O_CLOEXEC)
        try:
            if size < before:
                self._unsynced.cut(node.key, size)
                self._freed(before - size)
            else:
                self._unsynced.writing(node.key, descriptor, before, size - before)
            os.ftruncate(descriptor, size)
        finally:
            os.close(descriptor)

    def _symlink(self, number: int, body: memoryview) -> bytes:
        name, target = wire.names(body)
        os.symlink(target, name, dir_fd=self.nodes[number].descriptor)
        return self.entry(number, name)

    def _make_node(self, number: int, body: memoryview) -> bytes:
        mode, device, _, _ = wire.CREATE.unpack_from(body)
        (name,) = wire.names(body, wire.CREATE.size)
        os.mknod(name, mode, device, dir_fd=self.nodes[number].descriptor)
        return self.entry(number, name)

    def _make_directory(self, number: int, body: memoryview) -> bytes:
        mode, _ = wire.TWO.unpack_from(body)
        (name,) = wire.names(body, wire.TWO.size)
        os.mkdir(name, mode, dir_fd=self.nodes[number].descriptor)
        return self.entry(number, name)

    def _going(self, descriptor: int, name: bytes) -> Callable[[], None]:
        """What to take note of once this name, if it is there, is gone."""
        try:
            stat = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
        except FileNotFoundError:
            return lambda: None
        if stat.st_nlink > 1 or not mode_of.S_ISREG(stat.st_mode):
            return lambda: None

        def gone() -> None:
            self._unsynced.synced((stat.st_dev, stat.st_ino))
            self._freed(stat.st_size)

        return gone

    def _unlink(self, number: int, body: memoryview) -> bytes:
        descriptor, (name,) = self.nodes[number].descriptor, wire.names(body)
        gone = self._going(descriptor, name)
        os.unlink(name, dir_fd=descriptor)
        gone()
        return b""

    def _remove_directory(self, number: int, body: memoryview) -> bytes:
        os.rmdir(wire.names(body)[0], dir_fd=self.nodes[number].descriptor)
        return b""

    def _rename(self, number: int, body: memoryview) -> bytes:
        (target,) = wire.LONG.unpack_from(body)
        old, new = wire.names(body, wire.LONG.size)
        source, onto = self.nodes[number].descriptor, self.nodes[target].descriptor
        gone = self._going(onto, new)
        os.rename(old, new, src_dir_fd=source, dst_dir_fd=onto)
        gone()
        return b""

    def _link(self, number: int, body: memoryview) -> bytes:
        (source,) = wire.LONG.unpack_from(body)
        (name,) = wire.names(body, wire.LONG.size)
        os.link(self.nodes[source].path, name, dst_dir_fd=self.nodes[number].descriptor, follow_symlinks=True)
        return self.entry(number, name)

    def _statfs(self, number: int, _: memoryview) -> bytes:
        return wire.statfs_reply(os.statvfs(self.nodes[number].path), self.available_bytes())

    def _forget(self, number: int, body: memoryview) -> bytes:
        self._drop(number, wire.LONG.unpack_from(body)[0])
        return b""

    def _forget_many(self, _: int, body: memoryview) -> bytes:
        count, _ = wire.TWO.unpack_from(body)
        one = wire.FORGET_ONE
        for place in range(count):
            self._drop(*one.unpack_from(body, wire.TWO.size + place * one.size))
        return b""

    def _drop(self, number: int, lookups: int) -> None:
        node = self.nodes.get(number)
        if node is None or number == ROOT:
            return
        node.lookups -= lookups
        if node.lookups <= 0:
            del self.nodes[number], self._numbers[node.key]
            os.close(node.descriptor)
