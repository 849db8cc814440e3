"""The way to the other agents without the store: one signed datagram asks, one confirms.

Each datagram is a JSON object and its HMAC-SHA256 under a key that all agents share. It names the cluster, the sender
and the receiver, and questions of one session are numbered: an old one that comes again is not answered. Nobody learns
anything from an answer but that a session is known.

Source: RFC 2104 (HMAC).
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import msgspec
from msgspec import Struct

from bascule.cluster.decisions.events import Asked, Confirmed, Event
from bascule.cluster.records import Count, Name
from bascule.kernel.errors import InputError, MachineError

SIGNATURE_BYTES = 32
DATAGRAM_LIMIT_BYTES = 1200
KEY_LEAST_BYTES = 16
KEY_MOST_BYTES = 4096


class Message(Struct, frozen=True, kw_only=True):
    """A question about the sender's session, or the answer to the receiver's question about its own."""

    cluster: Name
    sender: Name
    receiver: Name
    kind: Literal["ask", "confirm"]
    session: Name
    number: Count


def read_key(path: Path) -> bytes:
    """The key that all agents share.

    Raises:
        InputError: It cannot be read, others may read it, or it is too short.
    """
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            key = stream.read(KEY_MOST_BYTES).strip()
    except OSError as error:
        raise InputError(f"the key of the peers cannot be read: {error.strerror}", where=str(path)) from error
    if mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise InputError("the key of the peers is open to others", where=str(path), hint=f"chmod 600 {path}")
    if len(key) < KEY_LEAST_BYTES:
        hint = f"at least {KEY_LEAST_BYTES} characters, such as from: openssl rand -hex 32"
        raise InputError("the key of the peers is too short", where=str(path), hint=hint)
    return key


def seal(message: Message, key: bytes) -> bytes:
    """The datagram that carries a message."""
    body = msgspec.json.encode(message)
    return hmac.digest(key, body, hashlib.sha256) + body


def unseal(datagram: bytes, key: bytes) -> Message | None:
    """The message of a datagram; None if nobody who has the key wrote it, or it is none."""
    signature, body = datagram[:SIGNATURE_BYTES], datagram[SIGNATURE_BYTES:]
    if len(datagram) > DATAGRAM_LIMIT_BYTES or not hmac.compare_digest(
        signature, hmac.digest(key, body, hashlib.sha256)
    ):
        return None
    try:
        return msgspec.json.decode(body, type=Message)
    except msgspec.DecodeError:
        return None


class Peers(asyncio.DatagramProtocol):
    """Asks and confirms; the `Asking` of an agent.

    Args:
        cluster, agent: Their names.
        key: From `read_key`.
        address_of: The address of a peer, as its session says; empty when unknown.
        hear: Told of questions and of confirmations.
    """

    def __init__(
        self, cluster: str, agent: str, key: bytes, address_of: Callable[[str], str], hear: Callable[[Event], None]
    ) -> None:
        self._cluster = cluster
        self._agent = agent
        self._key = key
        self._address_of = address_of
        self._hear = hear
        self._transport: asyncio.DatagramTransport | None = None
        self._latest: dict[tuple[str, str], int] = {}

    async def listen(self, address: str) -> str:
        """Be reachable at `host:port`; returns the address that it came to, which differs for port 0.

        Raises:
            InputError: That is no address.
            MachineError: It cannot be had.
        """
        host, port = split(address)
        try:
            self._transport, _ = await asyncio.get_running_loop().create_datagram_endpoint(
                lambda: self, local_addr=(host, port)
            )
        except OSError as error:
            raise MachineError(f"peers cannot be heard: {error.strerror or error}", where=address) from error
        name = self._transport.get_extra_info("sockname")
        return f"[{name[0]}]:{name[1]}" if ":" in name[0] else f"{name[0]}:{name[1]}"

    def ask(self, session: str, number: int, witnesses: tuple[str, ...]) -> None:
        """Ask the witnesses whether this agent may go on."""
        for witness in witnesses:
            self._send("ask", witness, session, number)

    def confirm(self, peer: str, session: str, number: int) -> None:
        """Answer a peer that it may go on."""
        self._send("confirm", peer, session, number)

    def _send(self, kind: Literal["ask", "confirm"], to: str, session: str, number: int) -> None:
        address = self._address_of(to)
        if self._transport is None or not address:
            return
        message = Message(
            cluster=self._cluster, sender=self._agent, receiver=to, kind=kind, session=session, number=number
        )
        try:
            self._transport.sendto(seal(message, self._key), split(address))
        except (OSError, InputError):
            return  # a peer that cannot be asked does not confirm

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Take in a datagram; what is not for us, not signed, or old is passed over."""
        del addr
        message = unseal(data, self._key)
        if message is None or (message.cluster, message.receiver) != (self._cluster, self._agent):
            return
        if message.kind == "confirm":
            self._hear(Confirmed(peer=message.sender, session=message.session, number=message.number))
            return
        of = (message.sender, message.session)
        if message.number <= self._latest.get(of, 0):
            return
        self._latest[of] = message.number
        self._hear(Asked(peer=message.sender, session=message.session, number=message.number))

    def error_received(self, exc: Exception) -> None:
        """A datagram did not arrive: whoever it was for does not confirm."""

    def close(self) -> None:
        """Be reachable no more."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None


def split(address: str) -> tuple[str, int]:
    """Host and port of `10.0.0.1:7946` or `[fd00::1]:7946`.

    Raises:
        InputError: It is neither.
    """
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or int(port) > 65535:
        raise InputError(f"{address[:60]!r} is no address", hint="write it like 10.0.0.1:7946")
    return host.removeprefix("[").removesuffix("]"), int(port)
