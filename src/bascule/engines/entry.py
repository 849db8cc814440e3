"""What moves the entry's address, and what stands beside a member for it."""

from __future__ import annotations

import importlib
from collections.abc import Callable

from msgspec import structs

from bascule.engines import decoding
from bascule.engines.protocols import Engine, Entrance, Finding, Provider, Rendering, Site
from bascule.system.model import System

Engines = Callable[[str], Engine]
_ADDRESSES = {"bascule": "bascule.engines.agent", "keepalived": "bascule.engines.keepalived"}
_OPTIONS = "workload.entry.options"


def provider_of(system: System) -> Provider | None:
    """What moves the entry's address; None where clients know all replicas."""
    return None if system.vip is None else _named(system.vip.provider)


def _named(name: str) -> Provider:
    found: Provider = importlib.import_module(_ADDRESSES[name]).provider
    return found


def check(system: System, engines: Engines) -> tuple[Finding, ...]:
    """What the provider, and the engine behind the address, find wrong; the system's own rules hold already."""
    provider = provider_of(system)
    if provider is None or system.vip is None:
        return ()
    through = system.workload.through
    findings: list[Finding] = []
    engine = engines(system.components[through].engine)
    if not isinstance(engine, Entrance):
        what = f"members of {through} ({engine.name}) listen on their hosts' own addresses, not on one that moves"
        findings.append(Finding(path="workload.through", what=what, hint="put a component with engine: haproxy before"))
    wrong = decoding.decode(system.vip.options, provider.options, _OPTIONS)[1]
    return (*findings, *(wrong or provider.check(system)))


def companion_name(member: str, provider: Provider) -> str:
    """What the companion of this member is called."""
    return f"{member}-{provider.name}"


def companion_site(site: Site, provider: Provider) -> Site:
    """The member's site, with the companion's directory, beside the member's own."""
    return structs.replace(site, directory=site.directory.with_name(companion_name(site.member.name, provider)))


def render(site: Site, engine: Engine) -> Rendering:
    """What a member needs to run: as its engine renders it, with the companion that the entry gives it, if any."""
    rendering = engine.render(site)
    provider = provider_of(site.system) if site.vip else None
    if provider is None:
        return rendering
    beside = provider.companions(companion_site(site, provider))
    return structs.replace(rendering, companions=(*rendering.companions, *beside))
