"""The program behind a door into a lab: `python -m bascule.testing.relay SOCKET ADDRESS PORT`.

It is handed a listening socket through the Unix socket SOCKET, and joins each of its connections to ADDRESS and PORT as
its own host reaches them. When one side ends or breaks, so does the other. It ends with whoever handed it the socket.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys

CHUNK_BYTES = 65536


async def serve(line: socket.socket, door: socket.socket, address: str, port: int) -> None:
    """Join every connection to the address, until the line to the door's owner ends."""

    async def join(near_in: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        try:
            far_in, far_out = await asyncio.open_connection(address, port)
        except OSError:
            near_out.transport.abort()  # refused there is reset here
            return
        try:
            await asyncio.gather(_copy(near_in, far_out), _copy(far_in, near_out))
        finally:
            near_out.close()
            far_out.close()

    server = await asyncio.start_server(join, sock=door)
    owner, _ = await asyncio.open_unix_connection(sock=line)
    async with server:
        with contextlib.suppress(ConnectionError):  # an end as well
            await owner.read()
        os._exit(0)  # at once, with every connection that is open


async def _copy(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    try:
        while data := await source.read(CHUNK_BYTES):
            sink.write(data)
            await sink.drain()
        if sink.can_write_eof():
            sink.write_eof()
    except OSError:
        sink.transport.abort()  # a broken side breaks the other


def _receive(path: str) -> tuple[socket.socket, socket.socket]:
    """The line to the owner, and the socket that it hands over."""
    line = socket.socket(socket.AF_UNIX)
    line.connect(path)
    _, descriptors, _, _ = socket.recv_fds(line, 1, 1)
    line.sendall(b"r")
    return line, socket.socket(fileno=descriptors[0])


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(*_receive(sys.argv[1]), sys.argv[2], int(sys.argv[3])))
