from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bascule.cluster.agent.peers import Message, Peers, read_key, seal, split, unseal
from bascule.cluster.decisions.events import Asked, Confirmed, Event
from bascule.kernel.errors import InputError

KEY = b"0123456789abcdef0123"
ASK = Message(cluster="c", sender="a", receiver="b", kind="ask", session="s", number=1)


def test_a_message_survives_its_envelope() -> None:
    assert unseal(seal(ASK, KEY), KEY) == ASK


@pytest.mark.parametrize("place", [0, 31, 32, -1])
def test_a_changed_byte_is_noticed(place: int) -> None:
    sealed = bytearray(seal(ASK, KEY))
    sealed[place] ^= 1
    assert unseal(bytes(sealed), KEY) is None


def test_another_key_and_nonsense_are_passed_over() -> None:
    assert unseal(seal(ASK, KEY), b"another key 1234567") is None
    assert unseal(b"", KEY) is None
    assert unseal(b"x" * 5000, KEY) is None


def test_a_key_must_be_long_and_private(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(KEY + b"\n")
    path.chmod(0o640)
    with pytest.raises(InputError, match="open to others"):
        read_key(path)
    path.chmod(0o600)
    assert read_key(path) == KEY
    path.write_bytes(b"short")
    with pytest.raises(InputError, match="too short"):
        read_key(path)
    with pytest.raises(InputError, match="cannot be read"):
        read_key(tmp_path / "none")


@pytest.mark.parametrize("text", ["", "10.0.0.1", "10.0.0.1:", ":80", "a:b", "10.0.0.1:99999"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        split(text)


def test_addresses_of_both_families() -> None:
    assert split("10.0.0.1:7946") == ("10.0.0.1", 7946)
    assert split("[fd00::1]:7946") == ("fd00::1", 7946)


class Ear:
    """Hears events, and lets a test wait for so many of them."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Event] = asyncio.Queue()

    def hear(self, event: Event) -> None:
        self.queue.put_nowait(event)

    async def next(self) -> Event:
        async with asyncio.timeout(5):
            return await self.queue.get()


def test_a_question_is_heard_once_and_its_answer_comes_back() -> None:
    async def scene() -> None:
        addresses: dict[str, str] = {}
        at_a = Ear()
        at_b = Ear()
        a = Peers("c", "a", KEY, lambda name: addresses.get(name, ""), at_a.hear)
        b = Peers("c", "b", KEY, lambda name: addresses.get(name, ""), at_b.hear)
        stranger = Peers("c", "a", b"a stranger's key 123", lambda name: addresses.get(name, ""), at_a.hear)
        addresses["a"] = await a.listen("127.0.0.1:0")
        addresses["b"] = await b.listen("127.0.0.1:0")
        await stranger.listen("127.0.0.1:0")
        try:
            stranger.ask("s", 9, ("b",))
            a.ask("s", 1, ("b", "unknown"))
            a.ask("s", 1, ("b",))
            a.ask("s", 2, ("b",))
            assert await at_b.next() == Asked(peer="a", session="s", number=1)
            assert await at_b.next() == Asked(peer="a", session="s", number=2)
            a.ask("t", 1, ("b",))
            a.ask("s", 2, ("b",))  # of a session that is over, as if somebody sent it again
            a.ask("t", 1, ("b",))
            a.ask("t", 2, ("b",))
            assert await at_b.next() == Asked(peer="a", session="t", number=1)
            assert await at_b.next() == Asked(peer="a", session="t", number=2)
            b.confirm("a", "s", 2)
            assert await at_a.next() == Confirmed(peer="b", session="s", number=2)
        finally:
            for one in (a, b, stranger):
                one.close()
                one.close()
            await asyncio.sleep(0)

    asyncio.run(scene())
