"""A host's disk: `python -m bascule.lab.disk KERNEL ROOT` is the file system under a member, as bad as ordered.

The arguments number two descriptors: the kernel's side of the file system, and the directory beneath, in which all is
kept. Its standard input is the socket on which the supervisor gives orders; when that closes, the disk ends. It has no
capability of its own: both were opened for it.
"""

from __future__ import annotations

import errno
import heapq
import os
import resource
import select
import signal
import socket
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.chaos.disk import DiskCounts, DiskTrouble, LostWrites
from bascule.lab import fuse_wire as wire
from bascule.lab import syscalls
from bascule.lab.disk_files import DiskFiles
from bascule.lab.disk_tree import Answer, DiskTree
from bascule.lab.disk_trouble import MOVES, SYNCS, DiskTroubles
from bascule.lab.disk_unsynced import Unsynced
from bascule.lab.fuse_wire import Op

ORDER_BYTES = 2**18
_SYNCING = 4
_EXPIRE_S = 5.0
_TO_WRITE = os.O_WRONLY | os.O_RDWR | os.O_TRUNC


class Order(Struct, frozen=True, kw_only=True):
    """These troubles and no others (None: as they are); and what else to do.

    Attributes:
        then: `settle`: all that was written is on the disk. `cut`: the power is gone, and with it what was not synced.
    """

    number: int
    troubles: tuple[DiskTrouble, ...] | None = None
    then: Literal["", "settle", "cut"] = ""


class Done(Struct, frozen=True, kw_only=True):
    """The order of this number is carried out; what each trouble did so far, and what was lost by a `cut`."""

    number: int
    counts: tuple[DiskCounts, ...] = ()
    lost: LostWrites = LostWrites()


class _GoneError(Exception):
    """The kernel's side is gone: nobody can ask any more."""


