"""A program in a session of its own: it is always reaped, and its group is never mistaken for another one.

The number of a process may be given to another one once it was reaped. So a child is reaped last: as long as it is
not, its number, and that of its group, are its own, and a signal to them reaches nobody else.

Source: pidfd_open(2), waitid(2), posix_spawn(3); signal(7) on what a child inherits.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Mapping, Sequence
from typing import Self

from msgspec import Struct

from bascule.cluster.programs.processes import process

REAP_WITHIN_S = 2.0
"""After SIGKILL; what takes longer hangs in the kernel (on a dead NFS server, say), and nothing can end it."""
OUTPUT_LIMIT_BYTES = 8192
_PIECE_BYTES = 65536
# Python ignores two of them, and a shell in the background two more; a program expects that nobody does.
_RESTORED = signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}
_NOT_THEIRS = ("NOTIFY_SOCKET", "WATCHDOG_PID", "WATCHDOG_USEC", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES")


class Ran(Struct, frozen=True, kw_only=True):
    """What came of a program.

    Attributes:
        code: Its exit code; a signal that ended it as a negative number; None: it was not ended within its time.
        output: The end of its standard output.
        errors: The end of its standard error.
        is_cut: It wrote more than was kept.
    """

    code: int | None
    output: str = ""
    errors: str = ""
    is_cut: bool = False

    @property
    def why(self) -> str:
        """How it ended, with its last words, in one line of limited length."""
        if self.code is None:
            ended = "it did not end in time"
        elif self.code < 0:
            ended = f"it was ended by signal {-self.code}"
        else:
            ended = f"exit code {self.code}"
        words = " ".join((self.errors.strip() or self.output.strip()).split())
        shown = "".join(one if one.isprintable() else "?" for one in words)
        return f"{ended}: {shown[-300:]}" if shown else ended


class Tail:
    """The end of a stream, and no more: read as it comes, so that whoever writes does not wait."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._kept = bytearray()
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._reader, False)
        self.is_cut = False
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._reader, self._take)

    def _take(self) -> bool:
        try:
            piece = os.read(self._reader, _PIECE_BYTES)
        except BlockingIOError:
            return False
        if not piece:
            self._loop.remove_reader(self._reader)
            return False
        self._kept += piece
        if len(self._kept) > self._limit_bytes:
            self.is_cut = True
            del self._kept[: -self._limit_bytes]
        return True

    def __enter__(self) -> Self:
        return self

    @property
    def writer(self) -> int:
        """The end that a program writes to."""
        return self._writer

    def close_writer(self) -> None:
        """Only who was given it may write any more."""
        if self._writer >= 0:
            os.close(self._writer)
            self._writer = -1

    def __exit__(self, *_: object) -> None:
        """Whoever still writes is not read any more."""
        self.close_writer()
        rounds = 16  # what a pipe holds, and no more: somebody in the background may write for ever
        while rounds and self._take():
            rounds -= 1
        self._loop.remove_reader(self._reader)
        os.close(self._reader)

    @property
    def text(self) -> str:
        """What was kept."""
        return bytes(self._kept).decode("utf-8", "replace")


class Child:
    """A program that was started, first of a session and a group of its own. Lives in one event loop."""

    def __init__(self, pid: int, name: str) -> None:
        self.pid = pid
        self.name = name
        self.code: int | None = None
        self._pidfd = os.pidfd_open(pid)
        found = process(pid)
        self.start = found.start if found else 0
        self._loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[None] = self._loop.create_future()
        self._loop.add_reader(self._pidfd, self._on_end)
        self._is_given_up = False

    @property
    def is_alive(self) -> bool:
        """It has not ended yet."""
        if self._pidfd < 0:
            return False
        options = os.WEXITED | os.WNOHANG | os.WNOWAIT
        try:
            return os.waitid(os.P_PIDFD, self._pidfd, options) is None
        except ChildProcessError:
            return False

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        if not self._ended.done():
            self._ended.set_result(None)
        if self._is_given_up:
            self._reap()

    async def ended(self) -> None:
        """Returns when it has ended; its number stays its own until `close`."""
        await asyncio.wait([self._ended])

    async def ended_within(self, limit_s: float) -> bool:
        """Whether it has ended within the time."""
        await asyncio.wait([self._ended], timeout=limit_s)
        return self._ended.done()

    def send(self, number: int) -> None:
        """Send to it alone; nothing happens when it has ended."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, number)

    def send_to_group(self, number: int) -> None:
        """Send to its group; nothing happens when there is nobody in it."""
        if self._pidfd >= 0:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.pid, number)

    async def end(self, grace_s: float) -> None:
        """Ask the group to end, and kill it after `grace_s`."""
        self.send_to_group(signal.SIGTERM)
        self.send_to_group(signal.SIGCONT)  # one that is stopped would not hear the first
        await self.ended_within(grace_s)
        self.send_to_group(signal.SIGKILL)

    async def close(self) -> None:
        """Kill it and its group if it still lives, and reap it; finishes that also while it is being cancelled."""
        if self._pidfd < 0:
            return
        if self.is_alive:
            self.send_to_group(signal.SIGKILL)
        until_s = self._loop.time() + REAP_WITHIN_S
        cancelled: asyncio.CancelledError | None = None
        while not self._ended.done() and self._loop.time() < until_s:
            try:
                await asyncio.wait([self._ended], timeout=until_s - self._loop.time())
            except asyncio.CancelledError as error:
                cancelled = error
        if self._ended.done():
            self._reap()
        else:
            self._is_given_up = True
        if cancelled is not None:
            raise cancelled

    def leave(self) -> None:
        """Let it live; it is no longer watched, and reaped by whoever comes after this process."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1

    def _reap(self) -> None:
        self._loop.remove_reader(self._pidfd)
        try:
            ended = os.waitid(os.P_PIDFD, self._pidfd, os.WEXITED)
        except ChildProcessError:  # SIGCHLD is ignored in this process: nobody knows how it ended
            ended = None
        os.close(self._pidfd)
        self._pidfd = -1
        if ended is not None:
            self.code = ended.si_status if ended.si_code == os.CLD_EXITED else -ended.si_status


