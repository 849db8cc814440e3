"""How long datagrams take from one host to another, each timed on the one clock of this machine."""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import time

GAP_S = 0.002
MOST = 1000
_WORD = struct.Struct("=8sI")


async def travels(mouth: socket.socket, ear: socket.socket, count: int, limit_s: float) -> tuple[float | None, ...]:
    """Send `count` datagrams, one every 2 ms, and say in seconds how long each took; None for each that did not come.

    Args:
        mouth: Sends.
        ear: Bound; hears.
        count: At most 1000.
        limit_s: How long the last one is waited for.
    """
    count = min(count, MOST)
    secret = secrets.token_bytes(8)
    sent_s: list[float] = []
    found: list[float | None] = [None] * count
    loop = asyncio.get_running_loop()

    async def hear() -> None:
        while None in found:
            data = await loop.sock_recv(ear, 64)
            now_s = time.monotonic()
            if len(data) == _WORD.size and data[:8] == secret:
                number = _WORD.unpack(data)[1]
                if number < len(sent_s) and found[number] is None:
                    found[number] = now_s - sent_s[number]

    hearing = asyncio.ensure_future(hear())
    try:
        for number in range(count):
            sent_s.append(time.monotonic())
            try:
                mouth.sendto(_WORD.pack(secret, number), ear.getsockname())
            except OSError:
                continue  # nobody knows the way now: it does not come
            await asyncio.sleep(GAP_S)
        await asyncio.wait([hearing], timeout=limit_s)
    finally:
        hearing.cancel()
    return tuple(found)
