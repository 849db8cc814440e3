"""Run by ExaBGP as one of its processes: hands on what the agent says at a socket, one command at a time.

ExaBGP's own named pipes are shared by all who use them, and an answer that nobody waited for is read by the next one.
Here each connection has one command and its own answer; the command of a client that is gone is not handed on, so that
an ExaBGP that was frozen does not carry out, when it thaws, what was wanted before. It knows the few commands that
routes need, and no other.

Source: ExaBGP 5, `doc` of the API: commands on standard output; `done` or `error` ends an answer on standard input.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys

LINE_LIMIT_BYTES = 1024
ANSWER_LIMIT_BYTES = 4 * 1024 * 1024
CLIENT_LIMIT_S = 5.0
_ADDRESS = r"[0-9A-Fa-f:.]{2,39}"
KNOWN = re.compile(
    rf"show adj-rib out|(?:announce|withdraw) route {_ADDRESS}/[0-9]{{1,3}} next-hop (?:self|{_ADDRESS})".encode()
)
_SOCKET_ONLY_FOR_US = 0o177


class Relay:
    """Between clients and ExaBGP.

    Args:
        answers: What ExaBGP says.
        commands: The descriptor at which ExaBGP listens.
    """

    def __init__(self, answers: asyncio.StreamReader, commands: int) -> None:
        self._answers = answers
        self._commands = commands
        self._turn = asyncio.Lock()
        self._asked: asyncio.Future[bytes] | None = None

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client: its command, the answer, and the end."""
        try:
            async with asyncio.timeout(CLIENT_LIMIT_S):
                line = (await reader.readline()).rstrip(b"\n")
            async with self._turn:
                if not reader.at_eof():
                    writer.write(await self._answer_to(line) if KNOWN.fullmatch(line) else b"unknown\n")
            await writer.drain()
        except (OSError, ValueError):
            return  # the client is gone, is silent, or writes without end
        finally:
            writer.close()

    async def listen(self) -> None:
        """Give each answer to whom it is for, until ExaBGP is gone; what it says unasked is of no interest.

        Raises:
            ValueError: It says more than it has to say.
        """
        told = bytearray()
        while line := await self._answers.readline():
            told += line
            if len(told) > ANSWER_LIMIT_BYTES:
                message = "an answer without end"
                raise ValueError(message)
            if self._asked is None:
                told.clear()
            elif line.strip() in {b"done", b"error"}:
                self._asked.set_result(bytes(told))
                self._asked = None
                told.clear()

    async def _answer_to(self, line: bytes) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._asked = answer
        # A command is shorter than what a pipe takes at once, and there is never a second one in it.
        os.write(self._commands, line + b"\n")
        return await answer


async def relay(path: str) -> None:
    """Serve at a socket until ExaBGP is gone."""
    answers = asyncio.StreamReader(limit=ANSWER_LIMIT_BYTES)
    loop = asyncio.get_running_loop()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(answers), sys.stdin.buffer)
    between = Relay(answers, sys.stdout.fileno())
    before = os.umask(_SOCKET_ONLY_FOR_US)
    server = await asyncio.start_unix_server(between.serve, path, limit=LINE_LIMIT_BYTES)
    os.umask(before)
    try:
        await between.listen()
    finally:
        server.close()


def main() -> None:
    """`python -m bascule.cluster.actuators.exabgp_relay /run/exabgp/bascule.sock`, as ExaBGP's `run`."""
    if len(sys.argv) != 2 or not sys.argv[1].startswith("/"):
        sys.exit("usage: python -m bascule.cluster.actuators.exabgp_relay /path/of/a.sock")
    asyncio.run(relay(sys.argv[1]))


if __name__ == "__main__":
    main()
