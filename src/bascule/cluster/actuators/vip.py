"""An IP address that follows the lease, and has never two holders: the kernel closes it at the validity's end."""

from __future__ import annotations

import asyncio
import contextlib
import math
import re
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_interface
from typing import Literal

from msgspec import Struct

from bascule.cluster.actuators.addresses import FOREVER, IpInterface, Link
from bascule.cluster.actuators.announce import Announcer
from bascule.cluster.actuators.door import Door
from bascule.cluster.actuators.placement import Placement
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.actuators.probe import find_stranger
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import ActuatorError, ConflictError, InputError
from bascule.kernel.quantities import Duration

_INTERFACE = re.compile(r"[^\s/:\0]{1,15}")
_BROADCAST = IPv4Address("255.255.255.255")
_LINGER_S = 5
_PATIENCE, _PATIENCE_S = 20, 0.005
_PROLONG_EVERY_S, _PROLONG_OFTEN_S = 2.0, 0.5


class Options(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="vip"):
    """One virtual IP address.

    Attributes:
        address: IPv4 or IPv6, with the length of its prefix: `10.88.1.8/24`. Without one: /32 or /128.
        interface: Where it is added; empty: the interface that has an address of the same subnet.
        probe: How long to wait, before it is claimed, for somebody else to answer for it: 0 (not asked) to 10 s.
        announce_count: How many announcements follow each other after it was claimed: 1 to 100.
        announce_interval: The pause between these: 10 ms to 10 s. They go with the renewals, so not more often than
            those.
        announce_every: The pause between all later ones: 50 ms to 1 h.
        door: `required`: no address without a door that the kernel closes at the end of the validity. `preferred`:
            where there can be none, the kernel removes the address, up to some seconds late. `off`: neither.
    """

    address: str
    interface: str = ""
    probe: Duration = Duration(0.03)
    announce_count: int = 3
    announce_interval: Duration = Duration(0.1)
    announce_every: Duration = Duration(0.5)
    door: Literal["required", "preferred", "off"] = "required"


def make(options: Options) -> Vip:
    """The actuator for that address; touches nothing yet.

    Raises:
        InputError: An option is impossible.
    """
    try:
        interface = ip_interface(options.address)
    except ValueError as error:
        raise InputError(
            f"{options.address[:80]!r} is no IP address", where="address", hint="write it like 10.88.1.8/24"
        ) from error
    if "%" in options.address or not _can_follow(interface):
        raise InputError(f"{interface} cannot follow a lease", where="address", hint="a unicast address of a host")
    if options.interface in {".", ".."} or (options.interface and not _INTERFACE.fullmatch(options.interface)):
        raise InputError(f"{options.interface[:80]!r} is no name of an interface", where="interface")
    limits = (
        ("probe", options.probe.seconds, 0, 10, "0 to 10s"),
        ("announce_count", options.announce_count, 1, 100, "1 to 100"),
        ("announce_interval", options.announce_interval.seconds, 0.01, 10, "10ms to 10s"),
        ("announce_every", options.announce_every.seconds, 0.05, 3600, "50ms to 1h"),
    )
    for name, value, least, most, hint in limits:
        if not least <= value <= most:
            raise InputError(f"{getattr(options, name)} is impossible", where=name, hint=hint)
    return Vip(options, interface, BootClock())


def _can_follow(interface: IpInterface) -> bool:
    ip, network = interface.ip, interface.network
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped:
        return False
    if ip.is_multicast or ip.is_unspecified or ip.is_loopback or ip == _BROADCAST or not network.prefixlen:
        return False
    names_network = network.num_addresses > 2 and ip == network.network_address
    names_all = network.version == 4 and network.num_addresses > 2 and ip == network.broadcast_address
    return not names_network and not names_all


