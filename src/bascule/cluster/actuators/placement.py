"""Where on this machine an address is: put on an interface, taken away, and told what is in the way."""

from __future__ import annotations

import errno

from bascule.cluster.actuators.addresses import Addresses, Assigned, IpInterface, Link
from bascule.kernel.errors import ActuatorError

_CAPABILITIES = "give the agent CAP_NET_ADMIN (systemd: AmbientCapabilities=CAP_NET_ADMIN CAP_NET_RAW)"
_GONE = frozenset({errno.EADDRNOTAVAIL, errno.ENODEV})


class Placement:
    """One address, and the interfaces of this machine.

    Args:
        interface: The address and the length of its prefix.
        wanted: The interface that it belongs to; empty: the one that has an address of the same subnet.
    """

    def __init__(self, interface: IpInterface, wanted: str) -> None:
        self.interface = interface
        self._wanted = wanted
        self._open: Addresses | None = None

    @property
    def name(self) -> str:
        """For people."""
        return f"vip {self.interface}" + (f" on {self._wanted}" if self._wanted else "")

    def find_link(self) -> Link:
        """The interface that the address belongs to, ready to be used.

        Raises:
            ActuatorError: There is none, or not only one; or it is down.
            OSError: The kernel refused.
        """
        links = self._kernel().links()
        link = self._named(links) if self._wanted else self._of_subnet(links)
        if not link.is_up:
            raise ActuatorError(f"{link.name} is down", where=self.name, hint=f"`ip link set {link.name} up`")
        if not link.has_carrier:
            raise ActuatorError(
                f"{link.name} has no link", where=self.name, hint="see the cable, or what it is part of"
            )
        return link

    def link_addresses(self) -> set[bytes]:
        """The link addresses of all interfaces: who answers with one of them is no stranger.

        Raises:
            OSError: The kernel refused.
        """
        return {link.mac for link in self._kernel().links().values() if link.mac}

    def check_foreign(self) -> None:
        """See that the address, if it is here at all, is where we would have put it.

        Raises:
            ActuatorError: It is elsewhere, or with another prefix: somebody else has put it there.
            OSError: The kernel refused.
        """
        found = self.found()
        links = self._kernel().links() if found else {}
        for one in found:
            name = links[one.index].name if one.index in links else str(one.index)
            if one.interface != self.interface or self._wanted not in {"", name}:
                raise ActuatorError(
                    f"{one.interface} is on {name} already, and was not put there by this agent",
                    where=self.name,
                    hint=f"`ip address del {one.interface} dev {name}`, or write it so into the options",
                )

    def found(self, index: int = 0) -> list[Assigned]:
        """The places where this machine has the address, with whatever prefix.

        Args:
            index: The interface that is looked at; 0 means all.

        Raises:
            OSError: The kernel refused, or there is no such interface (ENODEV).
        """
        assigned = self._kernel().assigned(self.interface.version, index)
        return [one for one in assigned if one.interface.ip == self.interface.ip]

    def is_on(self, link: Link) -> bool:
        """Whether the address is on this interface as it should be, and can be used.

        Raises:
            OSError: The kernel refused.
        """
        return any(one.interface == self.interface and one.is_usable for one in self.found(link.index))

    def put(self, link: Link, lifetime_s: int) -> None:
        """Have the address there, with this lifetime from now on: see `Addresses.add`.

        Raises:
            OSError: The kernel refused.
        """
        self._kernel().add(link.index, self.interface, lifetime_s=lifetime_s)

    def remove(self) -> None:
        """Have the address nowhere on this machine.

        Raises:
            ActuatorError: It is still there.
            OSError: The kernel refused.
        """
        for one in self.found():
            try:
                self._kernel().remove(one.index, one.interface)
            except OSError as error:
                if error.errno not in _GONE:
                    raise
        if left := self.found():
            raise ActuatorError(f"{left[0].interface} was removed, and is still there", where=self.name)

    def close(self) -> None:
        """Let go of the line to the kernel."""
        if self._open is not None:
            self._open.close()
            self._open = None

    def refusal(self, error: OSError) -> ActuatorError:
        """What the kernel's refusal means, and what to do."""
        number = error.errno or 0
        if number == errno.EPERM:
            return ActuatorError("this process may not change addresses", where=self.name, hint=_CAPABILITIES)
        if number == errno.EACCES and self.interface.version == 6:
            return ActuatorError(
                "IPv6 is disabled on the interface", where=self.name, hint="sysctl net.ipv6.conf.IFACE.disable_ipv6=0"
            )
        if number in {errno.ENODEV, errno.ENXIO}:
            return ActuatorError("the interface is gone", where=self.name, hint="`ip link` shows what there is")
        if number == errno.ENETDOWN:
            return ActuatorError("the interface is down", where=self.name, hint="`ip link set IFACE up`")
        return ActuatorError(f"the kernel refused: {error.strerror or error}", where=self.name)

    def _kernel(self) -> Addresses:
        if self._open is None:
            self._open = Addresses()
        return self._open

    def _named(self, links: dict[int, Link]) -> Link:
        for link in links.values():
            if link.name == self._wanted:
                return link
        there = ", ".join(sorted(link.name for link in links.values())[:20])
        raise ActuatorError(f"there is no interface {self._wanted}", where=self.name, hint=f"there are {there}")

    def _of_subnet(self, links: dict[int, Link]) -> Link:
        ip = self.interface.ip
        others = [one for one in self._kernel().assigned(ip.version) if one.interface.ip != ip]
        fitting = [one for one in others if ip in one.interface.network and one.index in links]
        longest = max((one.interface.network.prefixlen for one in fitting), default=0)
        found = {one.index for one in fitting if one.interface.network.prefixlen == longest}
        if len(found) == 1:
            return links[found.pop()]
        what = f"{len(found)} interfaces have" if found else "no interface has"
        raise ActuatorError(f"{what} an address in the subnet of {ip}", where=self.name, hint="name the interface")
