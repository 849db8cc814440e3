"""A line to the kernel over netlink: what was asked is done, and acknowledged, when a call returns.

The few messages that are needed are put together here, without a library: they are sent several times a second, in
microseconds, and no codec for nftables' expressions is as small as the format itself.

Source: `include/uapi/linux/netlink.h`; RFC 3549.
"""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator, Sequence

REQUEST, ACK, DUMP, REPLACE, EXCLUSIVE, CREATE, APPEND = 0x1, 0x4, 0x300, 0x100, 0x200, 0x400, 0x800
NESTED = 0x8000
HEADER = struct.Struct("=IHHII")

_ERROR, _DONE = 2, 3
_INTERRUPTED = 0x10
_ATTRIBUTE = struct.Struct("=HH")
_KIND = 0x3FFF  # the two upper bits say how to read the value
_FLAGS_AT, _SEQUENCE_AT = 6, 8
_TIMEOUT_S = 2
_RECEIVED_BYTES = 1 << 17
_MOST_DUMPS = 5
_SOL_NETLINK, _CAP_ACK, _STRICT = 270, 10, 12


def attribute(kind: int, value: bytes) -> bytes:
    """One attribute, padded to the next four bytes."""
    return _ATTRIBUTE.pack(_ATTRIBUTE.size + len(value), kind) + value + bytes(-len(value) % 4)


def nested(kind: int, *inner: bytes) -> bytes:
    """An attribute made of attributes."""
    return attribute(kind | NESTED, b"".join(inner))


def message(kind: int, flags: int, *parts: bytes) -> bytes:
    """One request; its number is given to it when it is sent."""
    body = b"".join(parts)
    return HEADER.pack(HEADER.size + len(body), kind, REQUEST | flags, 0, 0) + body


def each_attribute(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The attributes one after the other; what is cut off at the end is left out."""
    offset = 0
    while offset + _ATTRIBUTE.size <= len(data):
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < _ATTRIBUTE.size or offset + length > len(data):
            return
        yield kind & _KIND, data[offset + _ATTRIBUTE.size : offset + length]
        offset += length + 3 & ~3


def numbered(messages: Sequence[bytes], *, acknowledged: int) -> bytearray:
    """The messages as they are sent: numbered from 1 on, the one at this place asking for an acknowledgement."""
    data = bytearray()
    for number, one in enumerate(messages, 1):
        start = len(data)
        data += one
        struct.pack_into("=I", data, start + _SEQUENCE_AT, number)
    _ask_for_acknowledgement(data, acknowledged)
    return data


def _ask_for_acknowledgement(data: bytearray, place: int) -> None:
    offset = 0
    for _ in range(place):
        offset += struct.unpack_from("=I", data, offset)[0]
    flags = struct.unpack_from("=H", data, offset + _FLAGS_AT)[0]
    struct.pack_into("=H", data, offset + _FLAGS_AT, flags | ACK)


class Netlink:
    """A line to one part of the kernel, about the network namespace of the thread that made it.

    The kernel works while it is sent to, and answers before `send` returns: nothing here waits.

    Args:
        protocol: `socket.NETLINK_ROUTE`, or 12 for netfilter.

    Raises:
        OSError: This kernel has no such part.
    """

    def __init__(self, protocol: int) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, protocol)
        # The kernel's own limit instead of Python's, which would ask before each call whether it may be made.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, struct.pack("@ll", _TIMEOUT_S, 0))
        self._socket.bind((0, 0))
        for option in (_CAP_ACK, _STRICT):
            try:
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
            except OSError:
                continue  # an older kernel: it repeats the request, or tells more than it was asked

    def execute(self, data: bytes | bytearray, acknowledged: int) -> None:
        """Have numbered messages carried out.

        Args:
            data: What `numbered` made.
            acknowledged: The place, counted from 0, of the message that asks for an acknowledgement.

        Raises:
            OSError: The kernel refused one of them; of a batch, none was carried out then.
        """
        self._socket.send(data)
        while True:
            for kind, _, sequence, body in _messages(self._socket.recv(_RECEIVED_BYTES)):
                if kind != _ERROR:
                    continue
                if number := -struct.unpack_from("=i", body)[0]:
                    self._drain()
                    raise OSError(number, os.strerror(number))
                if sequence == acknowledged + 1:
                    return

    def request(self, one: bytes) -> None:
        """Have one message carried out.

        Raises:
            OSError: The kernel refused.
        """
        self.execute(numbered([one], acknowledged=0), 0)

    def dump(self, kind: int, *parts: bytes) -> list[tuple[int, bytes]]:
        """Everything of a kind, as it was at one moment.

        Returns:
            Kind and body of each message.

        Raises:
            OSError: The kernel refused, or what was read changed all the time.
        """
        asked = numbered([message(kind, DUMP, *parts)], acknowledged=0)
        for _ in range(_MOST_DUMPS):
            self._socket.send(asked)
            found, is_whole = self._collect()
            if is_whole:
                return found
        raise BlockingIOError("it changed each time that it was read")

    def _collect(self) -> tuple[list[tuple[int, bytes]], bool]:
        found: list[tuple[int, bytes]] = []
        is_whole = True
        while True:
            for kind, flags, _, body in _messages(self._socket.recv(_RECEIVED_BYTES)):
                is_whole = is_whole and not flags & _INTERRUPTED
                if kind in {_ERROR, _DONE}:
                    number = -struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
                    if number > 0:
                        self._drain()
                        raise OSError(number, os.strerror(number))
                    return found, is_whole
                found.append((kind, body))

    def _drain(self) -> None:
        """Take what else was answered, so that it is not taken for an answer to what comes next."""
        while True:
            try:
                self._socket.recv(_RECEIVED_BYTES, socket.MSG_DONTWAIT)
            except BlockingIOError:
                return

    def close(self) -> None:
        """Let go of the line."""
        self._socket.close()


def _messages(data: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """Kind, flags, number and body of each message."""
    offset = 0
    while offset + HEADER.size <= len(data):
        length, kind, flags, sequence, _ = HEADER.unpack_from(data, offset)
        if length < HEADER.size or offset + length > len(data):
            return
        yield kind, flags, sequence, data[offset + HEADER.size : offset + length]
        offset += length + 3 & ~3
