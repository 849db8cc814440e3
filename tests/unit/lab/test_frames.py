"""What frames say of themselves, and the resets that answer them; the kernel's own view is in the real tests."""

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.lab import frames
from bascule.lab.frames import ACK, FIN, RST, SYN, look, resets, with_wrong_bit

HERE, THERE = b"\x02\xba\x01\x00\x00\x01", b"\x02\xba\x01\x00\x00\x02"
A, B = socket.inet_aton("10.0.0.1"), socket.inet_aton("10.0.0.2")


def packet(protocol: int, content: bytes, *, fragment: int = 0, options: bytes = b"") -> bytes:
    length = 20 + len(options)
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x40 | length // 4, 0, length + len(content), 7, fragment, 64, protocol, 0, A, B
    )
    return THERE + HERE + b"\x08\x00" + header + options + content


def segment(flags: int, content: bytes = b"", *, sequence: int = 1000, acknowledged: int = 2000) -> bytes:
    return packet(6, struct.pack("!HHIIBBHHH", 40000, 5432, sequence, acknowledged, 80, flags, 1024, 0, 0) + content)


def arp() -> bytes:
    return THERE + HERE + b"\x08\x06" + struct.pack("!HHBBH6s4s6s4s", 1, 0x0800, 6, 4, 1, HERE, A, bytes(6), B)


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        (segment(SYN), ("tcp", A, B, 40000, 5432, SYN)),
        (packet(17, struct.pack("!HHHH", 53, 4000, 8, 0)), ("udp", A, B, 53, 4000, 0)),
        (packet(17, struct.pack("!HHHH", 53, 4000, 8, 0), options=bytes(8)), ("udp", A, B, 53, 4000, 0)),
        (packet(17, b"in the middle", fragment=100), ("udp", A, B, 0, 0, 0)),
        (packet(1, b"ping"), ("icmp", A, B, 0, 0, 0)),
        (packet(112, b"vrrp"), ("vrrp", A, B, 0, 0, 0)),
        (packet(89, b"ospf"), ("other", A, B, 0, 0, 0)),
        (arp(), ("arp", A, B, 0, 0, 0)),
        (b"", ("other", b"", b"", 0, 0, 0)),
        (arp()[:30], ("other", b"", b"", 0, 0, 0)),
        (segment(SYN)[:30], ("other", b"", b"", 0, 0, 0)),
        (THERE + HERE + b"\x86\xdd" + bytes(40), ("other", b"", b"", 0, 0, 0)),
    ],
)
def test_what_a_frame_says(frame: bytes, expected: tuple[object, ...]) -> None:
    assert tuple(look(frame)) == expected


@given(st.binary(max_size=80))
def test_any_bytes_are_looked_at(noise: bytes) -> None:
    look(noise)
    look(THERE + HERE + b"\x08\x00" + noise)
    look(THERE + HERE + b"\x08\x06" + noise)


def numbers(frame: bytes) -> tuple[int, ...]:
    return struct.unpack_from("!HHIIBB", frame, 34)


def test_a_segment_is_answered_by_a_reset_that_its_sender_believes() -> None:
    back, onward = resets(segment(ACK, b"hello"))
    assert back[:12] == HERE + THERE
    assert onward[:12] == THERE + HERE
    assert (back[26:30], back[30:34]) == (B, A)
    assert (onward[26:30], onward[30:34]) == (A, B)
    assert numbers(back) == (5432, 40000, 2000, 1005, 80, RST | ACK)
    assert numbers(onward) == (40000, 5432, 1000, 2000, 80, RST | ACK)


def test_a_segment_that_opens_or_closes_counts_for_one_byte_more() -> None:
    back, _ = resets(segment(SYN, acknowledged=0))
    assert numbers(back) == (5432, 40000, 0, 1001, 80, RST | ACK)
    back, _ = resets(segment(FIN | ACK, sequence=0xFFFFFFFF))
    assert numbers(back)[3] == 0


def test_both_checksums_are_right() -> None:
    for frame in resets(segment(ACK, b"hello")):
        assert frames._checksum(frame[14:34]) == b"\0\0"
        pseudo = frame[26:34] + struct.pack("!BBH", 0, 6, len(frame) - 34)
        assert frames._checksum(pseudo + frame[34:]) == b"\0\0"


@given(st.floats(0, 1, exclude_max=True))
def test_exactly_one_bit_behind_the_header_is_wrong(place: float) -> None:
    frame = segment(ACK, b"hello")
    changed = with_wrong_bit(frame, place)
    assert changed[:14] == frame[:14]
    assert sum((one ^ other).bit_count() for one, other in zip(frame, changed, strict=True)) == 1
    assert with_wrong_bit(frame[:14], place) == frame[:14]