class Disk:
    """Answers the kernel until it is told to end."""

    def __init__(self, kernel: int, root: int, orders: socket.socket) -> None:
        self._kernel = kernel
        self._orders = orders
        self._unsynced = Unsynced()
        self._troubles = DiskTroubles()
        self._tree = DiskTree(root, self._unsynced, self._troubles.freed)
        self._tree.available_bytes = lambda: self._troubles.available_bytes
        self._files = DiskFiles(self._tree, self._unsynced)
        self._answers: dict[int, Answer] = {**self._tree.answers, **self._files.answers, Op.INIT: _begin}
        self._held: list[tuple[float, int, bytes]] = []
        self._syncing = ThreadPoolExecutor(max_workers=_SYNCING, thread_name_prefix="sync")
        self._decode = msgspec.json.Decoder(Order).decode
        self._buffer = memoryview(bytearray(wire.BUFFER_BYTES))
        self._expires_s = time.monotonic() + _EXPIRE_S

    def run(self) -> None:
        """Answer until the supervisor hangs up, or the file system is taken away."""
        readable = [self._kernel, self._orders.fileno()]
        try:
            while True:
                now_s = time.monotonic()
                until_s = min(self._expires_s, self._held[0][0] if self._held else self._expires_s)
                ready = select.select(readable, (), (), max(0.0, until_s - now_s))[0]
                self._let_go()
                if self._kernel in ready:
                    self._hear()
                if self._orders.fileno() in ready and not self._obey():
                    return
        except _GoneError:
            return

    def _let_go(self) -> None:
        """Carry out what was held up long enough."""
        now_s = time.monotonic()
        while self._held and self._held[0][0] <= now_s:
            self._carry_out(memoryview(heapq.heappop(self._held)[2]))
        if now_s >= self._expires_s:
            self._unsynced.expire()
            self._expires_s = now_s + _EXPIRE_S

    def _hear(self) -> None:
        try:
            size = os.readv(self._kernel, [self._buffer])
        except OSError as error:
            if error.errno == errno.ENODEV:
                raise _GoneError from None
            if error.errno in {errno.EAGAIN, errno.EINTR, errno.ENOENT}:
                return  # whoever asked has just given up
            raise
        request = self._buffer[:size]
        if self._troubles.is_calm:
            self._carry_out(request)
            return
        _, operation, unique = wire.HEADER.unpack_from(request)[:3]
        if operation == Op.INTERRUPT:
            self._give_up(wire.LONG.unpack_from(request, wire.HEADER.size)[0])
            return
        now_s = time.monotonic()
        until_s = self._troubles.held_until_s(operation, _size_bytes(operation, request), now_s)
        if until_s > now_s:
            heapq.heappush(self._held, (until_s, unique, bytes(request)))
        else:
            self._carry_out(request)

    def _give_up(self, unique: int) -> None:
        """End what is held up for a process that is being killed: on a disk, other signals wait until it is done."""
        for one in self._held:
            if one[1] == unique and _is_dying(wire.HEADER.unpack_from(one[2])[6]):
                self._held.remove(one)
                heapq.heapify(self._held)
                self._reply(unique, b"", errno.EINTR)
                return

    def _carry_out(self, request: memoryview) -> None:
        _, operation, unique, number = wire.HEADER.unpack_from(request)[:4]
        body = request[wire.HEADER.size :]
        try:
            refused = 0 if self._troubles.is_calm else self._refusal(operation, body)
            if refused:
                self._reply(unique, b"", refused)
            elif operation in SYNCS:
                descriptor, only_data = self._files.to_sync(body)
                self._syncing.submit(self._sync, unique, descriptor, only_data)
            elif operation in self._answers:
                answer = self._answers[operation](number, body)
                if operation not in wire.SILENT:
                    self._reply(unique, answer)
            elif operation not in wire.SILENT:
                self._reply(unique, b"", errno.ENOSYS)
        except OSError as error:
            self._reply(unique, b"", error.errno or errno.EIO)
        except (KeyError, ValueError):
            self._reply(unique, b"", errno.ESTALE)

    def _refusal(self, operation: int, body: memoryview) -> int:
        growth = self._files.growth_bytes(operation, body) if self._troubles.available_bytes is not None else 0
        to_write = operation == Op.OPEN and bool(wire.TWO.unpack_from(body)[0] & _TO_WRITE)
        return self._troubles.refusal(operation, growth, to_write=to_write)

    def _sync(self, unique: int, descriptor: int, only_data: bool) -> None:
        try:
            if only_data:
                os.fdatasync(descriptor)
            else:
                os.fsync(descriptor)
            self._reply(unique, b"")
        except OSError as error:
            self._reply(unique, b"", error.errno or errno.EIO)

    def _reply(self, unique: int, answer: bytes, failure: int = 0) -> None:
        header = wire.REPLY.pack(wire.REPLY.size + len(answer), -failure, unique)
        try:
            os.writev(self._kernel, [header, answer] if answer else [header])
        except OSError as error:
            if error.errno not in {errno.ENOENT, errno.ENODEV, errno.EBADF}:
                raise  # those mean that nobody waits any more

    def _obey(self) -> bool:
        data = self._orders.recv(ORDER_BYTES)
        if not data:
            return False
        order = self._decode(data)
        lost = LostWrites()
        if order.troubles is not None:
            self._troubles.set(order.troubles)
            self._release()
        if order.then == "settle":
            self._unsynced.settle()
        elif order.then == "cut":
            self._syncing.shutdown(wait=True)
            os.close(self._kernel)  # from here on every operation fails, and nothing can be written any more
            lost = self._unsynced.lose()
        done = Done(number=order.number, counts=self._troubles.counts(), lost=lost)
        self._orders.send(msgspec.json.encode(done))
        return order.then != "cut"

    def _release(self) -> None:
        """Carry out everything that was held up, in the order in which it was asked for."""
        held, self._held = sorted(self._held), []
        for _, _, request in held:
            self._carry_out(memoryview(request))


def _begin(_: int, body: memoryview) -> bytes:
    return wire.init_reply(body)


def _is_dying(pid: int) -> bool:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return True
    pending = [int(line.split()[1], 16) for line in lines if line.startswith(("SigPnd:", "ShdPnd:"))]
    return any(mask >> (signal.SIGKILL - 1) & 1 for mask in pending)


def _size_bytes(operation: int, request: memoryview) -> int:
    if operation not in MOVES or operation in SYNCS:
        return 0
    form = wire.FALLOCATE if operation == Op.FALLOCATE else wire.READ_WRITE
    return 0 if operation == Op.FALLOCATE else int(form.unpack_from(request, wire.HEADER.size)[2])


def main() -> int:
    """Be the disk on the descriptors that the arguments number."""
    kernel, root = int(sys.argv[1]), int(sys.argv[2])
    os.umask(0)  # the kernel has applied that of whoever asks
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # one for each file that the kernel knows
    os.set_blocking(kernel, False)
    syscalls.precise_timers()
    Disk(kernel, root, socket.socket(fileno=0)).run()
    return 0


if __name__ == "__main__":
    sys.exit(main())
