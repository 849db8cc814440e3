"""ARP and neighbour discovery, byte by byte."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bascule.cluster.actuators import frames

MAC = bytes.fromhex("02a1b2c3d4e5")
STRANGER = bytes.fromhex("02ffeeddccbb")
V4 = IPv4Address("10.88.1.8")
V6 = IPv6Address("fd00:88::1:8")


def unhex(text: str) -> bytes:
    return bytes.fromhex(text)


def test_ipv4_is_announced_by_a_request_and_a_reply() -> None:
    request, reply = frames.announcements(MAC, V4)
    header = "ffffffffffff 02a1b2c3d4e5 0806"
    assert request == unhex(f"{header} 0001 0800 06 04 0001 02a1b2c3d4e5 0a580108 000000000000 0a580108")
    assert reply == unhex(f"{header} 0001 0800 06 04 0002 02a1b2c3d4e5 0a580108 02a1b2c3d4e5 0a580108")


def test_an_arp_probe_does_not_say_who_asks() -> None:
    expected = "ffffffffffff 02a1b2c3d4e5 0806 0001 0800 06 04 0001 02a1b2c3d4e5 00000000 000000000000 0a580108"
    assert frames.probe(MAC, V4) == unhex(expected)


IPV6 = "fd000088000000000000000000010008"


@pytest.mark.parametrize(("is_router", "flags"), [(False, "20000000"), (True, "a0000000")])
def test_ipv6_is_announced_to_all_nodes_and_overrides(is_router: bool, flags: str) -> None:
    (frame,) = frames.announcements(MAC, V6, is_router=is_router)
    assert frame[:14] == unhex("333300000001 02a1b2c3d4e5 86dd")
    assert frame[14:54] == unhex(f"60000000 0020 3a ff {IPV6} ff020000000000000000000000000001")
    assert frame[54:56] == unhex("88 00")
    assert frame[58:] == unhex(f"{flags} {IPV6} 02 01 02a1b2c3d4e5")
    assert is_sound(frame)


def test_an_ipv6_probe_comes_from_nobody_and_goes_to_the_solicited_node() -> None:
    frame = frames.probe(MAC, V6)
    assert frame[:14] == unhex("3333ff010008 02a1b2c3d4e5 86dd")
    assert frame[14:54] == unhex(f"60000000 0018 3a ff {'00' * 16} ff0200000000000000000001ff010008")
    assert frame[54:56] == unhex("87 00")
    assert frame[58:] == unhex(f"00000000 {IPV6}")
    assert is_sound(frame)


def is_sound(frame: bytes) -> bool:
    """Whether the checksum fits (RFC 4443, section 2.3): the sum over everything is zero then."""
    pseudo = frame[22:54] + len(frame[54:]).to_bytes(4, "big") + bytes([0, 0, 0, 58])
    return frames.checksum(pseudo + frame[54:]) == 0


def test_the_checksum_is_that_of_the_standard() -> None:
    assert frames.checksum(unhex("0001 f203 f4f5 f6f7")) == 0xFFFF - 0xDDF2  # RFC 1071, section 3
    assert frames.checksum(b"\x01") == 0xFEFF


@pytest.mark.parametrize("ip", [V4, V6])
def test_an_announcement_names_its_claimant(ip: IPv4Address | IPv6Address) -> None:
    for frame in frames.announcements(STRANGER, ip):
        assert frames.claimant(frame, ip) == STRANGER
        assert frames.claimant(frame, ip + 1) is None
        assert frames.claimant(frame[:-9], ip) in {None, STRANGER}  # without its option it is still a whole frame


@pytest.mark.parametrize("ip", [V4, V6])
def test_a_probe_claims_nothing(ip: IPv4Address | IPv6Address) -> None:
    assert frames.claimant(frames.probe(STRANGER, ip), ip) is None


def test_what_a_router_passed_on_is_no_neighbours_word() -> None:
    (frame,) = frames.announcements(STRANGER, V6)
    assert frames.claimant(frame[:21] + bytes([254]) + frame[22:], V6) is None


def test_without_an_option_the_sender_is_the_claimant() -> None:
    (frame,) = frames.announcements(STRANGER, V6)
    assert frames.claimant(frame[:78], V6) == STRANGER
    for option in ("0200", "02ff", "0101000000000000", "01"):
        assert frames.claimant(frame[:78] + unhex(option), V6) == STRANGER


@given(st.binary(max_size=120), st.sampled_from(["10.88.1.8", "fd00:88::1:8"]))
def test_whatever_comes_is_read_without_harm(data: bytes, address: str) -> None:
    ip = ip_address(address)
    assert frames.claimant(data, ip) is None or ip.packed in data


@given(st.binary(max_size=60), st.integers(0, 100))
def test_options_that_make_no_sense_are_read_without_harm(options: bytes, cut: int) -> None:
    (frame,) = frames.announcements(STRANGER, V6)
    frames.claimant((frame[:78] + options)[:cut], V6)
    assert frames.claimant(frame[:78] + options, V6) is not None
