"""etcd: the quorum in which others keep who is in charge."""

from __future__ import annotations

from collections.abc import Mapping

from bascule.availability.figures import Figures
from bascule.engines import addresses, decoding
from bascule.engines.etcd import events, figures, observe, render
from bascule.engines.etcd.options import Options
from bascule.engines.protocols import Dial, EngineEvent, File, Finding, HealthCheck, Observation, Rendering, Site
from bascule.system.model import Component, System


class Etcd:
    """The engine `etcd`."""

    name = "etcd"
    summary = "a quorum store: leases and locks for others"
    options = Options

    def ports(self, component: Component) -> Mapping[str, int]:  # noqa: ARG002 - the protocol's
        """`etcd` for clients, `peer` among the members."""
        return {"etcd": render.CLIENT_PORT, "peer": render.PEER_PORT}

    def programs(self) -> tuple[str, ...]:
        """The server."""
        return ("etcd",)

    def check(self, system: System, name: str) -> tuple[Finding, ...]:
        """Timing against the links, and the number of members."""
        return render.check(system, name, decoding.of(system.components[name], Options))

    def secrets(self, name: str) -> tuple[str, ...]:  # noqa: ARG002 - the protocol's
        """None: inside the lab's own network it trusts its clients."""
        return ()

    def exports(self, site: Site, name: str) -> Mapping[str, str]:
        """`hosts`, `etcd`, `peer`, and `endpoints` as URLs."""
        listed = addresses.of_ports(site, name, self.ports(site.system.components[name]))
        return {**listed, "endpoints": ",".join(f"http://{each}" for each in listed["etcd"].split(","))}

    def credentials(self, site: Site, name: str) -> tuple[File, ...]:  # noqa: ARG002 - the protocol's
        """None."""
        return ()

    def health(self, component: Component, role: str) -> HealthCheck:  # noqa: ARG002 - the protocol's
        """Its own health page."""
        return HealthCheck(port=render.CLIENT_PORT, path="/health")

    def figures(self, system: System, name: str) -> Figures:
        """How long an election takes, by its options and the links."""
        return figures.figures(system, name)

    def render(self, site: Site) -> Rendering:
        """One member of a static cluster."""
        return render.render(site, decoding.of(site.component, Options))

    def observe(self, dial: Dial, timeout_s: float, component: Component | None = None) -> Observation:  # noqa: ARG002 - it needs no options to ask
        """Health, leader and term."""
        return observe.observe(dial, timeout_s)

    def event(self, line: str) -> EngineEvent | None:
        """Elections and lost leaders."""
        return events.event(line)


engine = Etcd()
