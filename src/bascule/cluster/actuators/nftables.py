"""nftables' own language on the wire: tables, chains, sets with timeouts and the few expressions of the door.

Every function returns messages for one *batch*: the kernel carries out all of a batch at one moment, or nothing of it.

Source: `include/uapi/linux/netfilter/nf_tables.h` and `nfnetlink.h`.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from bascule.cluster.actuators import netlink
from bascule.cluster.actuators.netlink import attribute, nested

NETFILTER = 12  # NETLINK_NETFILTER, which the socket module does not know
ARP, IPV4, IPV6 = 3, 2, 10  # families
NETWORK_HEADER, TRANSPORT_HEADER = 1, 2

_SUBSYSTEM = 10 << 8
_BATCH_BEGIN, _BATCH_END = 0x10, 0x11
_NEWTABLE, _DELTABLE, _NEWCHAIN, _NEWRULE, _DELRULE, _NEWSET = 0, 2, 3, 6, 8, 9
_NEWSETELEM, _GETSETELEM, _DELSETELEM = 12, 13, 14
_GENERAL = struct.Struct(">BBH")
_REGISTER = 1
_VERDICT_REGISTER = 0
_DROP, _JUMP = 0, -3 & 0xFFFFFFFF
_OWNED = 0x2
_WITH_TIMEOUTS = 0x10
_INVERTED = 1
_META_TIME_NS, _META_L4PROTO = 30, 16
_EQUAL, _AT_LEAST = 0, 5
_HOST_TO_NETWORK = 1
_ELEMENTS = 3


def _number(value: int) -> bytes:
    return struct.pack(">I", value)


def _name(text: str) -> bytes:
    return text.encode() + b"\0"


def _message(kind: int, family: int, flags: int, *attributes: bytes) -> bytes:
    return netlink.message(_SUBSYSTEM | kind, flags, _GENERAL.pack(family, 0, 0), *attributes)


def batch(messages: Sequence[bytes]) -> tuple[bytearray, int]:
    """All of these, or nothing.

    Returns:
        What is sent, and the place of the message that is acknowledged: see `Netlink.execute`.
    """
    begin = netlink.message(_BATCH_BEGIN, 0, _GENERAL.pack(0, 0, 10))
    end = netlink.message(_BATCH_END, 0, _GENERAL.pack(0, 0, 10))
    return netlink.numbered([begin, *messages, end], acknowledged=len(messages)), len(messages)


def table(family: int, name: str) -> bytes:
    """Make a table, if it is not there."""
    return _message(_NEWTABLE, family, netlink.CREATE, attribute(1, _name(name)), attribute(2, _number(0)))


def own_table(family: int, name: str) -> bytes:
    """Make a table that goes with the line to the kernel by which it was made; refused when it is there.

    With EPERM when it is another line's, with EEXIST when it is nobody's.
    """
    flags = netlink.CREATE | netlink.EXCLUSIVE
    return _message(_NEWTABLE, family, flags, attribute(1, _name(name)), attribute(2, _number(_OWNED)))


def no_table(family: int, name: str) -> bytes:
    """Remove a table and everything in it; refused (ENOENT) when there is none."""
    return _message(_DELTABLE, family, 0, attribute(1, _name(name)))


def hook(family: int, table: str, chain: str, *, number: int, priority: int) -> bytes:
    """Make a chain that every packet passes at this hook; what no rule drops goes on."""
    where = nested(4, attribute(1, _number(number)), attribute(2, _number(priority & 0xFFFFFFFF)))
    names = (attribute(1, _name(table)), attribute(3, _name(chain)))
    accept = attribute(5, _number(1))
    return _message(_NEWCHAIN, family, netlink.CREATE, *names, where, accept, attribute(7, _name("filter")))


def chain(family: int, table: str, chain: str) -> bytes:
    """Make a chain that only a `jump` leads to."""
    return _message(_NEWCHAIN, family, netlink.CREATE, attribute(1, _name(table)), attribute(3, _name(chain)))


def timed_set(family: int, table: str, name: str, *, key_type: int, key_bytes: int, number: int) -> bytes:
    """Make a set whose elements end by themselves.

    Args:
        family: The table's.
        table: The table's name.
        name: The set's.
        key_type: How `nft` shows a key: 7 is an IPv4 address, 8 an IPv6 one.
        key_bytes: The length of a key.
        number: Any, but another one for each set of a batch.
    """
    attributes = [attribute(1, _name(table)), attribute(2, _name(name)), attribute(3, _number(_WITH_TIMEOUTS))]
    attributes += [attribute(kind, _number(value)) for kind, value in ((4, key_type), (5, key_bytes), (10, number))]
    return _message(_NEWSET, family, netlink.CREATE, *attributes)


def element(family: int, table: str, name: str, key: bytes, timeout_ms: int) -> bytes:
    """Put a key into a set, for that long; does nothing when it is there already."""
    timeout = attribute(4, struct.pack(">Q", timeout_ms))
    one = nested(1, nested(1, attribute(1, key)), timeout)
    names = (attribute(1, _name(table)), attribute(2, _name(name)))
    return _message(_NEWSETELEM, family, netlink.CREATE, *names, nested(_ELEMENTS, one))


def no_elements(family: int, table: str, name: str) -> bytes:
    """Empty a set."""
    return _message(_DELSETELEM, family, 0, attribute(1, _name(table)), attribute(2, _name(name)))


def rule(family: int, table: str, chain: str, *expressions: bytes) -> bytes:
    """Add a rule at the chain's end."""
    names = (attribute(1, _name(table)), attribute(2, _name(chain)))
    flags = netlink.CREATE | netlink.APPEND
    return _message(_NEWRULE, family, flags, *names, nested(4, *expressions))


