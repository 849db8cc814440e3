"""A super-frame is split into the frames that it stands for, each right for a receiver that trusts nobody."""

import struct
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.lab import superframes

ETHERNET = bytes(range(12))
FIN, PUSH, ACK, CWR = 1, 8, 16, 128


def slow_sum(data: bytes) -> int:
    """The sum of RFC 1071, word by word; 0xFFFF for data that carries its own right checksum."""
    total: int = sum(struct.unpack(f"!{(len(data) + 1) // 2}H", data + b"\0" * (len(data) % 2)))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def tagged(vlan: bool, kind: int) -> bytes:
    return ETHERNET + (b"\x81\x00\x00\x07" if vlan else b"") + struct.pack("!H", kind)


def super_frame(content: bytes, size: int, *, version: int = 4, udp: bool = False, vlan: bool = False) -> bytes:
    link = tagged(vlan, 0x0800 if version == 4 else 0x86DD)
    if udp:
        transport = struct.pack("!HHHH", 1000, 2000, 8 + len(content), 0)
    else:
        flags = ACK | PUSH | FIN | CWR
        transport = struct.pack("!HHIIBBHHH", 1000, 2000, 0xFFFFFF00, 7, 8 << 4, flags, 99, 0, 0) + b"\x01" * 12
    protocol, inner = (17 if udp else 6), len(transport) + len(content)
    if version == 4:
        network = struct.pack(
            "!BBHHHBBH4s4s", 0x45, 0, 20 + inner, 0xFFFE, 0x4000, 64, protocol, 0, b"\x0a\0\0\1", b"abcd"
        )
    else:
        network = struct.pack("!IHBB16s16s", 6 << 28, inner, protocol, 64, b"a" * 16, b"b" * 16)
    kind = 5 if udp else 1 if version == 4 else 4
    start = len(link) + len(network)
    header = struct.pack("=BBHHHH", 1, kind, start + len(transport), size, start, 6 if udp else 16)
    return header + link + network + transport + content


def broken(frame: bytes, *, version: int, udp: bool, vlan: bool) -> str:
    """What a receiver that trusts no offload finds wrong; nothing for a right frame."""
    if any(frame[:10]):
        return "the header asks for something"
    network = 10 + 14 + 4 * vlan
    start = network + (20 if version == 4 else 40)
    length = struct.unpack_from("!H", frame, network + (2 if version == 4 else 4))[0]
    if length != len(frame) - (network if version == 4 else start):
        return "the length"
    if version == 4 and slow_sum(frame[network:start]) != 0xFFFF:
        return "the network checksum"
    if udp and struct.unpack_from("!H", frame, start + 4)[0] != len(frame) - start:
        return "the datagram's length"
    addresses = frame[network + 12 : start] if version == 4 else frame[network + 8 : start]
    pseudo = addresses + struct.pack("!II", len(frame) - start, 17 if udp else 6)
    return "" if slow_sum(pseudo + frame[start:]) == 0xFFFF else "the checksum"


kinds = st.fixed_dictionaries({"version": st.sampled_from([4, 6]), "udp": st.booleans(), "vlan": st.booleans()})


def what_is_wrong(split: Callable[[bytes], list[bytes]], content: bytes, size: int, **kind: object) -> str:
    frames = split(super_frame(content, size, **kind))  # type: ignore[arg-type]  # hypothesis knows no typed keywords
    udp, version = bool(kind["udp"]), int(str(kind["version"]))
    start = 10 + 14 + 4 * bool(kind["vlan"]) + (20 if version == 4 else 40)
    end = start + (8 if udp else 32)
    if [frame[end:] for frame in frames] != [content[at : at + size] for at in range(0, len(content), size)]:
        return "the content"
    for number, frame in enumerate(frames):
        if fault := broken(frame, version=version, udp=udp, vlan=bool(kind["vlan"])):
            return fault
        if version == 4 and struct.unpack_from("!H", frame, start - 16)[0] != (0xFFFE + number) & 0xFFFF:
            return "the id"
        if not udp and struct.unpack_from("!I", frame, start + 4)[0] != (0xFFFFFF00 + number * size) & 0xFFFFFFFF:
            return "the sequence"
        ends = PUSH | FIN if number == len(frames) - 1 else 0
        if not udp and frame[start + 13] != ACK | ends | (CWR if number == 0 else 0):
            return "the flags"
    return ""


@given(st.binary(min_size=1, max_size=3000), st.integers(1, 1500), kinds)
def test_each_frame_is_whole_and_together_they_carry_the_content(
    content: bytes, size: int, kind: dict[str, object]
) -> None:
    assert what_is_wrong(superframes.split, content, size, **kind) == ""


def _turned(at: int, mask: int = 1) -> Callable[[bytes], list[bytes]]:
    def mutant(data: bytes) -> list[bytes]:
        frames = [bytearray(frame) for frame in superframes.split(data)]
        frames[0][at] ^= mask
        return [bytes(frame) for frame in frames]

    return mutant


@pytest.mark.parametrize("at", [0, 27, 29, 35, 51, 57, 61, 80])
def test_a_split_that_errs_by_one_bit_is_found(at: int) -> None:
    assert what_is_wrong(_turned(at), bytes(100), 40, version=4, udp=False, vlan=False)


def test_a_split_that_loses_the_last_frame_is_found() -> None:
    assert what_is_wrong(lambda data: superframes.split(data)[:-1], bytes(99), 40, version=6, udp=True, vlan=True)


def test_a_frame_that_only_lacks_its_checksum_gets_it() -> None:
    data = bytearray(super_frame(b"hello", 1))
    data[1] = 0
    pseudo = data[36:44] + struct.pack("!II", 32 + 5, 6)
    struct.pack_into("!H", data, 10 + 34 + 16, slow_sum(bytes(pseudo)))
    (frame,) = superframes.split(bytes(data))
    assert slow_sum(bytes(pseudo) + frame[44:]) == 0xFFFF
    assert not any(frame[:10])


@pytest.mark.parametrize("kind", [0, 3, 9])
def test_a_frame_of_no_known_kind_is_left_as_it_is(kind: int) -> None:
    data = bytes((0, kind)) + bytes(8) + tagged(vlan=False, kind=0x0806) + bytes(46)
    assert superframes.split(data) == [data]
