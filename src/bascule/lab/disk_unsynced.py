"""What was written and no fsync asked for: kept so that it can be lost, as a disk's and a kernel's caches lose it.

Bytes go to their file at once; what stood there before is kept until the file is synced. A loss of power puts it back.
Names are another matter: a file made, renamed, cut short or removed stays so, as a file system's journal has it within
a moment; only the bytes in it, and how far it grew, depend on fsync. So a file that was renamed into place unsynced is
found empty, which is the classic of such losses.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable

from bascule.chaos.disk import LostWrites

BLOCK_BYTES = 4096
EXPIRES_S = 30.0
"""The kernel writes what nobody syncs after so long (`vm.dirty_expire_centisecs`)."""
MOST_BLOCKS = 64 * 2**20 // BLOCK_BYTES
Key = tuple[int, int]


class _Before:
    """How one file was when it was last synced."""

    def __init__(self, descriptor: int, size_bytes: int, now_s: float) -> None:
        self.descriptor = os.dup(descriptor)
        self.size_bytes = size_bytes
        self.since_s = now_s
        self.blocks: dict[int, bytes] = {}

    def keep(self, offset: int, length: int) -> int:
        """Keep what stands there; how many blocks are new."""
        end = min(offset + length, self.size_bytes)
        fresh = 0
        for block in range(offset // BLOCK_BYTES, -(-end // BLOCK_BYTES)):
            if block not in self.blocks:
                self.blocks[block] = os.pread(self.descriptor, BLOCK_BYTES, block * BLOCK_BYTES)
                fresh += 1
        return fresh

    def cut(self, size_bytes: int) -> int:
        """The file is cut short, and stays so; how many blocks are forgotten."""
        self.size_bytes = min(self.size_bytes, size_bytes)
        beyond = [block for block in self.blocks if block * BLOCK_BYTES >= self.size_bytes]
        for block in beyond:
            del self.blocks[block]
        return len(beyond)

    def put_back(self) -> int:
        """Make the file what it was; how many bytes are lost."""
        lost = max(0, os.fstat(self.descriptor).st_size - self.size_bytes)
        for block, data in self.blocks.items():
            start = block * BLOCK_BYTES
            kept = data[: self.size_bytes - start]
            if os.pread(self.descriptor, len(kept), start) != kept:
                lost += len(kept)
                os.pwrite(self.descriptor, kept, start)
        os.ftruncate(self.descriptor, min(self.size_bytes, os.fstat(self.descriptor).st_size))
        return lost


class Unsynced:
    """Every file of a disk that was written since it was last synced."""

    def __init__(self, now_s: Callable[[], float] = time.monotonic) -> None:
        self._files: dict[Key, _Before] = {}
        self._blocks = 0
        self._now_s = now_s

    def __len__(self) -> int:
        return len(self._files)

    def writing(self, key: Key, descriptor: int, offset: int, length: int) -> None:
        """Call before bytes are written. The descriptor can read and write."""
        before = self._files.get(key)
        if before is None:
            before = self._files[key] = _Before(descriptor, os.fstat(descriptor).st_size, self._now_s())
        self._blocks += before.keep(offset, length)
        while self._blocks > MOST_BLOCKS:
            self.synced(next(iter(self._files)))  # as a cache that is full writes out what it has had for longest

    def cut(self, key: Key, size_bytes: int) -> None:
        """Call when a file is cut short."""
        if key in self._files:
            self._blocks -= self._files[key].cut(size_bytes)

    def synced(self, key: Key) -> None:
        """Call when a file was synced, or removed: nothing of it can be lost any more."""
        before = self._files.pop(key, None)
        if before is not None:
            self._blocks -= len(before.blocks)
            os.close(before.descriptor)

    def settle(self) -> None:
        """Everything is on the disk now."""
        for key in tuple(self._files):
            self.synced(key)

    def expire(self) -> None:
        """What is old enough is on the disk now."""
        now_s = self._now_s()
        for key in [key for key, before in self._files.items() if now_s - before.since_s >= EXPIRES_S]:
            self.synced(key)

    def lose(self) -> LostWrites:
        """Put every file back to what it was when it was last synced."""
        sizes = [before.put_back() for before in self._files.values()]
        self.settle()
        return LostWrites(files=sum(size > 0 for size in sizes), size_bytes=sum(sizes))