def environment(**more: str) -> dict[str, str]:
    """This process's, without what its service manager told it alone, and with `more`."""
    return {**{name: value for name, value in os.environ.items() if name not in _NOT_THEIRS}, **more}


def spawn(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    stdin: int | None = None,
    stdout: int | None = None,
    stderr: int | None = None,
) -> Child:
    """The program, started.

    Args:
        argv: Program and arguments; a name without a slash is looked for in this process's PATH.
        environment: All of it.
        stdin: An open file; by default there is nothing to read.
        stdout: An open file; by default this process's standard error.
        stderr: The same.

    Raises:
        OSError: It cannot be executed.
    """
    actions: list[tuple[int, ...] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0) if stdin is None else (os.POSIX_SPAWN_DUP2, stdin, 0)
    ]
    actions += [
        (os.POSIX_SPAWN_DUP2, 2 if stdout is None else stdout, 1),
        (os.POSIX_SPAWN_DUP2, 2 if stderr is None else stderr, 2),
    ]
    pid = os.posix_spawnp(
        argv[0], list(argv), dict(environment), file_actions=actions, setsid=True, setsigmask=(), setsigdef=_RESTORED
    )
    try:
        return Child(pid, os.path.basename(argv[0]))  # noqa: PTH119 - a name for people, not a path
    except OSError:
        os.killpg(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        raise


async def run(
    argv: Sequence[str],
    environment: Mapping[str, str],
    *,
    limit_s: float,
    grace_s: float = 1.0,
    stdin: str = "",
    output_limit_bytes: int = OUTPUT_LIMIT_BYTES,
) -> Ran:
    """What came of a program, which has ended when this returns, or is cancelled, with the whole of its group.

    One that ends by itself may leave others in the background; their output is not read any more. A child that left
    the group (`setsid`) is not found by this.

    Args:
        argv: Program and arguments.
        environment: All of it.
        limit_s: After so many seconds it is asked to end.
        grace_s: So many seconds later it is killed.
        stdin: What it can read.
        output_limit_bytes: How much of each of its outputs is kept: the end.

    Raises:
        OSError: It cannot be executed.
    """
    with Tail(output_limit_bytes) as output, Tail(output_limit_bytes) as errors:
        child = _spawn_with(argv, environment, stdin, output, errors)
        is_late = False
        try:
            try:
                async with asyncio.timeout(limit_s):
                    await child.ended()
            except TimeoutError:
                is_late = True
                await child.end(grace_s)
        finally:
            await child.close()
    is_cut = output.is_cut or errors.is_cut
    return Ran(code=None if is_late else child.code, output=output.text, errors=errors.text, is_cut=is_cut)


def _spawn_with(argv: Sequence[str], environment: Mapping[str, str], stdin: str, output: Tail, errors: Tail) -> Child:
    given = _readable(stdin)
    try:
        return spawn(argv, environment, stdin=given, stdout=output.writer, stderr=errors.writer)
    finally:
        os.close(given)
        output.close_writer()
        errors.close_writer()


def _readable(text: str) -> int:
    """An open file in memory that holds the text: nobody waits for whom, however much it is."""
    file = os.memfd_create("stdin")
    os.write(file, text.encode())
    os.lseek(file, 0, os.SEEK_SET)
    return file
