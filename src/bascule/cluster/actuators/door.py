"""The door before an address: the kernel itself closes it at the end of the validity, whatever becomes of us.

While it is closed no packet to or from the address passes this machine, and nobody is told at which link address it
is found. The door is a table of nftables; what holds it open is

- an element of a set that ends by itself, counted by the kernel in ticks from when it was told; and
- a rule that drops from an instant of the wall clock on: a process that was frozen after it had worked out how long the
  element is to live, and tells the kernel late, opens nothing; nor does a machine that was suspended meanwhile.

Both have to fail at once to keep it open: somebody sets the wall clock back, in the very moment of such a freeze.
"""

from __future__ import annotations

import errno
import math
import struct
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from bascule.cluster.actuators import nftables as nft
from bascule.cluster.actuators.netlink import Netlink
from bascule.kernel.clock import Clock
from bascule.kernel.errors import ActuatorError

DoorState = Literal["absent", "closed", "open"]

_SETS = ("even", "odd")
_LATE = "late"
_SHORTEST_MS = 10  # the longest tick of a kernel: the set's clock is no finer
_ROUNDED_NS = 1000  # more than what a float of today's date cannot tell apart
_PREROUTING, _POSTROUTING = 0, 4
_ARP_INPUT, _ARP_OUTPUT = 0, 1
_RAW, _LAST = -300, 300  # before any translation of addresses, and after it
_ICMPV6, _SOLICITATION, _ADVERTISEMENT, _TARGET_AT = 58, 135, 136, 8
_MARK_MS, _MARK_NS = 0xA5A4A3A2A1A09F9E, 0x5A5B5C5D5E5F6061


