"""Redis: sessions outside of the processes that use them."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.availability.figures import Figures
from bascule.engines import addresses, decoding
from bascule.engines.protocols import Dial, EngineEvent, File, Finding, HealthCheck, Observation, Rendering, Site
from bascule.engines.redis import events, figures, observe, render
from bascule.engines.redis.options import Options
from bascule.system.model import Component, System


class Redis:
    """The engine `redis`."""

    name = "redis"
    summary = "a session store, in memory"
    options = Options

    def ports(self, component: Component) -> Mapping[str, int]:  # noqa: ARG002 - the protocol's
        """`redis` alone."""
        return {"redis": render.PORT}

    def programs(self) -> tuple[str, ...]:
        """The server."""
        return ("redis-server",)

    def check(self, system: System, name: str) -> tuple[Finding, ...]:  # noqa: ARG002 - the protocol's
        """Nothing beyond its options."""
        return ()

    def secrets(self, name: str) -> tuple[str, ...]:
        """The clients' password."""
        return (render.secret(name),)

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """`hosts`, `redis`, and `passfile`: a file with the password alone."""
        listed = addresses.of_ports(site, name, self.ports(site.system.components[name]))
        return {**listed, "passfile": str(site.directory / render.passfile(name))}

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:
        """The password, in a file."""
        return (File(path=render.passfile(name), text=site.secrets[render.secret(name)] + "\n", secret=True),)

    def health(self, component: Component, role: str) -> HealthCheck:  # noqa: ARG002 - the protocol's
        """It accepts connections."""
        return HealthCheck(port=render.PORT)

    def figures(self, system: System, name: str) -> Figures:
        """Those of servers that know nothing of each other."""
        return figures.figures(system, name)

    def render(self, site: Site) -> Rendering:
        """One server, on its own."""
        return render.render(site, decoding.of(site.component, Options))

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:  # noqa: ARG002 - it needs no options to ask
        """PING."""
        return observe.observe(dial, timeout_s)

    def event(self, line: str) -> EngineEvent | None:
        """Its starts and stops."""
        return events.event(line)


engine = Redis()
