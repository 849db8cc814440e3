"""Lists of addresses, nearest first, as clients' configurations want them. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.engines.protocols import Site
from bascule.kernel.quantities import Duration


def of_ports(site: Site, name: str, ports: Mapping[str, int]) -> dict[str, str]:
    """For each port of a component `host:port,host:port`, and `hosts` alone: nearest to the site's member first."""
    hosts = [member.address for member in site.of(name)]
    listed = {port: ",".join(f"{host}:{number}" for host in hosts) for port, number in ports.items()}
    return {"hosts": ",".join(hosts), **listed}


def network(address: str) -> str:
    """The network of every host of the same lab: all of loopback, or the /16 that holds the address.

    On loopback a client's source address is 127.0.0.1 unless it is bound, so no narrower network would do.
    """
    first, second, *_ = address.split(".")
    return "127.0.0.0/8" if first == "127" else f"{first}.{second}.0.0/16"


def ms(duration: Duration) -> int:
    """Whole milliseconds, at least one."""
    return max(1, round(duration.seconds * 1000))


def is_path(text: str) -> bool:
    """Whether this can stand in a request line and in a configuration: a slash first, all printable, no spaces."""
    return text.startswith("/") and text.isascii() and text.isprintable() and " " not in text