class Door:
    """Lets packets to and from one address pass, or not. Made of one table per family, named after the address.

    There are two sets, written in turn: while one is written anew, the other still holds the door open, so that on no
    kernel a packet is lost to it.

    Args:
        address: Whose door it is.
        clock: `CLOCK_BOOTTIME` and the wall clock.
    """

    def __init__(self, address: IPv4Address | IPv6Address, clock: Clock) -> None:
        self.table = f"bascule_{address.exploded.replace(':', '')}"
        self._address = address
        self._clock = clock
        self._families = (nft.ARP, nft.IPV4) if address.version == 4 else (nft.IPV6,)
        self._claim = f"{self.table}.claimed"
        self._is_claimed = False
        self._line: Netlink | None = None
        self._turn = 0
        self._until_s = -math.inf
        self._has_wall_limit = True
        self._opening = [self._open_in(name) for name in _SETS]

    def claim(self) -> bool:
        """Be the one process of this machine that may remove the door, until it unclaims, disconnects or ends.

        A process that is frozen between two of its steps goes on with the second one whenever it is woken. What it
        then does to the address it must still do behind a door: nobody else may remove that while the process lives.

        Returns:
            Whether it is so; otherwise another process that lives, or is just being ended, has claimed it.

        Raises:
            ActuatorError: The kernel refused.
        """
        if self._is_claimed:
            return True
        try:
            self._execute([nft.own_table(self._families[0], self._claim)])
        except OSError as error:
            if error.errno in {errno.EEXIST, errno.EPERM}:
                self.state()  # refused as well if it is not the owner but a right of ours that stands in the way
                return False
            if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:
                raise _refusal(error, self.table) from error
            return True  # Linux before 5.12: its tables have no owner, and nothing is claimed
        self._is_claimed = True
        return True

    def unclaim(self) -> None:
        """Leave the door to any process.

        Raises:
            ActuatorError: The kernel refused.
        """
        if self._is_claimed:
            self._is_claimed = False
            self._try(*nft.batch([nft.no_table(self._families[0], self._claim)]))

    def build(self) -> None:
        """Have a closed door, whatever was there before, without a moment in between.

        Raises:
            ActuatorError: This kernel, or our rights, do not suffice.
        """
        self._has_wall_limit = True
        try:
            try:
                self._execute(self._built())
            except OSError as error:
                if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL, errno.ENOENT}:
                    raise
                self._has_wall_limit = False  # Linux before 5.4 knows no time in rules
                self._execute(self._built())
        except OSError as error:
            raise _refusal(error, self.table) from error
        self._until_s = -math.inf
        self._opening = [self._open_in(name) for name in _SETS]

    def open(self, until_s: float) -> bool:
        """Let packets pass until then, and not longer; a validity that is over closes.

        Args:
            until_s: In seconds of `CLOCK_BOOTTIME`.

        Returns:
            Whether there is a door. Somebody may have removed all tables: then nothing is kept closed either.

        Raises:
            ActuatorError: The kernel was not told.
        """
        # The wall clock first: what passes between the two readings shortens the validity, and never prolongs it.
        wall_s = self._clock.wall_s()
        left_s = until_s - self._clock.monotonic_s()
        if not left_s * 1000 >= _SHORTEST_MS:
            return self.close()
        if not math.isfinite(left_s):
            raise ActuatorError(f"a validity until {until_s} is none", where=self.table)
        opening = self._opening[self._turn]
        opening.fill(timeout_ms=int(left_s * 1000), wall_ns=int((wall_s + left_s) * 1e9) - _ROUNDED_NS)
        is_there = self._try(opening.data, opening.acknowledged)
        self._turn = 1 - self._turn
        if is_there and until_s < self._until_s:
            is_there = self._try(*nft.batch(self._emptied(_SETS[self._turn])))
        self._until_s = until_s
        return is_there

    def close(self) -> bool:
        """Let nothing pass any more.

        Returns:
            Whether there is a door.

        Raises:
            ActuatorError: The kernel was not told.
        """
        self._until_s = -math.inf
        return self._try(*nft.batch([one for name in _SETS for one in self._emptied(name)]))

    def remove(self) -> None:
        """Have no door any more; everything passes. Once more does no harm.

        Raises:
            ActuatorError: The kernel refused.
        """
        for family in self._families:
            self._try(*nft.batch([nft.no_table(family, self.table)]))

    def state(self) -> DoorState:
        """How it is now, by the kernel's own account.

        Raises:
            ActuatorError: It cannot be seen.
        """
        try:
            line = self._connected()
            found = [[nft.elements(line, family, self.table, name) for name in _SETS] for family in self._families]
        except OSError as error:
            if error.errno == errno.ENOENT:
                return "absent"
            raise _refusal(error, self.table) from error
        return "open" if all(any(sets) for sets in found) else "closed"

    def disconnect(self) -> None:
        """Let go of the line to the kernel; the door stays as it is."""
        if self._line:
            self._line.close()
            self._line = None
            self._is_claimed = False

    def _connected(self) -> Netlink:
        if self._line is None:
            self._line = Netlink(nft.NETFILTER)
        return self._line

    def _execute(self, messages: Sequence[bytes]) -> None:
        self._connected().execute(*nft.batch(messages))

    def _try(self, data: bytearray, acknowledged: int) -> bool:
        try:
            self._connected().execute(data, acknowledged)
        except OSError as error:
            if error.errno == errno.ENOENT:
                return False
            raise _refusal(error, self.table) from error
        return True

    def _built(self) -> list[bytes]:
        return [one for family in self._families for one in self._built_in(family)]

    def _built_in(self, family: int) -> list[bytes]:
        key_type, key_bytes = (7, 4) if self._address.version == 4 else (8, 16)
        # A table can be removed only when it is there: it is made before, and in the same moment made anew.
        messages = [nft.table(family, self.table), nft.no_table(family, self.table), nft.table(family, self.table)]
        messages += [
            nft.timed_set(family, self.table, name, key_type=key_type, key_bytes=key_bytes, number=number)
            for number, name in enumerate(_SETS, 1 + 2 * self._families.index(family))
        ]
        messages.append(nft.chain(family, self.table, _LATE))
        if self._has_wall_limit:
            messages.append(nft.rule(family, self.table, _LATE, nft.not_before(0), nft.drop()))
        return messages + (self._arp_chains() if family == nft.ARP else self._packet_chains(family))

    def _arp_chains(self) -> list[bytes]:
        hooks = (("input", _ARP_INPUT, 24), ("output", _ARP_OUTPUT, 14))
        found: list[bytes] = []
        for chain, number, offset in hooks:
            found.append(nft.hook(nft.ARP, self.table, chain, number=number, priority=0))
            found += self._closed(nft.ARP, chain, offset)
        return found

    def _packet_chains(self, family: int) -> list[bytes]:
        # Routed packets too: a container may be what serves the address, behind a translation.
        source, target = (12, 16) if family == nft.IPV4 else (8, 24)
        hooks = (
            ("prerouting", _PREROUTING, _RAW, target, _SOLICITATION),
            ("postrouting", _POSTROUTING, _LAST, source, _ADVERTISEMENT),
        )
        found: list[bytes] = []
        for chain, number, priority, offset, kind in hooks:
            found.append(nft.hook(family, self.table, chain, number=number, priority=priority))
            found += self._closed(family, chain, offset)
            if family == nft.IPV6:
                about = (nft.carries(_ICMPV6), nft.holds(nft.TRANSPORT_HEADER, 0, bytes([kind])))
                found += self._closed(family, chain, _TARGET_AT, base=nft.TRANSPORT_HEADER, only=about)
        return found

    def _closed(
        self, family: int, chain: str, offset: int, *, base: int = nft.NETWORK_HEADER, only: Sequence[bytes] = ()
    ) -> list[bytes]:
        """The two rules that drop what has the address there: while no set has it, and when it is late."""
        key = self._address.packed
        ours = (*only, nft.holds(base, offset, key))
        sets = [nft.not_in(base, offset, len(key), name) for name in _SETS]
        return [
            nft.rule(family, self.table, chain, *ours, *sets, nft.drop()),
            nft.rule(family, self.table, chain, *ours, nft.jump(_LATE)),
        ]

    def _emptied(self, name: str) -> list[bytes]:
        return [nft.no_elements(family, self.table, name) for family in self._families]

    def _open_in(self, name: str) -> _Opening:
        messages = self._emptied(name)
        for family in self._families:
            messages.append(nft.element(family, self.table, name, self._address.packed, _MARK_MS))
            messages.append(nft.no_rules(family, self.table, _LATE))
            if self._has_wall_limit:
                late = nft.rule(family, self.table, _LATE, nft.not_before(_MARK_NS), nft.drop())
                messages.append(late)
        return _Opening(*nft.batch(messages))


