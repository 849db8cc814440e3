"""A service: any command with a port and a health page."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.availability.figures import Figures
from bascule.engines import addresses, decoding, registry
from bascule.engines.protocols import Dial, EngineEvent, File, Finding, HealthCheck, Observation, Rendering, Site
from bascule.engines.service import figures, observe, render
from bascule.engines.service.options import Options
from bascule.system.model import Component, System


class Service:
    """The engine `service`."""

    name = "service"
    summary = "any command with a port and a health page"
    options = Options

    def ports(self, component: Component) -> Mapping[str, int]:
        """`http` alone."""
        return {"http": decoding.of(component, Options).port}

    def programs(self) -> tuple[str, ...]:
        """This Python, for `${python}`."""
        return ("python",)

    def check(self, system: System, name: str) -> tuple[Finding, ...]:
        """Its references."""
        chosen = decoding.of(system.components[name], Options)
        site = registry.rehearsal(system, name)
        return render.check(site, f"components.{name}.options", chosen, registry.engine)

    def secrets(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """None of its own."""
        return ()

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """`hosts`, `http`."""
        return addresses.of_ports(site, name, self.ports(site.system.components[name]))

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def health(self, component: Component, role: str) -> HealthCheck:  # noqa: ARG002 - the protocol's
        """Its health page."""
        chosen = decoding.of(component, Options)
        return HealthCheck(port=chosen.port, path=chosen.health)

    def figures(self, system: System, name: str) -> Figures:
        """How soon the proxies before it lead around a lost replica."""
        return figures.figures(system, name)

    def render(self, site: Site) -> Rendering:
        """Its command, with the credentials of what it refers to."""
        return render.render(site, decoding.of(site.component, Options), registry.engine)

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:
        """Its health page. Without `component` only the default port and path can be asked."""
        chosen = decoding.of(component, Options) if component else Options(command=())
        return observe.observe(dial, chosen.port, chosen.health, timeout_s)

    def event(self, line: str) -> EngineEvent | None:  # noqa: ARG002 - the protocol's
        """Nothing is known of its log."""
        return None


engine = Service()