class Vip:
    """An address on an interface of this machine, behind a door. Works in the network namespace of the calling thread.

    Args:
        options: What and how; checked by `make`.
        interface: The address and the length of its prefix.
        clock: `CLOCK_BOOTTIME` and the wall clock.
    """

    def __init__(self, options: Options, interface: IpInterface, clock: Clock) -> None:
        self._options = options
        self._clock = clock
        self._place = Placement(interface, options.interface)
        self._door = Door(interface.ip, clock)
        self._has_door = options.door != "off"
        self._announcer: Announcer | None = None
        self._link: Link | None = None  # where we hold the address; None when we do not
        self._until_s = -math.inf
        self._burst = 0
        self._announce_at_s = self._prolong_at_s = -math.inf
        self.name = self._place.name

    @property
    def closes_by_itself(self) -> bool:
        """Whether the kernel ends the address's life at the validity's end, whatever becomes of this process.

        Known after `promote`; before, what the options ask for.
        """
        return self._has_door

    async def promote(self, term: Term) -> None:
        """Have the address here until the term's validity ends, unless a stranger answers for it.

        Raises:
            ConflictError: Another machine on the wire answers for it; the address is not here.
            ActuatorError: It could not be done; the address is not here.
        """
        self._until_s = term.until_s
        try:
            with self._told():
                if self._link is not None and self._is_held(self._link):
                    self._let_pass(self._link)
                    self._hold(self._link)
                else:
                    await self._claim()
        except BaseException:
            # Also when cancelled: what was begun is taken back at once, for nothing in it waits.
            with contextlib.suppress(ActuatorError):
                self._take_away()
                self._remove_door()
            raise

    def extend(self, term: Term) -> None:
        """Let the kernel close the address only at the new end of the validity; from time to time, announce it again.

        While the address is still being claimed, the new end is the one that it will be claimed for.

        Raises:
            ActuatorError: The kernel was not told, or somebody has taken the address or its interface away.
        """
        self._until_s = term.until_s
        if self._link is not None:
            with self._told():
                self._let_pass(self._link)
                now_s = self._clock.monotonic_s()
                if self._announce_at_s <= now_s < term.until_s:
                    self._check_is_on(self._link)
                    self._say(now_s)

    def announce(self) -> None:
        """Tell the neighbours now where the address is, if it is here: a peer came back, a link came up."""
        now_s = self._clock.monotonic_s()
        if self._link is not None and now_s < self._until_s:
            self._burst = self._options.announce_count
            self._say(now_s)

    async def demote(self) -> None:
        """Have the address no longer here: closed first, then removed.

        What another process of this machine that still lives has promoted stays behind its closed door.

        Raises:
            ActuatorError: It may still be here.
        """
        self._take_away()
        for _ in range(_PATIENCE):
            if self._remove_door():
                break
            await asyncio.sleep(_PATIENCE_S)  # it may be just being ended

    async def look(self) -> Seen:
        """Whether the address is here and open. Changes nothing."""
        try:
            if not self._place.found():
                return "passive"
            return "passive" if self._had_door() and self._door.state() == "closed" else "active"
        except (OSError, ActuatorError):
            return "unknown"

    async def close(self) -> None:
        """Let go of all lines to the kernel; the address and its door stay as they are."""
        self._link = None
        self._door.disconnect()
        self._place.close()
        self._silence()

    async def _claim(self) -> None:
        self._link = None
        link = self._place.find_link()
        self.name = f"vip {self._place.interface} on {link.name}"
        if not self._had_door():
            self._place.check_foreign()
        await self._build_door()
        self._place.remove()
        if self._options.probe.seconds and link.resolves:
            await self._probe(link)
        if self._has_door and not self._door.open(self._until_s):
            raise self._error("the door was removed as soon as it was there", "does a second agent use this address?")
        self._place.put(link, self._lifetime_s())
        self._prolong_at_s = -math.inf
        if self._announcer is None or self._announcer.link != link:
            self._silence()
            self._announcer = Announcer(link, self._place.interface.ip)
        self._hold(link)

    async def _probe(self, link: Link) -> None:
        ip = self._place.interface.ip
        stranger = await find_stranger(link, ip, self._place.link_addresses(), self._options.probe.seconds)
        if stranger is not None:
            raise ConflictError(
                f"{ip} is answered for by {stranger.hex(':')}",
                where=self.name,
                hint="see which machine that is (`ip neigh`), and have it give the address up",
            )

    def _hold(self, link: Link) -> None:
        """See that the address is here and open, and say so."""
        self._link = link
        if self._clock.monotonic_s() >= self._until_s or not self._is_held(link):
            what = f"{self._place.interface} was added, and is not there or not open"
            raise self._error(what, "the validity was over; or another program removes addresses that it does not know")
        self.announce()

    def _is_held(self, link: Link) -> bool:
        return (not self._has_door or self._door.state() == "open") and self._place.is_on(link)

    async def _build_door(self) -> None:
        """Have a closed door, or settle for none where that is allowed."""
        self._has_door = self._options.door != "off"
        try:
            if self._has_door:
                await self._claim_door()
                self._door.build()
            elif self._had_door():
                self._door.remove()
        except ActuatorError:
            if self._options.door == "required":
                raise
            self._has_door = False
            self.name += ", without a door"

    async def _claim_door(self) -> None:
        for _ in range(_PATIENCE):
            if self._door.claim():
                return
            await asyncio.sleep(_PATIENCE_S)  # it may be just being ended, or only cleaning up
        raise self._error("another process of this machine holds the address", "one agent for each address")

    def _had_door(self) -> bool:
        """Whether there is a door, perhaps of earlier options: then we put the address where it is, if it is.

        Where none can be seen because the kernel has no doors, there is none.
        """
        try:
            return self._door.state() != "absent"
        except ActuatorError:
            if self._options.door == "required":
                raise
            return False

    def _let_pass(self, link: Link) -> None:
        if self._has_door and not self._door.open(self._until_s):
            # Somebody removed all tables (`nft flush ruleset`); or, with the address, all that is ours.
            self._check_is_on(link)
            self._door.build()
            if not self._door.open(self._until_s):
                raise self._error("the door is removed again and again", "see which program flushes all of nftables")
        now_s = self._clock.monotonic_s()
        if self._options.door != "off" and self._prolong_at_s <= now_s < self._until_s:
            self._check_is_on(link)
            self._place.put(link, self._lifetime_s())
            self._prolong_at_s = now_s + (_PROLONG_EVERY_S if self._has_door else _PROLONG_OFTEN_S)

    def _lifetime_s(self) -> int:
        """After how long the kernel removes the address, if nobody prolongs it.

        Behind a door it is only cleared away some seconds after that was closed: firewall rules that are loaded anew
        might open what a dead agent left.
        """
        if self._options.door == "off":
            return FOREVER
        left_s = max(1, math.ceil(self._until_s - self._clock.monotonic_s()))
        return left_s + _LINGER_S if self._has_door else left_s

    def _take_away(self) -> None:
        """Close the door, then remove the address."""
        self._link = None
        self._until_s = -math.inf
        is_ours = False
        with self._told():
            try:
                is_ours = self._had_door()
                if is_ours:
                    self._door.close()
            finally:
                # Even if the door could not be closed: an address that is not here needs none.
                if not is_ours:
                    self._place.check_foreign()
                self._place.remove()

    def _remove_door(self) -> bool:
        """Remove the door, if the address is gone and nobody else may still put it here."""
        if self._had_door():
            if not self._door.claim():
                return False
            self._door.remove()
        self._door.unclaim()
        return True

    def _check_is_on(self, link: Link) -> None:
        if not self._place.found(link.index):
            raise self._error(f"{self._place.interface} is no longer here", "somebody removed the address")

    def _say(self, now_s: float) -> None:
        self._burst = max(0, self._burst - 1)
        pause = self._options.announce_interval if self._burst else self._options.announce_every
        self._announce_at_s = now_s + pause.seconds
        if self._announcer is not None and self._announcer.link.resolves:
            # A link that is down has no neighbours; it is said again when it is up.
            with contextlib.suppress(OSError):
                self._announcer.send()

    def _silence(self) -> None:
        if self._announcer is not None:
            self._announcer.close()
            self._announcer = None

    def _error(self, what: str, hint: str) -> ActuatorError:
        return ActuatorError(what, where=self.name, hint=hint)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self._place.refusal(error) from error
