"""The agent's end of the pipes to its guardian: there is always one that knows what is held."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import msgspec

from bascule.cluster.agent.guardian import Held, Undone

AGAIN_S = 0.1
AGAIN_AFTER_FAILURE_S = 1.0


class Guardian:
    """Starts a guardian, tells it what is held, and starts another one when it ends.

    Args:
        path: The agent's file, which the guardian reads.
        undone: Hears of each group that the guardian undid while this agent lives.
        failed: Hears why no guardian could be started; it is tried again.
    """

    def __init__(
        self,
        path: Path,
        *,
        undone: Callable[[str], None] = lambda _: None,
        failed: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path = path
        self._undone = undone
        self._failed = failed
        self._process: asyncio.subprocess.Process | None = None
        self._listening: set[asyncio.Task[None]] = set()
        self._held: Mapping[str, float] = {}

    async def start(self) -> None:
        """Start it, in a session of its own: no Ctrl-C reaches it. It knows at once what is held, from the pipe.

        Raises:
            OSError: The machine has no process for it.
        """
        made = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "bascule.cluster.agent.guardian",
            str(self._path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            start_new_session=True,
        )
        before, self._process = self._process, made
        task = asyncio.get_running_loop().create_task(self._listen(made))
        self._listening.add(task)
        task.add_done_callback(self._listening.discard)
        _say(made, Held(until_s=dict(self._held)))
        _say_goodbye(before)  # only now: at no time is there none

    async def keep(self) -> None:
        """See that there is one, for ever."""
        while True:
            process = self._process
            if process is not None:
                await process.wait()
                if process is not self._process:
                    continue  # another one took its place
            await asyncio.sleep(AGAIN_S)
            try:
                await self.start()
            except OSError as error:
                self._failed(error.strerror or str(error))
                await asyncio.sleep(AGAIN_AFTER_FAILURE_S)

    async def renew(self) -> None:
        """Let another one, which reads the file anew, take its place."""
        try:
            await self.start()
        except OSError as error:
            self._failed(error.strerror or str(error))

    def hold(self, until_s: Mapping[str, float]) -> None:
        """Say which groups are held, and until when."""
        self._held = until_s
        if self._process is not None:
            _say(self._process, Held(until_s=dict(until_s)))

    async def let_go(self, *, undone: bool) -> None:
        """The agent ends. If everything was undone, see the guardian end too; otherwise leave the rest to it."""
        process, self._process = self._process, None
        if process is None:
            return
        if undone:
            _say_goodbye(process)
            await _ended(process)
        elif process.stdin is not None:
            process.stdin.close()
        for task in tuple(self._listening):
            task.cancel()
        await asyncio.gather(*self._listening, return_exceptions=True)

    async def _listen(self, process: asyncio.subprocess.Process) -> None:
        if process.stdout is None:
            return
        async for line in process.stdout:
            with contextlib.suppress(msgspec.DecodeError):  # somebody else's print
                self._undone(msgspec.json.decode(line, type=Undone).group)


def _say(process: asyncio.subprocess.Process, held: Held) -> None:
    if process.stdin is not None and not process.stdin.is_closing():
        process.stdin.write(msgspec.json.encode(held) + b"\n")


def _say_goodbye(process: asyncio.subprocess.Process | None) -> None:
    if process is not None and process.stdin is not None:
        _say(process, Held(goodbye=True))
        process.stdin.close()


async def _ended(process: asyncio.subprocess.Process) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(2):
            await process.wait()
            return
    process.kill()
    await process.wait()
