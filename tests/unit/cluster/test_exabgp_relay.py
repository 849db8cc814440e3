"""Between the agent and ExaBGP: each its own answer, and no command of who is gone."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from bascule.cluster.actuators import exabgp_relay
from bascule.cluster.actuators.exabgp_relay import KNOWN, Relay

SHOW = b"show adj-rib out\n"
ANNOUNCE = b"announce route 192.0.2.1/32 next-hop self\n"
DEADLINE_S = 20.0


class World:
    """A relay, the pipe to ExaBGP, and what ExaBGP says."""

    def __init__(self, path: Path) -> None:
        self.path = str(path / "relay.sock")
        self.says = asyncio.StreamReader()
        self._hears, self.written = os.pipe()
        os.set_blocking(self._hears, False)
        self.relay = Relay(self.says, self.written)

    async def ask(self, line: bytes) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        reader, writer = await asyncio.open_unix_connection(self.path)
        writer.write(line)
        await writer.drain()
        return reader, writer

    async def heard(self) -> bytes:
        """The next thing that ExaBGP is told."""
        while True:
            try:
                return os.read(self._hears, 65536)
            except BlockingIOError:
                await asyncio.sleep(0.001)

    def close(self) -> None:
        os.close(self._hears)
        os.close(self.written)


@asynccontextmanager
async def world(path: Path) -> AsyncIterator[World]:
    made = World(path)
    server = await asyncio.start_unix_server(made.relay.serve, made.path)
    listening = asyncio.create_task(made.relay.listen())
    try:
        async with asyncio.timeout(DEADLINE_S):
            yield made
    finally:
        made.says.feed_eof()
        await asyncio.gather(listening, return_exceptions=True)
        server.close()
        made.close()


def test_each_client_has_its_own_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as relayed:
            first, one = await relayed.ask(SHOW)
            assert await relayed.heard() == SHOW
            second, other = await relayed.ask(ANNOUNCE)
            relayed.says.feed_data(b"127.0.0.2 ipv4 unicast 192.0.2.9/32 next-hop 127.0.0.1\ndone\n")
            assert await first.read() == b"127.0.0.2 ipv4 unicast 192.0.2.9/32 next-hop 127.0.0.1\ndone\n"
            assert await relayed.heard() == ANNOUNCE
            relayed.says.feed_data(b"error\n")
            assert await second.read() == b"error\n"
            one.close()
            other.close()

    asyncio.run(scenario())


def test_the_command_of_a_client_that_is_gone_is_not_handed_on(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as relayed:
            _, frozen = await relayed.ask(SHOW)
            assert await relayed.heard() == SHOW
            gone = [await relayed.ask(ANNOUNCE) for _ in range(3)]
            for _, writer in gone:
                writer.transport.abort()
            last, staying = await relayed.ask(SHOW)
            relayed.says.feed_data(b"done\n")
            assert await relayed.heard() == SHOW
            relayed.says.feed_data(b"done\n")
            assert await last.read() == b"done\n"
            frozen.close()
            staying.close()

    asyncio.run(scenario())


def test_what_exabgp_says_unasked_is_nobodys_answer(tmp_path: Path) -> None:
    async def scenario() -> None:
        async with world(tmp_path) as relayed:
            relayed.says.feed_data(b"neighbor 127.0.0.2 up\ndone\n")
            while relayed.says._buffer:  # type: ignore[attr-defined]  # noqa: ASYNC110 - nothing says that it was read
                await asyncio.sleep(0)
            reader, writer = await relayed.ask(SHOW)
            assert await relayed.heard() == SHOW
            relayed.says.feed_data(b"done\n")
            assert await reader.read() == b"done\n"
            writer.close()

    asyncio.run(scenario())


def test_an_answer_without_end_ends_the_relay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exabgp_relay, "ANSWER_LIMIT_BYTES", 100)

    async def scenario() -> None:
        relayed = World(tmp_path)
        relayed.says.feed_data(b"x" * 60 + b"\n")
        relayed.relay._asked = asyncio.get_running_loop().create_future()
        relayed.says.feed_data(b"x" * 60 + b"\n")
        with pytest.raises(ValueError, match="without end"):
            await relayed.relay.listen()
        relayed.close()

    asyncio.run(scenario())


@pytest.mark.parametrize(
    "line",
    [b"shutdown", b"announce route 10.0.0.0/8 next-hop self\rshutdown", b"show adj-rib out extensive", b"",
     b"announce route 10.0.0.0/8", b"neighbor 10.0.0.1 withdraw route 10.0.0.0/8 next-hop self"],
)  # fmt: skip
def test_no_other_command_is_known(line: bytes) -> None:
    assert KNOWN.fullmatch(line) is None


@pytest.mark.parametrize("word", [b"announce", b"withdraw"])
@pytest.mark.parametrize("rest", [b"192.0.2.1/32 next-hop self", b"fd00::1/128 next-hop fd00::2"])
def test_the_commands_of_routes_are_known(word: bytes, rest: bytes) -> None:
    assert KNOWN.fullmatch(word + b" route " + rest)
