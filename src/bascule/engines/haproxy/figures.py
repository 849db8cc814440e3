"""What is typical of an HAProxy component, and what its checks mean to what is behind it. Pure."""

from __future__ import annotations

from msgspec import structs

from bascule.availability.figures import TYPICAL, Figures
from bascule.engines import decoding
from bascule.engines.haproxy.options import Options
from bascule.engines.keepalived import options as keepalived
from bascule.engines.keepalived.render import down_s
from bascule.kernel.quantities import Duration
from bascule.system.model import System
from bascule.system.rules_entry import DEFAULT_TTL

_TAKING_S = 0.5
"""From the end of a lease until the next holder has written it and answers for the address: an assumption."""

FIGURES = structs.replace(
    TYPICAL.but("mttr", Duration(600.0), "assumption: ten minutes, for it has no data of its own"), lost=Duration(0.0)
)
"""Of proxies that clients know all of."""


def figures(system: System, name: str) -> Figures:
    """The typical figures, with how long clients need to find another proxy: by the entry's address, or themselves."""
    if system.workload.through != name:
        found = noticed(system, name)
        return FIGURES if found is None else FIGURES.but("failover", *found)
    if system.vip is None:
        deadline = system.workload.deadline
        return FIGURES.but("failover", deadline, f"workload.deadline {deadline}: then a client leaves what is silent")
    taken = FIGURES.but("redundancy", "standby", "one host has the address (workload.entry.kind: vip)")
    if system.vip.provider == "keepalived":
        chosen = decoding.of_entry(system, keepalived.Options)
        source = f"VRRP: 3 adverts of {chosen.advert} and a part of one for the priority (RFC 5798, 6.1)"
        return taken.but("failover", Duration(down_s(chosen, chosen.priority - chosen.step)), source)
    lease = system.vip.ttl or DEFAULT_TTL
    source = f"the lease of {lease} runs out + {_TAKING_S}s until the next holder has the address, an assumption"
    return taken.but("failover", Duration(lease.seconds + _TAKING_S), source)


def noticed(system: System, name: str) -> tuple[Duration, str] | None:
    """How long the slowest proxy before a component sends requests to a member that went silent, and why; None: none.

    HAProxy 2.8 configuration manual, 5.2: a check each `inter`, `fall` failed ones in a row; a member that is gone
    fails each only after `timeout check`. A process that died on a living host refuses at once, which is quicker.
    """
    found = [(_silence_s(system, proxy, options), proxy, options) for proxy, options in _proxies_of(system, name)]
    if not found:
        return None
    silence_s, proxy, options = max(found, key=lambda one: one[0])
    check = options.check
    source = f"{proxy} checks: {check.every} + {check.fall} x {check.timeout} until it is down, or the links' time"
    return Duration(silence_s), source


def welcomed_s(system: System, name: str) -> float:
    """How long the slowest proxy before a component needs to see that a member has another role; 0 without one."""
    return max((each.check.rise * each.check.every.seconds for _, each in _proxies_of(system, name)), default=0.0)


def _proxies_of(system: System, name: str) -> list[tuple[str, Options]]:
    proxies = ((each, one) for each, one in system.components.items() if one.engine == "haproxy")
    decoded = ((each, decoding.of(one, Options)) for each, one in proxies)
    return [(each, one) for each, one in decoded if any(listener.to == name for listener in one.listeners.values())]


def _silence_s(system: System, proxy: str, options: Options) -> float:
    least_s = 1.5 * max(system.round_trip_s([proxy, listener.to]) for listener in options.listeners.values())
    check = options.check
    return max(check.every.seconds, least_s) + check.fall * max(check.timeout.seconds, least_s)