class _Opening:
    """The batch that opens, encoded once: only its two figures change."""

    def __init__(self, data: bytearray, acknowledged: int) -> None:
        self.data = data
        self.acknowledged = acknowledged
        self._timeouts = _places(data, struct.pack(">Q", _MARK_MS))
        self._limits = _places(data, struct.pack(">Q", _MARK_NS))

    def fill(self, *, timeout_ms: int, wall_ns: int) -> None:
        for place in self._timeouts:
            struct.pack_into(">Q", self.data, place, timeout_ms)
        for place in self._limits:
            struct.pack_into(">Q", self.data, place, wall_ns)


def _places(data: bytearray, mark: bytes) -> list[int]:
    found: list[int] = []
    place = data.find(mark)
    while place >= 0:
        found.append(place)
        place = data.find(mark, place + len(mark))
    return found


def _refusal(error: OSError, table: str) -> ActuatorError:
    hints = {
        errno.EPERM: "give the agent CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)",
        errno.EACCES: "give the agent CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)",
    }
    lacking = (
        "this kernel lacks nf_tables or a part of it: `modprobe nf_tables`, CONFIG_NF_TABLES_ARP, _IPV4 and _IPV6; "
        'or take door = "preferred", which does not close in time'
    )
    hint = hints.get(error.errno or 0, lacking)
    return ActuatorError(f"the door of the address was refused: {error.strerror or error}", where=table, hint=hint)
