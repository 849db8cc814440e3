"""Netlink and nftables, byte by byte; what the kernel makes of them is seen in `tests/real/cluster/vip`."""

from __future__ import annotations

import struct

from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.actuators import netlink
from bascule.cluster.actuators import nftables as nft

# The figures of a header are in this machine's own order.
HEADER = struct.Struct("=IHHII")


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def test_an_attribute_is_padded_but_says_its_own_length() -> None:
    assert netlink.attribute(7, b"abc") == struct.pack("=HH", 7, 7) + b"abc\0"
    assert netlink.nested(1, netlink.attribute(2, b"")) == struct.pack("=HHHH", 8, 0x8001, 4, 2)


def test_attributes_are_read_as_they_were_written() -> None:
    data = netlink.attribute(1, b"a") + netlink.nested(2, netlink.attribute(3, b"four"))
    assert list(netlink.each_attribute(data)) == [(1, b"a"), (2, attribute(3, b"four"))]
    assert list(netlink.each_attribute(data[:-1])) == [(1, b"a")]


@given(st.binary(max_size=64))
def test_attributes_that_make_no_sense_are_read_to_an_end(data: bytes) -> None:
    assert sum(4 + len(value) for _, value in netlink.each_attribute(data)) <= len(data)


def test_messages_are_numbered_and_one_is_acknowledged() -> None:
    data = netlink.numbered([netlink.message(1, 0, b"ab  "), netlink.message(2, netlink.CREATE)], acknowledged=1)
    assert bytes(data) == HEADER.pack(20, 1, 1, 1, 0) + b"ab  " + HEADER.pack(16, 2, 1 | 0x400 | 4, 2, 0)


def test_a_batch_has_a_beginning_and_an_end_for_nftables() -> None:
    data, acknowledged = nft.batch([nft.no_table(nft.IPV4, "t")])
    begin = HEADER.pack(20, 0x10, 1, 1, 0) + bytes([0, 0, 0, 10])
    end = HEADER.pack(20, 0x11, 1, 3, 0) + bytes([0, 0, 0, 10])
    table = attribute(1, b"t\0")
    middle = HEADER.pack(20 + len(table), 0xA02, 1 | 4, 2, 0) + bytes([2, 0, 0, 0]) + table
    assert (bytes(data), acknowledged) == (begin + middle + end, 1)


def test_a_table_may_go_with_its_line() -> None:
    message = nft.own_table(nft.ARP, "t")
    assert message[HEADER.size + 4 :] == attribute(1, b"t\0") + attribute(2, bytes([0, 0, 0, 2]))
    assert HEADER.unpack_from(message)[1:3] == (0xA00, 1 | 0x200 | 0x400)


def body(message: bytes) -> bytes:
    return message[HEADER.size + 4 :]


def be32(value: int) -> bytes:
    return value.to_bytes(4, "big")


def test_an_element_ends_after_milliseconds() -> None:
    key = attribute(0x8001, attribute(1, bytes([10, 88, 1, 8])))
    one = attribute(0x8001, key + attribute(4, (1500).to_bytes(8, "big")))
    expected = attribute(1, b"t\0") + attribute(2, b"even\0") + attribute(0x8003, one)
    message = nft.element(nft.ARP, "t", "even", bytes([10, 88, 1, 8]), 1500)
    assert body(message) == expected
    assert HEADER.unpack_from(message)[1:3] == (0xA0C, 1 | 0x400)
    assert message[HEADER.size] == 3


def test_a_set_has_timeouts() -> None:
    message = nft.timed_set(nft.IPV6, "t", "s", key_type=8, key_bytes=16, number=2)
    figures = [(3, 0x10), (4, 8), (5, 16), (10, 2)]
    names = attribute(1, b"t\0") + attribute(2, b"s\0")
    assert body(message) == names + b"".join(attribute(kind, be32(value)) for kind, value in figures)


def test_a_hook_has_its_place_and_lets_the_rest_pass() -> None:
    message = nft.hook(nft.IPV4, "t", "c", number=0, priority=-300)
    where = attribute(0x8004, attribute(1, be32(0)) + attribute(2, bytes.fromhex("fffffed4")))
    names = attribute(1, b"t\0") + attribute(3, b"c\0")
    assert body(message) == names + where + attribute(5, be32(1)) + attribute(7, b"filter\0")


def expression(name: bytes, *attributes: bytes) -> bytes:
    return attribute(0x8001, attribute(1, name + b"\0") + attribute(0x8002, b"".join(attributes)))


def figures(*pairs: tuple[int, int]) -> bytes:
    return b"".join(attribute(kind, be32(value)) for kind, value in pairs)


def test_a_rule_is_its_expressions_in_a_row() -> None:
    message = nft.rule(nft.IPV4, "t", "c", nft.holds(nft.NETWORK_HEADER, 16, bytes([10, 88, 1, 8])), nft.drop())
    load = expression(b"payload", figures((1, 1), (2, 1), (3, 16), (4, 4)))
    compare = expression(b"cmp", figures((1, 1), (2, 0)), attribute(0x8003, attribute(1, bytes([10, 88, 1, 8]))))
    drop = expression(b"immediate", figures((1, 0)), attribute(0x8002, attribute(0x8002, figures((1, 0)))))
    names = attribute(1, b"t\0") + attribute(2, b"c\0")
    assert body(message) == names + attribute(0x8004, load + compare + drop)
    assert HEADER.unpack_from(message)[1:3] == (0xA06, 1 | 0x400 | 0x800)


def test_a_lookup_is_inverted() -> None:
    load = expression(b"payload", figures((1, 1), (2, 1), (3, 12), (4, 4)))
    lookup = expression(b"lookup", attribute(1, b"odd\0"), figures((2, 1), (5, 1)))
    assert nft.not_in(nft.NETWORK_HEADER, 12, 4, "odd") == load + lookup


def test_the_clock_is_compared_as_a_big_number() -> None:
    load = expression(b"meta", figures((1, 1), (2, 30)))
    swap = expression(b"byteorder", figures((1, 1), (2, 1), (3, 1), (4, 8), (5, 8)))
    compare = expression(b"cmp", figures((1, 1), (2, 5)), attribute(0x8003, attribute(1, (10**18).to_bytes(8, "big"))))
    assert nft.not_before(10**18) == load + swap + compare


def test_a_jump_names_its_chain() -> None:
    verdict = attribute(0x8002, attribute(0x8002, figures((1, 0xFFFFFFFD)) + attribute(2, b"late\0")))
    assert nft.jump("late") == expression(b"immediate", figures((1, 0)), verdict)
