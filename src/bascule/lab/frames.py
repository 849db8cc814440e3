"""What an Ethernet frame says of itself, and the frames that answer it. Pure.

Sources: RFC 791 (IPv4), RFC 826 (ARP), RFC 9293 (TCP; section 3.10.7.1 for the numbers of a reset), RFC 1071.
"""

from __future__ import annotations

import struct
from typing import NamedTuple

from bascule.chaos.traffic import Protocol

_IPV4, _ARP = b"\x08\x00", b"\x08\x06"
_NAMES: dict[int, Protocol] = {1: "icmp", 6: "tcp", 17: "udp", 112: "vrrp"}
_ETHERNET = 14
FIN, SYN, RST, ACK = 1, 2, 4, 16


class Seen(NamedTuple):
    """Who sends what to whom. Addresses are four bytes, or none where the frame has none; ports 0 where it has none."""

    protocol: str
    source: bytes
    target: bytes
    source_port: int = 0
    target_port: int = 0
    flags: int = 0


UNKNOWN = Seen("other", b"", b"")


def look(frame: bytes) -> Seen:
    """What the frame says; a frame that is too short for what it claims to be is unknown."""
    kind = frame[12:14]
    if kind == _ARP and len(frame) >= _ETHERNET + 28:
        return Seen("arp", frame[28:32], frame[38:42])
    start = _ip_end(frame)
    if not start:
        return UNKNOWN
    protocol = _NAMES.get(frame[23], "other")
    source, target = frame[26:30], frame[30:34]
    is_first = not struct.unpack_from("!H", frame, 20)[0] & 0x1FFF
    if protocol in {"tcp", "udp"} and is_first and len(frame) >= start + 4:
        here, there = struct.unpack_from("!HH", frame, start)
        flags = frame[start + 13] if protocol == "tcp" and len(frame) >= start + 20 else 0
        return Seen(protocol, source, target, here, there, flags)
    return Seen(protocol, source, target)


def _ip_end(frame: bytes) -> int:
    """Where the content of an IPv4 packet begins; 0 when it is none."""
    if frame[12:14] != _IPV4 or len(frame) < _ETHERNET + 20 or frame[14] >> 4 != 4:
        return 0
    end = _ETHERNET + (frame[14] & 15) * 4
    return end if _ETHERNET + 20 <= end <= len(frame) else 0


def resets(frame: bytes) -> tuple[bytes, bytes]:
    """The two resets that end the connection of a TCP segment: one for its sender, one for its receiver.

    The frame must be a whole TCP segment, as `look` says, and no reset itself.
    """
    start = _ip_end(frame)
    here, there, sequence, acknowledged, offset, flags = struct.unpack_from("!HHIIBB", frame, start)
    length = struct.unpack_from("!H", frame, 16)[0] - (start - _ETHERNET) - (offset >> 4) * 4
    follows = (sequence + max(0, length) + bool(flags & SYN) + bool(flags & FIN)) & 0xFFFFFFFF
    back = struct.pack("!HHIIBBHHH", there, here, acknowledged if flags & ACK else 0, follows, 80, RST | ACK, 0, 0, 0)
    onward = struct.pack("!HHIIBBHHH", here, there, sequence, acknowledged, 80, RST | flags & ACK, 0, 0, 0)
    source, target = frame[26:30], frame[30:34]
    return (
        frame[6:12] + frame[:6] + _IPV4 + _packet(target, source, back),
        frame[:12] + _IPV4 + _packet(source, target, onward),
    )


def _packet(source: bytes, target: bytes, segment: bytes) -> bytes:
    header = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(segment), 0, 0x4000, 64, 6, 0, source, target)
    header = header[:10] + _checksum(header) + header[12:]
    pseudo = source + target + struct.pack("!BBH", 0, 6, len(segment))
    return header + segment[:16] + _checksum(pseudo + segment) + segment[18:]


def _checksum(data: bytes) -> bytes:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return struct.pack("!H", ~total & 0xFFFF)


def with_wrong_bit(frame: bytes, place: float) -> bytes:
    """The frame with one bit turned behind its Ethernet header; `place` in [0, 1) says which."""
    bits = (len(frame) - _ETHERNET) * 8
    if bits <= 0:
        return frame
    bit = int(place * bits)
    changed = bytearray(frame)
    changed[_ETHERNET + bit // 8] ^= 1 << bit % 8
    return bytes(changed)
