"""HAProxy: the edge that sends each client to a member that serves."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.availability.figures import Figures
from bascule.engines import addresses, decoding, registry
from bascule.engines.haproxy import events, figures, observe, render
from bascule.engines.haproxy.options import Options
from bascule.engines.protocols import Dial, EngineEvent, File, Finding, HealthCheck, Observation, Rendering, Site
from bascule.system.model import Component, System


class HAProxy:
    """The engine `haproxy`."""

    name = "haproxy"
    summary = "a proxy: health checks, the way to the primary, retries where they are safe"
    options = Options
    listens_at_vip = True

    def ports(self, component: Component) -> Mapping[str, int]:
        """Its listeners in the file's order, then `stats`."""
        chosen = decoding.of(component, Options)
        return {**{name: each.port for name, each in chosen.listeners.items()}, render.STATS: chosen.stats}

    def programs(self) -> tuple[str, ...]:
        """HAProxy."""
        return ("haproxy",)

    def check(self, system: System, name: str) -> tuple[Finding, ...]:
        """Where its listeners lead."""
        return render.check(system, name, decoding.of(system.components[name], Options), registry.engine)

    def secrets(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """`hosts`, and each listener by its name."""
        return addresses.of_ports(site, name, self.ports(site.system.components[name]))

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def health(self, component: Component, role: str) -> HealthCheck:  # noqa: ARG002 - the protocol's
        """Its own health page."""
        return HealthCheck(port=decoding.of(component, Options).stats, path="/health")

    def figures(self, system: System, name: str) -> Figures:
        """How soon clients find another proxy."""
        return figures.figures(system, name)

    def render(self, site: Site) -> Rendering:
        """One proxy."""
        return render.render(site, decoding.of(site.component, Options), registry.engine)

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:
        """Which servers it sees."""
        port = decoding.of(component, Options).stats if component else Options(listeners={}).stats
        return observe.observe(dial, port, timeout_s)

    def event(self, line: str) -> EngineEvent | None:
        """Servers going down and up."""
        return events.event(line)


engine = HAProxy()
