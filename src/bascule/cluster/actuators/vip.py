"""An IP address that follows the lease, and has never two holders: the kernel closes it at the validity's end."""

from __future__ import annotations

import contextlib
import errno
import math
import re
from ipaddress import ip_interface
from typing import Literal

from msgspec import Struct

from bascule.cluster.actuators.addresses import FOREVER, Addresses, Assigned, IpInterface, Link
from bascule.cluster.actuators.announce import Announcer
from bascule.cluster.actuators.door import Door
from bascule.cluster.actuators.port import Seen, Term
from bascule.cluster.actuators.probe import find_stranger
from bascule.kernel.clock import BootClock, Clock
from bascule.kernel.errors import ActuatorError, ConflictError, InputError
from bascule.kernel.quantities import Duration

_INTERFACE = re.compile(r"[^\s/:\0]{1,15}")
_CAPABILITIES = "give the agent CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)"
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})
_LIFETIME_EVERY_S = 0.5


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
    if "%" in options.address or interface.ip.is_multicast or interface.ip.is_unspecified or interface.ip.is_loopback:
        raise InputError(f"{interface} cannot follow a lease", where="address", hint="a plain unicast address")
    if options.interface and not _INTERFACE.fullmatch(options.interface):
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


class Vip:
    """An address on an interface of this machine, behind a door. Works in the network namespace of the calling thread.

    Args:
        options: What and how; checked by `make`.
        interface: The address and the length of its prefix.
        clock: `CLOCK_BOOTTIME` and the wall clock.
    """

    def __init__(self, options: Options, interface: IpInterface, clock: Clock) -> None:
        self.name = f"vip {interface}" + (f" on {options.interface}" if options.interface else "")
        self._options = options
        self._interface = interface
        self._clock = clock
        self._door = Door(interface.ip, clock)
        self._has_door = options.door != "off"
        self._addresses: Addresses | None = None
        self._announcer: Announcer | None = None
        self._link: Link | None = None  # where we hold the address; None when we do not
        self._until_s = -math.inf
        self._burst = 0
        self._announce_at_s = 0.0
        self._lifetime_at_s = 0.0

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
        if self._link is not None and self._is_held(self._link):
            self.extend(term)
            self.announce()
            return
        link = self._find_link()
        self._check_foreign(is_ours=self._had_door())
        try:
            await self._claim(link, term)
        except BaseException as error:
            # Also when cancelled: what was begun is taken back at once, for nothing in it waits.
            with contextlib.suppress(ActuatorError):
                self._release()
            if isinstance(error, OSError):
                raise self._refusal(error) from error
            raise

    def extend(self, term: Term) -> None:
        """Let the kernel close the address only at the new end of the validity; from time to time, announce it again.

        Raises:
            ActuatorError: The kernel was not told, or somebody has taken the address or its interface away.
        """
        self._until_s = term.until_s
        try:
            self._let_pass(term.until_s)
            now_s = self._clock.monotonic_s()
            if now_s >= self._announce_at_s and now_s < term.until_s:
                self._check_is_here()
                self._say(now_s)
        except OSError as error:
            raise self._refusal(error) from error

    def announce(self) -> None:
        """Tell the neighbours now where the address is, if it is here: a peer came back, a link came up."""
        now_s = self._clock.monotonic_s()
        if self._link is not None and now_s < self._until_s:
            self._burst = self._options.announce_count
            self._say(now_s)

    async def demote(self) -> None:
        """Have the address no longer here: closed first, then removed.

        Raises:
            ActuatorError: It may still be here.
        """
        self._release()

    async def look(self) -> Seen:
        """Whether the address is here and open. Changes nothing."""
        try:
            if not self._found():
                return "passive"
            return "passive" if self._had_door() and self._door.state() == "closed" else "active"
        except (OSError, ActuatorError):
            return "unknown"

    async def close(self) -> None:
        """Let go of all lines to the kernel; the address and its door stay as they are."""
        self._door.disconnect()
        if self._addresses is not None:
            self._addresses.close()
            self._addresses = None
        if self._announcer is not None:
            self._announcer.close()
            self._announcer = None
        self._forget()

    async def _claim(self, link: Link, term: Term) -> None:
        self._build_door()
        self._remove_address()
        if self._options.probe.seconds and link.resolves:
            own = {one.mac for one in self._rtnetlink().links().values()}
            stranger = await find_stranger(link, self._interface.ip, own, self._options.probe.seconds)
            if stranger is not None:
                raise ConflictError(
                    f"{self._interface.ip} is answered for by {stranger.hex(':')}",
                    where=self.name,
                    hint="see which machine that is (`ip neigh`), and have it give the address up",
                )
        self._link = link
        self._until_s = term.until_s
        if self._has_door:
            self._door.open(term.until_s)
        self._rtnetlink().add(link.index, self._interface, lifetime_s=self._lifetime_s())
        if self._announcer is not None and self._announcer.link != link:
            self._announcer.close()
            self._announcer = None
        if self._announcer is None:
            self._announcer = Announcer(link, self._interface.ip)
        self.announce()
        if not self._is_held(link):
            raise ActuatorError(
                f"{self._interface} was added, and is not there or not open", where=self.name,
                hint="the validity was over, or another program removes addresses (NetworkManager, a cloud's agent)",
            )  # fmt: skip

    def _build_door(self) -> None:
        """Have a closed door, or settle for none where that is allowed."""
        self._has_door = self._options.door != "off"
        try:
            if self._has_door:
                self._door.build()
            elif self._had_door():
                self._door.remove()
        except ActuatorError:
            if self._options.door == "required":
                raise
            self._has_door = False
            self.name += ", without a door"

    def _had_door(self) -> bool:
        """Whether there is a door, perhaps of earlier options; where it cannot be seen, there is none."""
        try:
            return self._door.state() != "absent"
        except ActuatorError:
            if self._options.door == "required":
                raise
            return False

    def _let_pass(self, until_s: float) -> None:
        if self._has_door:
            if not self._door.open(until_s):
                # Somebody removed all tables (`nft flush ruleset`), or all that is ours.
                self._check_is_here()
                self._door.build()
                self._door.open(until_s)
        elif self._options.door == "preferred" and self._link is not None:
            now_s = self._clock.monotonic_s()
            if now_s >= self._lifetime_at_s and now_s < until_s:
                self._check_is_here()
                self._rtnetlink().add(self._link.index, self._interface, lifetime_s=self._lifetime_s())
                self._lifetime_at_s = now_s + _LIFETIME_EVERY_S

    def _lifetime_s(self) -> int:
        if self._has_door or self._options.door == "off":
            return FOREVER
        return max(1, math.ceil(self._until_s - self._clock.monotonic_s()))

    def _release(self) -> None:
        """Close, remove the address, remove the door; in this order, each as far as it goes."""
        self._forget()
        had_door = self._had_door()
        try:
            if had_door:
                self._door.close()
            self._check_foreign(is_ours=had_door)
            self._remove_address()
            if had_door:
                self._door.remove()
        except OSError as error:
            raise self._refusal(error) from error

    def _forget(self) -> None:
        self._link = None
        self._until_s = -math.inf

    def _check_foreign(self, *, is_ours: bool) -> None:
        """Leave alone, and tell, what somebody else may have put there.

        Args:
            is_ours: There is a door: we put the address there, on whatever interface and with whatever prefix.
        """
        if is_ours:
            return
        try:
            links = self._rtnetlink().links()
            for one in self._found():
                name = links[one.index].name if one.index in links else str(one.index)
                if one.interface != self._interface or self._options.interface not in {"", name}:
                    raise ActuatorError(
                        f"{one.interface} is on {name} already, and was not put there by this agent",
                        where=self.name,
                        hint=f"`ip address del {one.interface} dev {name}`, or write it so into the options",
                    )
        except OSError as error:
            raise self._refusal(error) from error

    def _remove_address(self) -> None:
        for one in self._found():
            try:
                self._rtnetlink().remove(one.index, one.interface)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
        if left := self._found():
            raise ActuatorError(f"{left[0].interface} was removed, and is still there", where=self.name)

    def _found(self) -> list[Assigned]:
        """Where this machine has the address, with whatever prefix."""
        ip = self._interface.ip
        return [one for one in self._rtnetlink().assigned(ip.version) if one.interface.ip == ip]

    def _is_held(self, link: Link) -> bool:
        try:
            if self._has_door and self._door.state() != "open":
                return False
            assigned = self._rtnetlink().assigned(self._interface.version, link.index)
        except OSError as error:
            raise self._refusal(error) from error
        return any(one.interface == self._interface and one.is_usable for one in assigned)

    def _check_is_here(self) -> None:
        if self._link is None or not any(one.index == self._link.index for one in self._found()):
            raise ActuatorError(
                f"{self._interface} is no longer here", where=self.name,
                hint="somebody removed the address or its interface",
            )  # fmt: skip

    def _say(self, now_s: float) -> None:
        self._burst = max(0, self._burst - 1)
        pause = self._options.announce_interval if self._burst else self._options.announce_every
        self._announce_at_s = now_s + pause.seconds
        if self._announcer is not None and self._announcer.link.resolves:
            # A link that is down has no neighbours; it is said again when it is up.
            with contextlib.suppress(OSError):
                self._announcer.send()

    def _find_link(self) -> Link:
        try:
            links = self._rtnetlink().links()
            link = self._named(links) if self._options.interface else self._of_subnet(links)
        except OSError as error:
            raise self._refusal(error) from error
        self.name = f"vip {self._interface} on {link.name}"
        if not link.is_up:
            raise ActuatorError(f"{link.name} is down", where=self.name, hint=f"`ip link set {link.name} up`")
        if not link.has_carrier:
            raise ActuatorError(
                f"{link.name} has no link", where=self.name, hint="see the cable, or what it is part of"
            )
        return link

    def _named(self, links: dict[int, Link]) -> Link:
        for link in links.values():
            if link.name == self._options.interface:
                return link
        there = ", ".join(sorted(link.name for link in links.values())[:20])
        raise ActuatorError(
            f"there is no interface {self._options.interface}", where=self.name, hint=f"there are {there}"
        )

    def _of_subnet(self, links: dict[int, Link]) -> Link:
        ip = self._interface.ip
        others = [one for one in self._rtnetlink().assigned(ip.version) if one.interface.ip != ip]
        fitting = [one for one in others if ip in one.interface.network and one.index in links]
        longest = max((one.interface.network.prefixlen for one in fitting), default=0)
        found = {one.index for one in fitting if one.interface.network.prefixlen == longest}
        if len(found) == 1:
            return links[found.pop()]
        what = f"{len(found)} interfaces have" if found else "no interface has"
        raise ActuatorError(f"{what} an address in the subnet of {ip}", where=self.name, hint="name the interface")

    def _rtnetlink(self) -> Addresses:
        if self._addresses is None:
            self._addresses = Addresses()
        return self._addresses

    def _refusal(self, error: OSError) -> ActuatorError:
        number = error.errno or 0
        if number == errno.EPERM:
            return ActuatorError("this process may not change addresses", where=self.name, hint=_CAPABILITIES)
        if number == errno.EACCES and self._interface.version == 6:
            return ActuatorError(
                "IPv6 is disabled on the interface", where=self.name, hint="sysctl net.ipv6.conf.IFACE.disable_ipv6=0"
            )
        if number in {errno.ENODEV, errno.ENXIO}:
            return ActuatorError("the interface is gone", where=self.name, hint="`ip link` shows what there is")
        if number == errno.ENETDOWN:
            return ActuatorError("the interface is down", where=self.name, hint="`ip link set IFACE up`")
        return ActuatorError(f"the kernel refused: {error.strerror or error}", where=self.name)
