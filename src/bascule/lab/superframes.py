"""Super-frames, many segments of one stream in one frame, and the frames that they stand for. Pure.

A packet socket with `PACKET_VNET_HDR` puts `struct virtio_net_hdr` before each frame. It says whether the checksum is
still to be written, and whether the frame stands for many.

Sources: virtio 1.2, section 5.1.6 (the header), RFC 9293 and RFC 768 (what is summed), RFC 1071, RFC 6864 (the id).
"""

from __future__ import annotations

import struct

HEADER_BYTES = 10
MOST_BYTES = 2**17
"""No super-frame with its header is longer."""
_HEADER = struct.Struct("=BBHHHH")
_PLAIN = bytes(HEADER_BYTES)
_UNSUMMED = 1
_TCP4, _TCP6, _UDP, _CONGESTED = 1, 4, 5, 0x80
_ETHERNET, _VLAN_BYTES, _VLAN = 14, 4, b"\x81\x00"
_FIN, _PUSH, _CWR = 0x01, 0x08, 0x80
_LAST_ONLY = _FIN | _PUSH


def split(data: bytes) -> list[bytes]:
    """The frames that this one stands for, each whole, its checksums written, with a header that asks for nothing.

    A frame of a kind that is not known is returned as it is, alone.
    """
    flags, kind, _, size, start, offset = _HEADER.unpack_from(data)
    frame = data[HEADER_BYTES:]
    kind &= ~_CONGESTED
    if kind == 0:
        return [_PLAIN + _summed(frame, start, offset)] if flags & _UNSUMMED else [data]
    if kind not in {_TCP4, _TCP6, _UDP} or not flags & _UNSUMMED or not size:
        return [data]
    header = start + (8 if kind == _UDP else (frame[start + 12] >> 4) * 4)
    pieces = range(header, len(frame), size)
    return [_PLAIN + _piece(frame, start, header, at, size, udp=kind == _UDP) for at in pieces]


def _network(frame: bytes) -> int:
    """Where the IP header begins."""
    at = _ETHERNET
    while frame[at - 2 : at] == _VLAN:
        at += _VLAN_BYTES
    return at


def _piece(frame: bytes, start: int, header: int, at: int, size: int, *, udp: bool) -> bytes:
    """The frame whose content is `size` bytes from `at` on, or what is left of them."""
    network = _network(frame)
    made = bytearray(frame[:header] + frame[at : at + size])
    number, is_last = (at - header) // size, at + size >= len(frame)
    if made[network] >> 4 == 4:
        identity = struct.unpack_from("!H", made, network + 4)[0]
        struct.pack_into("!HH", made, network + 2, len(made) - network, (identity + number) & 0xFFFF)
        struct.pack_into("!H", made, network + 10, 0)
        end = network + (made[network] & 15) * 4
        struct.pack_into("!H", made, network + 10, _sum(made[network:end]))
    else:
        struct.pack_into("!H", made, network + 4, len(made) - network - 40)
    if udp:
        struct.pack_into("!H", made, start + 4, len(made) - start)
    else:
        sequence = struct.unpack_from("!I", made, start + 4)[0]
        struct.pack_into("!I", made, start + 4, (sequence + at - header) & 0xFFFFFFFF)
        made[start + 13] &= (0xFF if is_last else ~_LAST_ONLY & 0xFF) & (0xFF if number == 0 else ~_CWR & 0xFF)
    sum_at = start + (6 if udp else 16)
    addresses = made[network + 12 : network + 20] if made[network] >> 4 == 4 else made[network + 8 : network + 40]
    pseudo = addresses + struct.pack("!II", len(made) - start, 17 if udp else 6)
    struct.pack_into("!H", made, sum_at, 0)
    struct.pack_into("!H", made, sum_at, _sum(pseudo + made[start:]))
    return bytes(made)


def _summed(frame: bytes, start: int, offset: int) -> bytes:
    """The frame with its checksum written; the field holds the sum of the addresses until then."""
    made = bytearray(frame)
    struct.pack_into("!H", made, start + offset, _sum(made[start:]))
    return bytes(made)


def _sum(data: bytes | bytearray) -> int:
    """The Internet checksum; never 0, which means in UDP that there is none."""
    octets = bytes(data)
    # The ones' complement sum of 16-bit words is the number itself modulo 2**16 - 1, which the interpreter does in C.
    return 0xFFFF - int.from_bytes(octets + b"\0" * (len(octets) % 2), "big") % 0xFFFF
