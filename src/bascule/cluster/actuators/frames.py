"""The frames by which a network learns where an address is: ARP, and IPv6 neighbour discovery.

What is received is hostile: too short, or not what was asked for, is nothing.

Source: RFC 826 and RFC 5227 (ARP, its probes and announcements); RFC 4861 sections 4.3, 4.4, 7.2.6 and RFC 4862
section 5.4.2 (neighbour discovery).
"""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address

from bascule.cluster.actuators.addresses import Ip

ETHERTYPE_ARP, ETHERTYPE_IPV6 = 0x0806, 0x86DD
ICMPV6_ADVERTISEMENT_FILTER = (
    # Classic BPF: frames whose IPv6 payload is an ICMPv6 neighbour advertisement, whole; nothing else.
    (0x30, 0, 0, 20),
    (0x15, 0, 3, 58),
    (0x30, 0, 0, 54),
    (0x15, 0, 1, 136),
    (0x06, 0, 0, 0xFFFF),
    (0x06, 0, 0, 0),
)

_BROADCAST = b"\xff" * 6
_NOBODY = bytes(6)
_ARP = struct.Struct(">HHBBH6s4s6s4s")
_REQUEST, _REPLY = 1, 2
_ICMPV6 = 58
_SOLICITATION, _ADVERTISEMENT = 135, 136
_ROUTER, _OVERRIDE = 0x80000000, 0x20000000
_TARGET_LINK_ADDRESS = 2
_ALL_NODES = IPv6Address("ff02::1")
_HOP_LIMIT = 255  # a router would have lowered it: proves that the sender is a neighbour


def announcements(mac: bytes, ip: Ip, *, is_router: bool = False) -> tuple[bytes, ...]:
    """What tells every neighbour that this address is found at our link address from now on.

    For IPv4 a request and a reply, for there are systems that heed only the one or the other (RFC 5227, section 3).
    """
    if isinstance(ip, IPv6Address):
        return (_advertisement(mac, ip, is_router=is_router),)
    request = _arp(_REQUEST, mac, ip.packed, _NOBODY, ip.packed)
    # Linux heeds a reply that nobody asked for only when its target is its sender.
    reply = _arp(_REPLY, mac, ip.packed, mac, ip.packed)
    return (request, reply)


def probe(mac: bytes, ip: Ip) -> bytes:
    """What asks whether anybody has this address, without saying that we do."""
    if isinstance(ip, IPv4Address):
        return _arp(_REQUEST, mac, bytes(4), _NOBODY, ip.packed)
    group = IPv6Address(b"\xff\x02" + bytes(9) + b"\x01\xff" + ip.packed[-3:])
    return _icmpv6(mac, IPv6Address(0), group, struct.pack(">BBHI", _SOLICITATION, 0, 0, 0) + ip.packed)


def claimant(frame: bytes, ip: Ip) -> bytes | None:
    """The link address that a frame says this address is found at; None when it says nothing of it."""
    return _arp_claimant(frame, ip) if ip.version == 4 else _advertisement_claimant(frame, ip)


def _arp(operation: int, mac: bytes, sender: bytes, target_mac: bytes, target: bytes) -> bytes:
    body = _ARP.pack(1, 0x0800, 6, 4, operation, mac, sender, target_mac, target)
    return _BROADCAST + mac + struct.pack(">H", ETHERTYPE_ARP) + body


def _advertisement(mac: bytes, ip: IPv6Address, *, is_router: bool) -> bytes:
    flags = _OVERRIDE | (_ROUTER if is_router else 0)
    option = struct.pack(">BB", _TARGET_LINK_ADDRESS, 1) + mac
    return _icmpv6(mac, ip, _ALL_NODES, struct.pack(">BBHI", _ADVERTISEMENT, 0, 0, flags) + ip.packed + option)


def _icmpv6(mac: bytes, source: IPv6Address, group: IPv6Address, body: bytes) -> bytes:
    pseudo = source.packed + group.packed + struct.pack(">II", len(body), _ICMPV6)
    body = body[:2] + struct.pack(">H", checksum(pseudo + body)) + body[4:]
    header = struct.pack(">IHBB", 6 << 28, len(body), _ICMPV6, _HOP_LIMIT) + source.packed + group.packed
    return b"\x33\x33" + group.packed[-4:] + mac + struct.pack(">H", ETHERTYPE_IPV6) + header + body


def checksum(data: bytes) -> int:
    """The Internet checksum (RFC 1071)."""
    data += bytes(len(data) % 2)
    total: int = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _arp_claimant(frame: bytes, ip: Ip) -> bytes | None:
    if len(frame) < 14 + _ARP.size or frame[12:14] != struct.pack(">H", ETHERTYPE_ARP):
        return None
    hardware, protocol, mac_bytes, ip_bytes, _, mac, sender, _, _ = _ARP.unpack_from(frame, 14)
    is_ethernet = (hardware, protocol, mac_bytes, ip_bytes) == (1, 0x0800, 6, 4)
    return mac if is_ethernet and sender == ip.packed else None


def _advertisement_claimant(frame: bytes, ip: Ip) -> bytes | None:
    if len(frame) < 14 + 40 + 24 or frame[12:14] != struct.pack(">H", ETHERTYPE_IPV6):
        return None
    packet = frame[14:]
    is_neighbours = packet[6] == _ICMPV6 and packet[7] == _HOP_LIMIT and packet[40] == _ADVERTISEMENT
    if not is_neighbours or packet[48:64] != ip.packed:
        return None
    return _link_address_option(packet[64:]) or frame[6:12]


def _link_address_option(options: bytes) -> bytes | None:
    while len(options) >= 8:
        kind, length = options[0], options[1] * 8
        if length == 0 or length > len(options):
            return None
        if kind == _TARGET_LINK_ADDRESS:
            return options[2:8]
        options = options[length:]
    return None