def no_rules(family: int, table: str, chain: str) -> bytes:
    """Empty a chain."""
    return _message(_DELRULE, family, 0, attribute(1, _name(table)), attribute(2, _name(chain)))


def _expression(name: str, *attributes: bytes) -> bytes:
    return nested(1, attribute(1, _name(name)), nested(2, *attributes))


def _compare(how: int, value: bytes) -> bytes:
    data = nested(3, attribute(1, value))
    return _expression("cmp", attribute(1, _number(_REGISTER)), attribute(2, _number(how)), data)


def _load(base: int, offset: int, length: int) -> bytes:
    where = ((1, _REGISTER), (2, base), (3, offset), (4, length))
    return _expression("payload", *(attribute(kind, _number(value)) for kind, value in where))


def _meta(key: int) -> bytes:
    return _expression("meta", attribute(1, _number(_REGISTER)), attribute(2, _number(key)))


def holds(base: int, offset: int, value: bytes) -> bytes:
    """Go on only when the packet has these bytes there."""
    return _load(base, offset, len(value)) + _compare(_EQUAL, value)


def not_in(base: int, offset: int, length: int, name: str) -> bytes:
    """Go on only when the bytes of the packet are not in the set."""
    inverted = attribute(5, _number(_INVERTED))
    return _load(base, offset, length) + _expression(
        "lookup", attribute(1, _name(name)), attribute(2, _number(_REGISTER)), inverted
    )


def carries(protocol: int) -> bytes:
    """Go on only when that protocol is in the packet: 58 is ICMPv6."""
    return _meta(_META_L4PROTO) + _compare(_EQUAL, bytes([protocol]))


def not_before(wall_ns: int) -> bytes:
    """Go on only when the machine's wall clock has reached that many nanoseconds since the epoch."""
    order = ((1, _REGISTER), (2, _REGISTER), (3, _HOST_TO_NETWORK), (4, 8), (5, 8))
    swap = _expression("byteorder", *(attribute(kind, _number(value)) for kind, value in order))
    return _meta(_META_TIME_NS) + swap + _compare(_AT_LEAST, struct.pack(">Q", wall_ns))


def _verdict(*attributes: bytes) -> bytes:
    return _expression("immediate", attribute(1, _number(_VERDICT_REGISTER)), nested(2, nested(2, *attributes)))


def drop() -> bytes:
    """The packet ends here."""
    return _verdict(attribute(1, _number(_DROP)))


def jump(chain: str) -> bytes:
    """Go through another chain, then come back."""
    return _verdict(attribute(1, _number(_JUMP)), attribute(2, _name(chain)))


def elements(line: netlink.Netlink, family: int, table: str, name: str) -> list[bytes]:
    """The keys that a set has at this moment, those whose time is over left out.

    Raises:
        OSError: There is no such set (ENOENT), or it may not be read.
    """
    names = (attribute(1, _name(table)), attribute(2, _name(name)))
    answers = line.dump(_SUBSYSTEM | _GETSETELEM, _GENERAL.pack(family, 0, 0), *names)
    return [key for kind, body in answers if kind == _SUBSYSTEM | _NEWSETELEM for key in _keys(body[4:])]


def _keys(data: bytes) -> Iterator[bytes]:
    for kind, listed in netlink.each_attribute(data):
        if kind != _ELEMENTS:
            continue
        for _, one in netlink.each_attribute(listed):
            for inner, value in netlink.each_attribute(one):
                if inner == 1:
                    yield dict(netlink.each_attribute(value)).get(1, b"")
